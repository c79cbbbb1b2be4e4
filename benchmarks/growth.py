"""How the corpus stage grows: driver memory and time per row from a thousand to a hundred thousand metadata rows.

    python -m benchmarks.growth [--size 100000]

Everything is real but two parts, which do nothing: the downloader returns a grey square, and the labeller a flat map.
So it measures planning, Ray Data, writing, duplicates, audit and card. Each size runs in its own driver process on one
cluster, so that peak memory is measured for each.
"""

import dataclasses
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import alone_with_cost, arguments, cluster, save
from benchmarks.stand_ins import EmptyDownloader, FlatLabeler
from ldm3d.config import PRESETS, ClusterConfig, CorpusConfig, SelectConfig, ShardConfig
from ldm3d.toy.depth_model import tiny_depth_model
from ldm3d.toy.world import Row, write_metadata
from pipelines.corpus.graph import Actors
from pipelines.rebuild_corpus import rebuild_corpus

FILES = 4


def metadata_rows(count: int) -> Iterator[Row]:
    """Yield good rows, with captions and URLs of the usual length."""
    for number in range(count):
        url = f"https://images.example.invalid/{number % 977}/photographs/{number:09d}-large.jpg"
        caption = f"photograph number {number} of a red sphere next to a blue cube on a floor"
        yield Row("photograph", url, caption, 640, 480)


def drive(config: CorpusConfig) -> dict[str, float]:
    """Build a corpus as a driver does. Returns when its parts were done, in seconds since the epoch."""
    summary = rebuild_corpus(config, actors=Actors(download=EmptyDownloader, label=FlatLabeler))
    state = Path(config.output, "_state")
    shards = sorted(file.stat().st_mtime for file in (state / "shards").glob("*.json"))
    times = {
        "begun": (state / "run.json").stat().st_mtime,
        "planned": (state / "plan.json").stat().st_mtime,
        "first_shard": shards[0],
        "last_shard": shards[-1],
        "finished": Path(config.output, "_SUCCESS.json").stat().st_mtime,
    }
    if summary["rows_kept"] != summary["rows_read"]:
        raise RuntimeError(f"rows were lost: {summary}")
    return times


def measure(rows: int, folder: Path, address: str) -> dict[str, Any]:
    """Measure one size: seconds of each part, milliseconds per shard, peak memory of the driver."""
    write_metadata(folder / f"metadata-{rows}", tuple(metadata_rows(rows)), FILES)
    preset = PRESETS["toy"]
    config = CorpusConfig(
        input=str(folder / f"metadata-{rows}"),
        output=str(folder / f"corpus-{rows}"),
        select=SelectConfig(),
        download=preset["download"],
        label=dataclasses.replace(preset["label"], depth_model=str(folder / "model")),
        shards=ShardConfig(),
        cluster=ClusterConfig(address=address),
    )
    times, cost = alone_with_cost(drive, config)
    shards = math.ceil(rows / config.shards.rows)
    return {
        "rows": rows,
        "plan_s": times["planned"] - times["begun"],
        "start_up_s": times["first_shard"] - times["planned"],
        "shards_s": times["last_shard"] - times["first_shard"],
        "finish_s": times["finished"] - times["last_shard"],
        "ms_per_shard": (times["last_shard"] - times["first_shard"]) / max(1, shards - 1) * 1e3,
        "driver_cpu_s": cost.cpu_s,
        "driver_peak_mib": cost.peak_mib,
    }


def main() -> None:
    asked = arguments(__doc__, size=100_000)
    sizes = [max(300, asked.size // 100), max(600, asked.size // 10), asked.size]
    records = []
    with tempfile.TemporaryDirectory() as name, cluster(cpus=2) as address:
        tiny_depth_model(Path(name) / "model")
        for rows in sizes:
            records.append(measure(rows, Path(name), address))
            print({key: round(value, 1) for key, value in records[-1].items()}, flush=True)
    small, middle, large = records
    memory = large["driver_peak_mib"] / small["driver_peak_mib"]
    shards = large["ms_per_shard"] / middle["ms_per_shard"]
    planning = large["plan_s"] / large["rows"] * 1e6
    print(f"driver memory, {large['rows']:,} rows over {small['rows']:,}: {memory:.2f}; time a shard: {shards:.2f}")
    print(f"planning: {planning:.0f} microseconds a row at {large['rows']:,} rows")
    save("growth", {"sizes": records, "ratio": {"driver_memory": memory, "time_per_shard": shards}})


if __name__ == "__main__":
    main()
