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
from functools import partial
from pathlib import Path
from statistics import mean

from benchmarks.measure import arguments, cluster, save
from benchmarks.scaling import scaling
from benchmarks.toy_training import Config, Toy, training_of
from ldm3d.config import WorkersConfig
from pipelines.workers.stage import run_stage


def speed(config: Config, address: str, workers: int, cpus: float) -> float:
    """Return the steps per second in the steady state of a run."""
    with tempfile.TemporaryDirectory() as output:
        workers_config = WorkersConfig(address=address, gpus=0, workers=workers, cpus=cpus)
        run_stage(training_of(replace(config, output=output, workers=workers_config)), dry_run=False)
        history = json.loads(Path(output, "history.json").read_text())
    return 1 / mean(float(record["speed/step_s"]) for record in history if "speed/step_s" in record)


def main() -> None:
    asked = arguments(__doc__, steps=20, repeats=2)
    records = {}
    with tempfile.TemporaryDirectory() as name, cluster(cpus=2) as address:
        toy = Toy.make(Path(name), asked.steps)
        for training, config in (("autoencoder", toy.autoencoder), ("U-Net from latents", toy.cached)):
            records[training] = scaling(training, "worker", "steps", partial(speed, config, address), asked.repeats)
    save("workers", {"steps": asked.steps, "trainings": records})


if __name__ == "__main__":
    main()
