"""Our reader against webdataset and torch's DataLoader: samples per CPU-second and per second.

    python -m benchmarks.reader [--size 512] [--repeats 3]

Both read the same pictures in batches, shuffled among the same number of rows, decode them with the same functions in
one or two threads or worker processes, and hand uint8 and uint16 to the consumer, which makes the autoencoder's input
tensor or, in the `pixels` cases, does nothing (with a GPU the rest costs no CPU). Files are in the page cache. Imports
are not counted, but starting threads or workers and reading the footers are.
"""

import io
import os
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import pyarrow as pa
import torch
import webdataset

from benchmarks.measure import RATES, alone, arguments, in_turns, medians, ratios, save
from benchmarks.photos import make_photos, photo_rows
from benchmarks.stand_ins import network_maps
from ldm3d.data.order import GlobalOrder
from ldm3d.data.pictures import Pictures, decode_rgbd
from ldm3d.images import decode_depth, decode_rgb, encode_depth
from pipelines.corpus.write_shards import RGBD_OPTIONS
from pipelines.storage.folder import Folder
from pipelines.storage.parquet import row_groups
from pipelines.storage.row_groups import RowGroups
from pipelines.training.reader import BatchReader

FILE_ROWS = 256
SHUFFLED = 1024  # samples among which each side shuffles
LANES = 8


@dataclass(frozen=True)
class Case:
    """Samples to read, and how."""

    pixels: int
    workers: int
    """Our decoding threads, and the peer's worker processes."""
    batch_size: int
    to_tensor: bool
    share: float = 1.0
    """Number of samples as a multiple of --size."""

    def __str__(self) -> str:
        return f"{self.pixels} px, {self.workers} worker(s), {'tensor' if self.to_tensor else 'pixels'}"


CASES = (
    Case(512, workers=1, batch_size=8, to_tensor=False),
    Case(512, workers=2, batch_size=8, to_tensor=False),
    Case(512, workers=1, batch_size=8, to_tensor=True),
    Case(512, workers=2, batch_size=8, to_tensor=True),
    Case(64, workers=1, batch_size=32, to_tensor=True, share=8),
    Case(64, workers=2, batch_size=32, to_tensor=True, share=8),
)


def write_samples(folder: Path, pixels: int, count: int) -> None:
    """Write the same samples as a corpus and as tar files, with as many per file."""
    images = make_photos(pixels, pixels, quality=95)
    depths = [encode_depth(depth, "png") for depth in network_maps(len(images), pixels)]
    corpus, tars = Folder(str(folder / "corpus")), folder / "tars"
    tars.mkdir(parents=True)
    for first in range(0, count, FILE_ROWS):
        keys = range(first, min(first + FILE_ROWS, count))
        rows = photo_rows(keys, images, depths, pixels)
        name = f"{first // FILE_ROWS:05}"
        corpus.write_tables(f"rgbd/train/{name}.parquet", row_groups(rows, 32), **RGBD_OPTIONS)
        with tarfile.open(tars / f"{name}.tar", "w") as tar:
            for key in keys:
                _add(tar, f"{key:08}.jpg", images[key % len(images)])
                _add(tar, f"{key:08}.png", depths[key % len(depths)])


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def ours(folder: Path, case: Case) -> Iterator[tuple[list[int], Pictures]]:
    groups = RowGroups.of(Folder(str(folder / "corpus")), "rgbd/v1", "train", ("key", "image", "depth"))
    order = GlobalOrder(
        group_rows=groups.rows,
        batch_size=case.batch_size,
        lanes=LANES,
        shuffle_rows=SHUFFLED // LANES,
        seed=0,
    )
    for batch in BatchReader(
        groups, order, keys_and_pictures, start=0, stop=order.steps_per_epoch, threads=case.workers
    ):
        yield batch.data


def keys_and_pictures(rows: pa.Table) -> tuple[list[int], Pictures]:
    return rows["key"].to_pylist(), decode_rgbd(rows)


def peer(folder: Path, case: Case) -> Iterator[tuple[list[int], Pictures]]:
    """Read as in webdataset's documentation: shards and samples shuffled, decoding and batching in the workers."""
    urls = sorted(map(str, (folder / "tars").glob("*.tar")))
    samples = (
        webdataset.WebDataset(urls, shardshuffle=len(urls))
        .shuffle(SHUFFLED)
        .to_tuple("__key__", "jpg", "png")
        .map_tuple(int, decode_rgb, decode_depth)
        .batched(case.batch_size, collation_fn=_collated)
    )
    # fork is the default except in a spawned process like this one, where each worker would import everything again
    yield from torch.utils.data.DataLoader(
        samples, batch_size=None, num_workers=case.workers, multiprocessing_context="fork"
    )


def _collated(samples: list[tuple[int, Any, Any]]) -> tuple[list[int], Pictures]:
    keys, images, depths = zip(*samples, strict=True)
    return list(keys), Pictures.of(images, depths)


SIDES = {"ours": ours, "peer": peer}


def run(side: str, folder: Path, case: Case, count: int) -> dict[str, float]:
    """Read an epoch in a process started for it.

    Raises:
        RuntimeError: a sample came twice or not at all.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    seen: list[int] = []
    before, began = _cpu_s(), time.perf_counter()
    for keys, pictures in SIDES[side](folder, case):
        seen += keys
        if case.to_tensor:
            pictures.to_tensor(6)
    wall_s, cpu_s = time.perf_counter() - began, _cpu_s() - before
    if sorted(seen) != list(range(count)):
        raise RuntimeError(f"{side} gave {len(seen)} samples, {len(set(seen))} different ones, wanted {count}")
    return {"per_cpu_s": count / cpu_s, "per_s": count / wall_s}


def _cpu_s() -> float:
    """Return the CPU time of this process and the children it waited for, as a DataLoader does for its workers."""
    return sum(os.times()[:4])


def measure(case: Case, folder: Path, count: int, repeats: int) -> dict[str, Any]:
    """Measure both sides in turns."""
    rates = in_turns({side: partial(alone, run, side, folder, case, count) for side in SIDES}, repeats)
    middle = {side: medians(turns) for side, turns in rates.items()}
    return {"case": str(case), "samples": count, "ratio": ratios(rates["ours"], rates["peer"]), **middle}


def main() -> None:
    asked = arguments(__doc__, size=512, repeats=3)
    records = []
    with tempfile.TemporaryDirectory() as name:
        for case in CASES:
            folder, count = Path(name) / str(case.pixels), int(asked.size * case.share) // FILE_ROWS * FILE_ROWS
            if not folder.exists():
                write_samples(folder, case.pixels, count)
            record = measure(case, folder, count, asked.repeats)
            records.append(record)
            ours, peer = record["ours"], record["peer"]
            print(f"{case}: {count} samples")
            for rate in RATES:
                print(f"  {rate:10} {ours[rate]:8.0f} / {peer[rate]:8.0f} = {record['ratio'][rate]}", flush=True)
    save("reader", {"cases": records})


if __name__ == "__main__":
    main()
