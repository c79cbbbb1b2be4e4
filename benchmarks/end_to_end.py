"""The corpus stage against what a user does today: img2dataset, and after it a labelling script.

    python -m benchmarks.end_to_end [--size 1536] [--repeats 3]

Both turn the same URLs of 640 x 480 photographs into parquet of 512 x 512 JPEGs with 16-bit depth by the same small
DPT, on the same cores, and are started as by a user. Ours also plans, selects, hashes, finds duplicates and audits.
The steady state is the difference of a long and a short run, so it excludes start-up; the other figure includes it.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.download import Case, run_peer
from benchmarks.measure import Ratio, arguments, command, save
from benchmarks.photos import make_photos, serve
from benchmarks.stand_ins import save_small_dpt
from ldm3d.toy.world import Row, write_metadata

PHOTO = (640, 480)
CPUS = 2
SHORT = 4  # the short run has a quarter of the rows
FLAGS = {
    "--preset": "ldm3d",
    "--select.sample": "None",
    "--select.min-size": "0",
    "--download.allow-addresses": "127.0.0.1",
    "--download.per-host": "64",
    "--shards.rows": "128",
}


def run_ours(urls: list[str], model: Path, folder: Path) -> float:
    """Run the corpus stage as a user does. Returns its seconds."""
    rows = tuple(Row("photograph", url, "a photograph", *PHOTO) for url in urls)
    write_metadata(folder / "metadata", rows, files=1)
    flags = FLAGS | {
        "--input": str(folder / "metadata"),
        "--output": str(folder / "corpus"),
        "--label.depth-model": str(model),
    }
    words = [word for pair in flags.items() for word in pair]
    cost, _ = command([sys.executable, "-m", "jobs.rebuild_corpus", *words], folder / "ours.log")
    return cost.wall_s


def run_todays(urls: list[str], model: Path, folder: Path) -> float:
    """Run img2dataset with one process per core, then the script. Returns their seconds."""
    pq.write_table(pa.table({"url": urls}), folder / "urls.parquet")
    download = run_peer(Case("", processes=CPUS), folder / "urls.parquet", folder)
    script = [sys.executable, "-m", "benchmarks.peer_labels", folder / "peer", model, folder / "labelled.parquet"]
    labelling, _ = command(script, folder / "labels.log")
    return download.cost.wall_s + labelling.wall_s


def run_in_fresh_folder(run: Callable[[list[str], Path, Path], float], urls: list[str], model: Path) -> float:
    with tempfile.TemporaryDirectory() as name:
        return run(urls, model, Path(name))


def main() -> None:
    asked = arguments(__doc__, size=1536, repeats=3)
    short = asked.size // SHORT
    sides = {"ours": run_ours, "today": run_todays}
    steady: dict[str, list[float]] = {side: [] for side in sides}
    total: dict[str, list[float]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as name, serve(make_photos(*PHOTO, count=asked.size), asked.size) as urls:
        model = Path(name) / "model"
        save_small_dpt(model)
        for _ in range(asked.repeats):
            for side, run in sides.items():
                few, many = (run_in_fresh_folder(run, urls[:count], model) for count in (short, asked.size))
                steady[side].append((asked.size - short) / (many - few))
                total[side].append(asked.size / many)
                print(f"{side}: {short} rows in {few:.0f} s, {asked.size} in {many:.0f} s", flush=True)
    ratios = {"steady": Ratio.of(*steady.values()), "total": Ratio.of(*total.values())}
    for side in sides:
        print(f"{side}: {median(steady[side]):.1f} rows/s, {median(total[side]):.1f} rows/s with start-up")
    print(f"steady state: {ratios['steady']}; with start-up: {ratios['total']}")
    save("end_to_end", {"images": asked.size, "ratio": ratios, "steady_rows_per_s": steady, "rows_per_s": total})


if __name__ == "__main__":
    main()
