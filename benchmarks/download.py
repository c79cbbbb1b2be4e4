"""Our Download stage against the img2dataset command: images per CPU-second and per second, and the same bytes.

    python -m benchmarks.download [--size 1600] [--repeats 3]

Both fetch the same URLs from one server on loopback, whose CPU time counts for neither, with 64 threads, and make
512 x 512 JPEGs (centre crop, quality 95) with their SHA-256, in parquet files. Rates are those of the steady state,
from the first request to the last file; the rest, imports and process starts, is reported as start-up.
"""

import json
import math
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.download_stage import THREADS
from benchmarks.measure import Cost, Timeline, arguments, command, in_order, medians, ratios, save
from benchmarks.photos import make_photos, serve

IMAGE_SIZE = 512


@dataclass(frozen=True)
class Case:
    """Images to download, and how."""

    name: str
    width: int = 640
    height: int = 480
    processes: int = 1
    latency_s: float = 0.0
    decode: str = "full"
    share: float = 1.0
    """Number of images as a share of --size: fewer if they are large."""


CASES = (
    Case("640 x 480"),
    Case("640 x 480, two processes", processes=2),
    Case("640 x 480, 100 ms latency", latency_s=0.1),
    Case("1024 x 768", 1024, 768, share=0.6),
    Case("2048 x 1536, scaled decode", 2048, 1536, decode="scaled", share=0.4),
    Case("4000 x 3000, scaled decode", 4000, 3000, decode="scaled", share=0.15),
)


@dataclass(frozen=True)
class Run:
    """One run of one side."""

    cost: Cost
    timeline: Timeline
    began: float
    """Time of the first request, in seconds since the epoch."""
    ended: float
    """Time of the last file."""
    squares: dict[str, bytes]
    """By URL."""

    def rates(self) -> dict[str, float]:
        """Return images per CPU-second and second in the steady state; seconds and CPU-seconds of the rest."""
        images, steady_s = len(self.squares), self.ended - self.began
        cpu_s = self.timeline.cpu_s(self.began, self.ended)
        return {
            "per_cpu_s": images / cpu_s,
            "per_s": images / steady_s,
            "start_up_s": self.cost.wall_s - steady_s,
            "start_up_cpu_s": self.cost.cpu_s - cpu_s,
        }


def run_ours(case: Case, urls: Path, folder: Path) -> Run:
    """Run our stage as a command, which prints when it began and ended."""
    log, output = folder / "ours.log", folder / "ours"
    sizes = ["--image-size", str(IMAGE_SIZE), "--decoders", str(case.processes), "--decode", case.decode]
    cost, timeline = command([sys.executable, "-m", "benchmarks.download_stage", urls, output, *sizes], log)
    began, ended = json.loads(log.read_text().splitlines()[-1])
    rows = pa.concat_tables([pq.read_table(file, columns=["url", "image"]) for file in output.glob("0*.parquet")])
    return Run(cost, timeline, began, ended, _squares(rows, "image"))


def run_peer(case: Case, urls: Path, folder: Path) -> Run:
    """Run the img2dataset command with one shard per process, without EXIF data, which our rows lack too."""
    output = folder / "peer"
    flags: dict[str, Any] = {
        "url_list": urls,
        "input_format": "parquet",
        "output_folder": output,
        "output_format": "parquet",
        "image_size": IMAGE_SIZE,
        "resize_mode": "center_crop",
        "encode_quality": 95,
        "extract_exif": False,
        "processes_count": case.processes,
        "thread_count": THREADS,
        "number_sample_per_shard": math.ceil(pq.read_metadata(urls).num_rows / case.processes),
    }
    program = Path(sys.executable).with_name("img2dataset")
    words = [f"--{name}={value}" for name, value in flags.items()]
    cost, timeline = command([program, *words], folder / "peer.log")
    stats = [json.loads(file.read_text()) for file in output.glob("*_stats.json")]
    began, ended = min(shard["start_time"] for shard in stats), max(shard["end_time"] for shard in stats)
    rows = pa.concat_tables([pq.read_table(file, columns=["url", "jpg"]) for file in output.glob("*.parquet")])
    return Run(cost, timeline, began, ended, _squares(rows, "jpg"))


def measure(case: Case, size: int, repeats: int) -> dict[str, Any]:
    """Measure both sides in turns, on one server."""
    count = max(20, int(size * case.share))
    sides: dict[str, Callable[[Case, Path, Path], Run]] = {"ours": run_ours, "peer": run_peer}
    rates: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    equal: list[float] = []
    with serve(make_photos(case.width, case.height), count, case.latency_s) as urls:
        for turn in range(repeats):
            runs = {side: _in_fresh_folder(partial(sides[side], case), urls) for side in in_order(sides, turn)}
            for side, run in runs.items():
                rates[side].append(run.rates())
            equal.append(_share_equal(runs["ours"].squares, runs["peer"].squares, urls))
    middle = {side: medians(turns) for side, turns in rates.items()}
    ratio = ratios(rates["ours"], rates["peer"])
    return {"case": case.name, "images": count, "ratio": ratio, "identical": min(equal), **middle}


def _share_equal(ours: dict[str, bytes], peers: dict[str, bytes], urls: list[str]) -> float:
    """Return the share of URLs whose squares are byte-identical.

    Raises:
        RuntimeError: a side lacks an image.
    """
    if missing := [url for url in urls if not (ours.get(url) and peers.get(url))]:
        raise RuntimeError(f"{len(missing)} of {len(urls)} images are missing on one side, {missing[0]} first")
    return sum(ours[url] == peers[url] for url in urls) / len(urls)


def _in_fresh_folder(run: Callable[[Path, Path], Run], urls: list[str]) -> Run:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pq.write_table(pa.table({"url": urls}), folder / "urls.parquet")
        return run(folder / "urls.parquet", folder)


def _squares(rows: pa.Table, column: str) -> dict[str, bytes]:
    return dict(zip(rows["url"].to_pylist(), rows[column].to_pylist(), strict=True))


def main() -> None:
    asked = arguments(__doc__, size=1600, repeats=3)
    records = []
    for case in CASES:
        record = measure(case, asked.size, asked.repeats)
        records.append(record)
        ours, peer = record["ours"], record["peer"]
        print(f"{case.name}: {record['images']} images, {record['identical']:.0%} of the files identical")
        print(f"  per CPU-second: {ours['per_cpu_s']:.0f} / {peer['per_cpu_s']:.0f} = {record['ratio']['per_cpu_s']}")
        print(f"  per second:     {ours['per_s']:.0f} / {peer['per_s']:.0f} = {record['ratio']['per_s']}")
        print(f"  start-up:       {ours['start_up_s']:.1f} s, img2dataset {peer['start_up_s']:.1f} s", flush=True)
    save("download", {"cases": records})


if __name__ == "__main__":
    main()
