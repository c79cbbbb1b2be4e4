"""Exactly-once, tested at length: kill and lose things at random, run again, compare all rows with an undisturbed run.

    python -m benchmarks.recovery [--size 10] [--seed 0]

Each of `--size` trials builds the corpus of a small web with random misfortunes: the driver, a download actor, a label
actor or a write task is killed at a random moment, once to three times, and files of the finished or unfinished state
are deleted. Then the same command runs to its end. Exits with 1 if any row is missing, doubled or different.
"""

import contextlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from benchmarks.measure import arguments, cluster, save
from benchmarks.trial import markers, rows_of, start_driver
from ldm3d.config import PRESETS, ClusterConfig, CorpusConfig, ShardConfig
from ldm3d.toy.depth_model import tiny_depth_model
from ldm3d.toy.web import ToyWeb
from ldm3d.toy.world import SELECT, build_world
from pipelines.rebuild_corpus import rebuild_corpus

SCENES = 96
SHARD_ROWS = 8
LONGEST_S = 300.0  # for one driver
VICTIMS = ("driver", "Downloader", "DepthLabeler", "write_shards")


def kill_workers(name: str) -> int:
    """Kill the workers of our cluster that run a part of the graph. Returns their number."""
    killed = 0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error, IndexError):  # it ended by itself
            title = process.cmdline()[0]
            if title.startswith("ray::") and name in title:
                process.kill()
                killed += 1
    return killed


def lose_state(corpus: Path, chance: random.Random) -> int:
    """Delete a random part of the shards' markers, and the success marker. Returns the number of the former."""
    state = sorted((corpus / "_state/shards").glob("*.json"))
    lost = chance.sample(state, round(len(state) * chance.choice((0.1, 0.25, 0.5, 0.75, 0.9))))
    for file in lost:
        file.unlink()
    (corpus / "_SUCCESS.json").unlink(missing_ok=True)
    return len(lost)


def disturb(config: CorpusConfig, address: str, chance: random.Random) -> str:
    """Run with one misfortune at a random moment. Returns what happened."""
    corpus, victim = Path(config.output), chance.choice(VICTIMS)
    done, moment = len(markers(corpus)), chance.uniform(0, 1.5)
    enough = done + chance.randint(0, 4)
    driver = start_driver(config, address)
    _wait(lambda: len(markers(corpus)) >= enough or driver.poll() is not None)
    time.sleep(moment)
    if victim == "driver":
        driver.send_signal(signal.SIGKILL)
        driver.communicate()
        return f"driver at {len(markers(corpus))} shards"
    killed = 0
    end = time.monotonic() + 5
    while not killed and driver.poll() is None and time.monotonic() < end:
        killed = kill_workers(victim)
        time.sleep(0.01)
    _finish(driver)
    return f"{killed} {victim}"


def trial(
    config: CorpusConfig, address: str, wanted: dict[str, list[dict[str, Any]]], chance: random.Random
) -> tuple[str, bool]:
    """Disturb one corpus and let it finish. Returns what was done, and whether it recovered exactly."""
    corpus, story = Path(config.output), []
    for _ in range(chance.randint(1, 3)):
        story.append(disturb(config, address, chance))
        if chance.random() < 0.5:
            story.append(f"{lose_state(corpus, chance)} markers lost")
    _finish(start_driver(config, address))
    return ", ".join(story), rows_of(corpus) == wanted


def _finish(driver: subprocess.Popen[bytes]) -> None:
    output, _ = driver.communicate(timeout=LONGEST_S)
    if driver.returncode:
        raise RuntimeError(f"the driver exited with {driver.returncode}: {output.decode()[-2000:]}")


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LONGEST_S
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"nothing happened in {LONGEST_S:.0f} s")
        time.sleep(0.02)


def main() -> None:
    asked = arguments(__doc__, size=10, seed=0)
    chance = random.Random(asked.seed)
    preset, results = PRESETS["toy"], []
    with tempfile.TemporaryDirectory() as name, cluster(cpus=2, gpus=1) as address, ToyWeb() as web:
        folder = Path(name)
        tiny_depth_model(folder / "model")
        world = build_world(folder / "metadata", web.base_url, SCENES, seed=2, faults=False)
        web.pages.update(world.pages)
        for path in list(world.pages)[::9]:
            del web.pages[path]  # not found
        config = CorpusConfig(
            input=str(folder / "metadata"),
            output=str(folder / "undisturbed"),
            select=SELECT,
            download=replace(preset["download"], allow_addresses=("127.0.0.1",)),
            label=replace(preset["label"], depth_model=str(folder / "model")),
            shards=ShardConfig(rows=SHARD_ROWS, row_group_rows=SHARD_ROWS),
            cluster=ClusterConfig(no_progress_timeout_s=preset["cluster"].no_progress_timeout_s),
        )
        rebuild_corpus(config)
        wanted = rows_of(folder / "undisturbed")
        for number in range(asked.size):
            output = folder / f"trial-{number}"
            story, recovered = trial(replace(config, output=str(output)), address, wanted, chance)
            results.append({"story": story, "recovered": recovered})
            print(f"trial {number}: {'recovered' if recovered else 'FAILED'} after {story}", flush=True)
            shutil.rmtree(output)
    failures = sum(not result["recovered"] for result in results)
    rows = sum(len(each) for each in wanted.values())
    print(f"{asked.size} trials of {rows} rows, {failures} failures")
    save("recovery", {"trials": asked.size, "rows": rows, "failures": failures, "seed": asked.seed, "each": results})
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
