"""What a second actor brings on two cores: pictures per second of `evaluate`, `generate` and `depth_fusion`.

    python -m benchmarks.actors [--pictures 512] [--samples 512] [--places 64] [--repeats 2]

All stages run as for a user: (untrained) Inception on PNG files of 256 pixels, the toy's model drawing samples of 32
pixels, and panoramas of 1024 x 512 of the exact room becoming places with all their files. Each runs on one actor of
one CPU, on two of these, and for reference on one actor of two CPUs, with two torch threads. Speed is measured between
the times of the shards' markers, without the first ones, so it excludes start-up, loading networks and the report.
"""

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import arguments, cluster, save
from benchmarks.metric_rates import SETS, write_pictures
from benchmarks.scaling import scaling
from ldm3d.config import (
    ActorsConfig,
    CaptionsConfig,
    DepthFusionConfig,
    DepthMeaningConfig,
    EvaluateConfig,
    GenerateConfig,
    GeneratorConfig,
    InceptionConfig,
    ModelConfig,
    SamplingConfig,
)
from ldm3d.images import encode_rgb
from ldm3d.models.base import load_base
from ldm3d.models.checkpoint import save_pipeline
from ldm3d.toy import room
from ldm3d.toy.diffusion_model import make_base_model
from ldm3d.toy.inception_weights import make_inception_weights
from ldm3d.toy.scenes import Scene
from pipelines.depth_fusion import depth_fusion
from pipelines.evaluate import evaluate
from pipelines.generate import generate
from pipelines.storage.shards import MARKERS

SHARD = 16  # pictures
BEFORE = 4  # first shards, whose times may include start-up: no more are under way at once
PIXELS = 256
PANORAMA = 512  # rows


@dataclass(frozen=True)
class Stage:
    """A stage, with all settings but its output and its actors."""

    run: Callable[[Any], Any]
    config: EvaluateConfig | GenerateConfig | DepthFusionConfig
    shard: int
    """Pictures of a shard."""


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
    return Stage(evaluate, config, SHARD)


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
    return Stage(generate, config, SHARD)


def fusion(root: Path, places: int) -> Stage:
    root.mkdir()
    picture, distance = room.panorama(PANORAMA)
    for number in range(places):  # the same one from another side, so that all are as much work
        turned = partial(np.roll, shift=number, axis=1)
        (root / f"{number:03d}.png").write_bytes(encode_rgb(turned(picture)))
        np.save(root / f"{number:03d}-depth.npy", turned(distance).astype(np.float32))
    depth = DepthMeaningConfig(kind="distance")
    return Stage(depth_fusion, DepthFusionConfig(input=str(root), output="", depth=depth), 1)


def speed(stage: Stage, address: str, actors: int, cpus: float) -> float:
    """Return pictures per second in the steady state of a run."""
    with tempfile.TemporaryDirectory() as output:
        cluster_config = ActorsConfig(address=address, gpus=0, actors=actors, cpus=cpus)
        stage.run(replace(stage.config, output=output, cluster=cluster_config))
        times = sorted(file.stat().st_mtime for file in Path(output, MARKERS).iterdir())
    return (len(times) - BEFORE) * stage.shard / (times[-1] - times[BEFORE - 1])


def main() -> None:
    asked = arguments(__doc__, pictures=512, samples=512, places=64, repeats=2)
    least = (BEFORE + 2) * SHARD
    if min(asked.pictures, asked.samples) < least or asked.places < BEFORE + 2:
        given = f"--pictures {asked.pictures} --samples {asked.samples} --places {asked.places}"
        raise SystemExit(f"{given}: give at least {least}, {least} and {BEFORE + 2}")
    records = {}
    with tempfile.TemporaryDirectory() as name, cluster(cpus=2) as address:
        stages = {
            "evaluate": evaluation(Path(name, "evaluate"), asked.pictures),
            "generate": generation(Path(name, "generate"), asked.samples),
            "depth_fusion": fusion(Path(name, "depth_fusion"), asked.places),
        }
        for stage, work in stages.items():
            records[stage] = scaling(stage, "actor", "pictures", partial(speed, work, address), asked.repeats)
    save("actors", {**vars(asked), "stages": records})


if __name__ == "__main__":
    main()
