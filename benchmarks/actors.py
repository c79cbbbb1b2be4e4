"""What a second actor brings on two cores: pictures per second of `evaluate` and `generate`.

    python -m benchmarks.actors [--pictures 512] [--samples 512] [--repeats 2]

Both stages run as for a user: (untrained) Inception on PNG files of 256 pixels, and the toy's model drawing samples of
32 pixels. Each runs on one actor of one CPU, on two of these, and for reference on one actor of two CPUs, with two
torch threads. Speed is measured between the times of the shards' markers, without the first ones, so it excludes
start-up, loading networks and the report.
"""

import math
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import arguments, cluster, save
from benchmarks.metric_rates import SETS, write_pictures
from benchmarks.scaling import scaling
from ldm3d.config import (
    ActorsConfig,
    CaptionsConfig,
    EvaluateConfig,
    GenerateConfig,
    GeneratorConfig,
    InceptionConfig,
    ModelConfig,
    SamplingConfig,
)
from ldm3d.models.base import load_base
from ldm3d.models.checkpoint import save_pipeline
from ldm3d.toy.diffusion_model import make_base_model
from ldm3d.toy.inception_weights import make_inception_weights
from ldm3d.toy.scenes import Scene
from pipelines.evaluate import evaluate
from pipelines.generate import generate
from pipelines.storage.shards import MARKERS

SHARD = 16  # pictures
BEFORE = 4  # first shards, whose times may include start-up: no more are under way at once
PIXELS = 256

Stage = tuple[Callable[[Any], Any], EvaluateConfig | GenerateConfig]


def evaluation(root: Path, pictures: int) -> Stage:
    write_pictures(root, (pictures + 1) // 2, PIXELS)
    make_inception_weights(root / "inception.pth")
    config = EvaluateConfig(
        input=tuple(str(root / "png" / name) for name in SETS),
        output="",
        metrics=("inception_score",),
        shard_pictures=SHARD,
        inception=InceptionConfig(weights=str(root / "inception.pth")),
    )
    return evaluate, config


def generation(root: Path, samples: int) -> Stage:
    make_base_model(root / "base")
    save_pipeline(root / "model", load_base(ModelConfig(base=str(root / "base"))))
    (root / "captions.txt").write_text("\n".join(Scene.from_seed(seed).caption for seed in range(SHARD)))
    config = GenerateConfig(
        input=str(root / "captions.txt"),
        output="",
        shard_samples=SHARD,
        model=GeneratorConfig(model=(str(root / "model"),)),
        captions=CaptionsConfig(per_caption=math.ceil(samples / SHARD)),
        sampling=SamplingConfig(num_inference_steps=(20,)),
    )
    return generate, config


def speed(stage: Stage, address: str, actors: int, cpus: float) -> float:
    """Return pictures per second in the steady state of a run."""
    run, config = stage
    with tempfile.TemporaryDirectory() as output:
        cluster_config = ActorsConfig(address=address, gpus=0, actors=actors, cpus=cpus)
        run(replace(config, output=output, cluster=cluster_config))
        times = sorted(file.stat().st_mtime for file in Path(output, MARKERS).iterdir())
    return (len(times) - BEFORE) * SHARD / (times[-1] - times[BEFORE - 1])


def main() -> None:
    asked = arguments(__doc__, pictures=512, samples=512, repeats=2)
    least = (BEFORE + 2) * SHARD
    if min(asked.pictures, asked.samples) < least:
        raise SystemExit(f"--pictures {asked.pictures} --samples {asked.samples}: give at least {least} for each")
    records = {}
    with tempfile.TemporaryDirectory() as name, cluster(cpus=2) as address:
        stages = {
            "evaluate": evaluation(Path(name, "evaluate"), asked.pictures),
            "generate": generation(Path(name, "generate"), asked.samples),
        }
        for stage, work in stages.items():
            records[stage] = scaling(stage, "actor", "pictures", partial(speed, work, address), asked.repeats)
    save("actors", {**vars(asked), "stages": records})


if __name__ == "__main__":
    main()
