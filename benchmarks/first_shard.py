"""From the command to the first finished shard of a corpus, and to its end, against an older checkout.

    PYTHONPATH=. python -m benchmarks.first_shard --older ../older-checkout

`python -m jobs.rebuild_corpus` as a user starts it, on a corpus of 64 scenes in two shards and a small DPT, in turns
with the older checkout. Each run starts its own cluster. The machine should do nothing else.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import ENVIRONMENT, Ratio, arguments, in_order, save
from benchmarks.stand_ins import save_small_dpt
from ldm3d.toy.web import ToyWeb
from ldm3d.toy.world import build_world

ROOT = Path(__file__).parents[1]
SCENES = 64
POLL_S = 0.02
FLAGS = {
    "--preset": "toy",
    "--download.allow-addresses": "127.0.0.1",
    "--shards.rows": "32",
}


def seconds(checkout: Path, metadata: Path, model: Path, output: Path) -> tuple[float, float]:
    """Run the job. Returns the seconds to its first shard and to its end.

    Raises:
        RuntimeError: it failed, or made no shard.
    """
    flags = FLAGS | {"--input": str(metadata), "--output": str(output), "--label.depth-model": str(model)}
    words = [word for pair in flags.items() for word in pair]
    environment = os.environ | ENVIRONMENT | {"PYTHONPATH": str(checkout)}
    log = output.with_suffix(".log")
    began, first = time.monotonic(), None
    with log.open("w") as written:
        job = subprocess.Popen(
            [sys.executable, "-m", "jobs.rebuild_corpus", *words],
            cwd=checkout,
            env=environment,
            stdout=written,
            stderr=subprocess.STDOUT,
        )
        while job.poll() is None:
            if first is None and any(output.glob("rgbd/*/*.parquet")):
                first = time.monotonic() - began
            time.sleep(POLL_S)
    if job.returncode != 0 or first is None:
        raise RuntimeError(f"{checkout} ended with {job.returncode}: {log.read_text()[-1_000:]}")
    return first, time.monotonic() - began


def main() -> None:
    asked = arguments(__doc__, older="", repeats=3)
    checkouts = {"ours": ROOT} | ({"older": Path(asked.older).resolve()} if asked.older else {})
    taken: dict[str, list[tuple[float, float]]] = {side: [] for side in checkouts}
    with tempfile.TemporaryDirectory() as name, ToyWeb() as web:
        root = Path(name)
        web.pages.update(build_world(root / "metadata", web.base_url, SCENES, faults=False).pages)
        save_small_dpt(root / "model")
        for turn in range(asked.repeats):
            for side in in_order(checkouts, turn):
                found = seconds(checkouts[side], root / "metadata", root / "model", root / f"{side}-{turn}")
                taken[side].append(found)
                print(f"{side}: first shard after {found[0]:.1f} s, done after {found[1]:.1f} s", flush=True)
    results: dict[str, dict[str, Any]] = {}
    for place, what in enumerate(("first_shard", "done")):
        results[what] = {f"{side}_s": median(each[place] for each in taken[side]) for side in checkouts}
        if asked.older:
            ratio = Ratio.of(*([1 / each[place] for each in taken[side]] for side in ("ours", "older")))
            results[what]["ratio"] = ratio
            print(f"{what}: {ratio} times as fast as the older one")
    save("first_shard", {"seconds": results})


if __name__ == "__main__":
    main()
