"""How busy the graph keeps the labelling device: against a bare loop, and with an emulated accelerator.

    python -m benchmarks.labelling [--size 2560] [--repeats 3]

The corpus stage itself relabels an existing corpus of 512 x 512 photographs: it reads, labels and writes. In the first
part a small DPT on one CPU thread is compared with a bare torch loop over the same rows, which decodes in the same way
(four threads, a batch ahead) and writes nothing. In the second part the model sleeps (0.16 s for a batch of 32), which
is how an accelerator looks from the CPU, and the result is the share of time in which it was busy: rows/s over its
maximum. Rates are those of the steady state, from the second shard on.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.measure import Ratio, alone, arguments, cluster, in_turns, save
from benchmarks.photos import make_photos, photo_rows
from benchmarks.stand_ins import DiaryLabeler, FastLabeler, SlowLabeler, save_small_dpt
from ldm3d.config import ClusterConfig, CorpusConfig, DownloadConfig, DuplicatesConfig, LabelConfig, to_json
from ldm3d.images import decode_rgb, encode_depth
from pipelines.corpus.graph import Actors
from pipelines.corpus.label_depth import DECODE_THREADS
from pipelines.corpus.plan import Plan, save_plan
from pipelines.corpus.write_shards import RGBD_OPTIONS
from pipelines.rebuild_corpus import rebuild_corpus
from pipelines.storage.folder import Folder
from pipelines.storage.parquet import row_groups
from pipelines.storage.run import save_config
from pipelines.storage.shards import Record, Shard, claim, commit_shard

SIZE = 512
SHARD_ROWS = 256
BATCH = 32
WARM_UP = 2  # batches of the bare loop

EMULATED = {  # stage, its accelerator's maximum in rows/s, codec of the written depth
    "200 rows/s, JPEG XL": (FastLabeler, 200, "jxl"),
    "50 rows/s, PNG": (SlowLabeler, 50, "png"),
}


def make_corpus(folder: Path, count: int) -> None:
    """Write a finished corpus of photographs without downloading any."""
    output = Folder(str(folder))
    claim(output, "benchmark", {})
    photos = make_photos(SIZE, SIZE, quality=95)
    depth = encode_depth(np.zeros((SIZE, SIZE), np.uint16), "png")
    shards = []
    for number, start in enumerate(range(0, count, SHARD_ROWS)):
        rows = photo_rows(range(start, min(count, start + SHARD_ROWS)), photos, [depth], SIZE)
        groups = row_groups(rows, BATCH)
        record = Record(f"train-{number:05d}", rows.num_rows, rows.num_rows, {}, {})
        commit_shard(output, "benchmark", record, {"rgbd": groups}, {"rgbd": RGBD_OPTIONS})
        shards.append(Shard(record.name, "", None, record.rows))
    save_plan(Plan(shards, count, {}), output)
    config = CorpusConfig(input="", output="", download=DownloadConfig(image_size=SIZE))
    save_config(output, {}, to_json(config))
    output.write("_SUCCESS.json", json.dumps({"rows_kept": count}).encode())


def relabel(corpus: Path, model: Path, labeler: type, codec: Any) -> float:
    """Relabel a corpus with the corpus stage. Returns rows/s in the steady state."""
    with tempfile.TemporaryDirectory(dir=corpus.parent) as output:
        config = CorpusConfig(
            input=str(corpus),
            output=output,
            download=DownloadConfig(image_size=SIZE),
            label=LabelConfig(depth_model=str(model), batch_size=BATCH, depth_codec=codec),
            duplicates=DuplicatesConfig(remove=False),
            cluster=ClusterConfig(label_cpus=1),
        )
        diary = model / "diary.txt"
        diary.unlink(missing_ok=True)
        rebuild_corpus(config, actors=Actors(label=labeler))
        return steady_state(diary)


def steady_state(diary: Path) -> float:
    """Return the rows/s of one labeller from its second shard on, including waits between batches and shards."""
    batches = [[float(value) for value in line.split()] for line in diary.read_text().splitlines()]
    steady = batches[SHARD_ROWS // BATCH :]
    return sum(rows for _, _, rows in steady) / (steady[-1][1] - steady[0][0])


def bare_loop(corpus: str, model: str) -> float:
    """Return the rows/s of the same model, batch size and decoding, with nothing around them."""
    import torch

    from ldm3d.depth.relative import DepthEstimator

    torch.set_num_threads(1)
    estimate = DepthEstimator.from_pretrained(LabelConfig(depth_model=model))
    rows, began = 0, 0.0
    with ThreadPoolExecutor(DECODE_THREADS) as decoders:
        batches = _batches(corpus)
        ahead = decoders.map(decode_rgb, next(batches))
        for number, following in enumerate([*batches, []]):
            if number == WARM_UP:
                rows, began = 0, time.perf_counter()
            images = np.stack(list(ahead))
            ahead = decoders.map(decode_rgb, following)
            rows += len(estimate(images).depth)
    return rows / (time.perf_counter() - began)


def _batches(corpus: str) -> Iterator[list[bytes]]:
    for file in sorted(Path(corpus).glob("rgbd/train/*.parquet")):
        with pq.ParquetFile(file) as shard:
            for group in range(shard.num_row_groups):
                images = shard.read_row_group(group, columns=["image"])["image"].combine_chunks()
                yield images.field("bytes").to_pylist()


def main() -> None:
    asked = arguments(__doc__, size=2560, repeats=3)
    with tempfile.TemporaryDirectory() as name:
        corpus, model = Path(name) / "corpus", Path(name) / "model"
        make_corpus(corpus, asked.size)
        save_small_dpt(model)
        with cluster(cpus=2):
            sides = {
                "ours": partial(relabel, corpus, model, DiaryLabeler, "jxl"),
                "bare": partial(alone, bare_loop, str(corpus), str(model)),
            }
            ours, bare = in_turns(sides, asked.repeats).values()
        ratio = Ratio.of(ours, bare)
        print(f"DPT on one CPU thread: {median(ours):.1f} / {median(bare):.1f} rows/s = {ratio}", flush=True)
        busy = {}
        with cluster(cpus=2, gpus=1):
            for case, (labeler, rate, codec) in EMULATED.items():
                shares = [relabel(corpus, model, labeler, codec) / rate for _ in range(asked.repeats)]
                busy[case] = {"median": median(shares), "low": min(shares), "high": max(shares)}
                print(f"emulated accelerator, {case}: busy {median(shares):.1%}", flush=True)
    save("labelling", {"rows": asked.size, "ours": median(ours), "bare": median(bare), "ratio": ratio, "busy": busy})


if __name__ == "__main__":
    main()
