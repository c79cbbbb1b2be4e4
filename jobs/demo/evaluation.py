"""The last part of the demo: the model draws scenes that it never saw, and the samples are measured.

A second model, trained for a few epochs only, shows whether the metrics can tell better from worse.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs.demo.parts import Countdown
from ldm3d.config import ActorsConfig, EvaluateConfig, GenerateConfig, GeneratorConfig, presets_of
from ldm3d.results.metrics import METRICS
from ldm3d.sampling.sample_sheet import sample_sheet
from ldm3d.toy.held_out import HeldOut, write_scenes
from pipelines.evaluate import evaluate
from pipelines.generate import generate

DRAWN = 200  # captions of scenes that no training sees
REAL = 512  # pictures of other such scenes
SHOWN = 24
ACTORS = ActorsConfig(actors=2)
SAMPLES = "samples.png"
MODELS = {"trained": "diffusion", "briefly": "diffusion_briefly"}
RANKED = ("fid", "kid", "clip", "abs_rel")  # metrics that have to tell these two apart


def measure(root: Path, countdown: Countdown) -> dict[str, Any]:
    """Draw samples of both models, and evaluate these and the autoencoder. Returns their part of summary.json.

    Args:
        root: of the demo, with its models. The picture `samples.png` is written there.

    Raises:
        RuntimeError: a metric ranks the briefly trained model above the other.
    """
    with countdown.part("draw samples of both models"):
        write_scenes(root / "held_out/captions", 0, DRAWN)
        write_scenes(root / "held_out/real", DRAWN, REAL)
        _draw(root)
    point = presets_of(GenerateConfig)["toy"]["sampling"].grid()[0].name
    drawn = HeldOut.read(root / "samples/samples" / f"trained-{point}", DRAWN)
    (root / SAMPLES).write_bytes(sample_sheet(drawn.samples[:SHOWN], "captions that training has not seen"))
    with countdown.part("evaluate both models and the autoencoder"):
        figures = _figures(evaluate(_config(root))["results"])
        _require_ranking(figures, point)
        samples = drawn.figures() | drawn.depth_figures(root / "models/depth")
    return {"samples": samples, "evaluate": figures}


def _draw(root: Path) -> None:
    models = tuple(f"{name}={root / model / 'model'}" for name, model in MODELS.items())
    preset = presets_of(GenerateConfig)["toy"]
    generate(
        GenerateConfig(
            input=str(root / "held_out/captions"),
            output=str(root / "samples"),
            **preset | {"model": GeneratorConfig(model=models), "cluster": ACTORS},
        )
    )


def _config(root: Path) -> EvaluateConfig:
    """Return the toy preset with the pictures and networks under `root`."""
    preset = presets_of(EvaluateConfig)["toy"]
    models = root / "models"
    return EvaluateConfig(
        input=(str(root / "samples"),),
        output=str(root / "evaluation"),
        reference=str(root / "held_out/real"),
        cluster=ACTORS,
        **preset
        | {
            "clip": replace(preset["clip"], model=str(models / "clip")),
            "depth": replace(preset["depth"], reference=str(models / "metric_depth"), peer=str(models / "depth")),
            "reconstruction": replace(
                preset["reconstruction"],
                models=(f"untrained={models / 'base'}", f"trained={root / 'autoencoder'}"),
                corpus=str(root / "held_out/real"),  # whose depth is exact
            ),
        },
    )


def _figures(results: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Arrange the values by set and metric."""
    found: dict[str, dict[str, float]] = {}
    for row in results:
        found.setdefault(row["pictures"], {})[row["metric"]] = round(row["value"], 5)
    return found


def _require_ranking(figures: dict[str, dict[str, float]], point: str) -> None:
    good, bad = (figures[f"samples/{name}-{point}"] for name in MODELS)
    for metric in RANKED:
        better = good[metric] < bad[metric] if METRICS[metric].better == "lower" else good[metric] > bad[metric]
        if not better:
            raise RuntimeError(
                f"{metric} ranks wrong: {good[metric]} of the trained model, {bad[metric]} of the briefly trained"
            )
