"""What a second Ray Train worker brings on two cores: steps per second at the same global batch.

    python -m benchmarks.workers [--steps 20] [--repeats 2]

Both trainings of the toy run as for a user, each on one worker with one torch thread, on two such workers (DDP over
gloo), and for reference on one worker with two threads, which has as many cores but no gradients to exchange. Speed is
taken from the run's history, from the first log line on, so it excludes start-up, validation and the finished model.
Larger models on GPUs send more per step and compute more: this says nothing about them.
"""

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks.measure import Ratio, arguments, cluster, in_order, save
from benchmarks.toy_training import Config, Toy, training_of
from ldm3d.config import WorkersConfig
from pipelines.workers.stage import run_stage

CASES = {
    "one worker": {"workers": 1, "cpus": 1.0},
    "two workers": {"workers": 2, "cpus": 1.0},
    "one worker, two threads": {"workers": 1, "cpus": 2.0},
}
ALONE, TWO, THREADS = CASES


def speed(config: Config, address: str, case: dict[str, Any]) -> float:
    """Return the steps per second in the steady state of a run."""
    with tempfile.TemporaryDirectory() as output:
        workers = WorkersConfig(address=address, gpus=0, **case)
        run_stage(training_of(replace(config, output=output, workers=workers)), dry_run=False)
        history = json.loads(Path(output, "history.json").read_text())
    return 1 / mean(float(record["speed/step_s"]) for record in history if "speed/step_s" in record)


def measure(config: Config, address: str, repeats: int) -> dict[str, Any]:
    """Measure all cases in turns."""
    rates: dict[str, list[float]] = {case: [] for case in CASES}
    for turn in range(repeats):
        for case in in_order(CASES, turn):
            rates[case].append(speed(config, address, CASES[case]))
    return {
        "steps_per_s": {case: median(found) for case, found in rates.items()},
        "speedup": Ratio.of(rates[TWO], rates[ALONE]),
        "speedup_of_threads": Ratio.of(rates[THREADS], rates[ALONE]),
    }


def main() -> None:
    asked = arguments(__doc__, steps=20, repeats=2)
    records = {}
    with tempfile.TemporaryDirectory() as name, cluster(cpus=2) as address:
        toy = Toy.make(Path(name), asked.steps)
        for training, config in (("autoencoder", toy.autoencoder), ("U-Net from latents", toy.cached)):
            found = measure(config, address, asked.repeats)
            records[training] = found
            print(f"{training}:", ", ".join(f"{case} {rate:.2f}" for case, rate in found["steps_per_s"].items()))
            print(f"  two workers {found['speedup']}, efficiency {found['speedup'].middle / 2:.0%}")
            print(f"  two threads {found['speedup_of_threads']}", flush=True)
    save("workers", {"steps": asked.steps, "trainings": records})


if __name__ == "__main__":
    main()
