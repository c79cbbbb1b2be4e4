"""Shards of a corpus -> committed shards of latents, on GPU actors."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import ray

from ldm3d.config import LatentsConfig
from ldm3d.data.latent_sums import LatentSums
from ldm3d.data.latents import LATENT_SHAPE, LATENT_SUMS, TEXT_SHAPE, to_bytes
from ldm3d.encoding.row_encoder import EncodedRows, RowEncoder
from ldm3d.schema import LATENTS, conform, reject_rows
from pipelines.storage.folder import Folder
from pipelines.storage.parquet import row_groups
from pipelines.storage.shards import Record, commit_shard
from pipelines.workers.resources import prepare_process

COLUMNS = ("key", "url", "caption", "image", "depth")
FOLDERS = ("latents", "rejects")  # folders of the output
ROW_GROUP_ROWS = 32  # what a training reader fetches at once: 2 MiB at 512 pixels
FLOATS = ("mean", "std", "text")
OPTIONS: dict[str, Any] = {
    # for floats compression saves only a tenth
    "compression": {name: "none" if name in FLOATS else "zstd" for name in LATENTS.names},
    "use_dictionary": False,
    "write_statistics": ["key"],
}


@dataclass(frozen=True)
class Encoding:
    """What the actors of a run need to know."""

    config: LatentsConfig
    vae: ray.ObjectRef
    """The autoencoder."""
    text: ray.ObjectRef | None
    """Text encoder and tokenizer; None if captions are not stored encoded."""
    image_size: int
    """Side S of the pictures, in pixels."""
    latent_shape: tuple[int, int, int]
    """(c, h, w)."""
    cpus: float
    """CPUs of an actor."""
    owner: str
    provenance: dict[str, Any]
    """Metadata of each file."""


class ShardEncoder:
    """Encodes shards on one device, with the autoencoder and, if captions are to be encoded, the text encoder.

    INPUT   one shard: name, source
    OUTPUT  record, the JSON of its `Record`; its files are committed
    Fan-out 1:1

    Two calls may run at once: while the device works on one shard, the previous one is written or the next is read.
    """

    def __init__(self, work: Encoding) -> None:
        from ldm3d.encoding.caption_encoder import CaptionEncoder
        from ldm3d.encoding.latent_encoder import LatentEncoder

        prepare_process(work.cpus)
        self.work = work
        self.corpus, self.output = Folder(work.config.input), Folder(work.config.output)
        settings = work.config.encode
        pictures = LatentEncoder(ray.get(work.vae), settings)
        captions = None
        if work.text:
            text_encoder, tokenizer = ray.get(work.text)
            captions = CaptionEncoder(text_encoder, tokenizer, settings.batch_size)
        self.encode = RowEncoder(pictures, work.image_size, work.latent_shape, captions)

    def __call__(self, shards: pa.Table) -> pa.Table:
        (shard,) = shards.to_pylist()
        rows = self.corpus.read_table(shard["source"], columns=list(COLUMNS))
        encoded = self.encode(rows, flips=has_flips(shard["name"], self.work.config))
        record, tables = pack(shard["name"], rows, encoded, self.work.provenance)
        record = commit_shard(self.output, self.work.owner, record, tables, {"latents": OPTIONS})
        return pa.table({"record": [record.to_json()]})


def has_flips(shard: str, config: LatentsConfig) -> bool:
    """Return whether a shard holds mirror images too: only for training, where they are additional data."""
    return config.flips and shard.startswith("train-")


def pack(
    name: str, rows: pa.Table, encoded: EncodedRows, provenance: dict[str, Any]
) -> tuple[Record, dict[str, list[pa.Table]]]:
    """Turn an encoded shard into its counts, and the row groups of its files by folder.

    Pictures are counted, not their mirror images, as these are not rows of the corpus. Mirror images have their own
    row groups, so that a reader that shuffles row groups does not see a picture twice in quick succession.
    """
    bad = sorted(encoded.rejected)
    good = np.setdiff1d(np.arange(rows.num_rows), bad)
    reasons = [str(encoded.rejected[place].reason) for place in bad]
    record = Record.of(name, rows.num_rows, len(good), reasons, encoded.device_s)
    failed = rows.take(pa.array(bad, pa.int64()))
    details = [encoded.rejected[place].detail for place in bad]
    rejects = reject_rows(failed["key"], "encode", reasons, details, failed["url"])
    groups = [group for view in _views(rows, encoded, good, provenance) for group in row_groups(view, ROW_GROUP_ROWS)]
    return record, {"latents": groups, "rejects": row_groups(rejects, rejects.num_rows)}


def _views(rows: pa.Table, encoded: EncodedRows, good: np.ndarray, provenance: dict[str, Any]) -> Iterator[pa.Table]:
    """Yield the kept rows as `latents/v1`: first the pictures, then the mirror images."""
    mean, std = encoded.mean[:, good], encoded.std[:, good]
    text = pa.nulls(len(good), pa.binary())
    facts: dict[str, Any] = {LATENT_SHAPE: list(mean.shape[2:]), LATENT_SUMS: asdict(LatentSums.of(mean[0], std[0]))}
    if encoded.text is not None:
        text = pa.array(to_bytes(encoded.text[good]), pa.binary())
        facts[TEXT_SHAPE] = list(encoded.text.shape[1:])
    kept = rows.select(["key", "caption"]).take(pa.array(good))
    for view, flipped in enumerate((False, True)[: len(mean)]):
        columns = {
            "key": kept["key"],
            "caption": kept["caption"],
            "flipped": pa.array([flipped] * len(good), pa.bool_()),
            "mean": pa.array(to_bytes(mean[view]), pa.binary()),
            "std": pa.array(to_bytes(std[view]), pa.binary()),
            "text": text,
        }
        yield conform(pa.table(columns), "latents/v1", provenance | facts)
