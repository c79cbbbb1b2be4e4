"""Results of evaluations as runs write them."""

import hashlib
import json
from typing import Any

from ldm3d.results.evaluation import Evaluation, Result

STARTED = "2026-05-04T10:00:00+0000"
NETWORKS = {
    "fid": ({"weights": "torch-fidelity"}, {"network": "inception", "resize": "tf1"}),
    "clip": ({"model": "openai/clip-vit-large-patch14"}, {"prefix": ""}),
    "depth": ({"reference": "Intel/zoedepth-nyu", "peer": "Intel/dpt-large"}, {"points": 1000, "max_depth_m": 10.0}),
    "fd_dinov2": ({"model": "facebook/dinov2-large"}, {}),
    "cmmd": ({"model": "openai/clip-vit-large-patch14"}, {}),
    "precision_recall": ({"weights": "torch-fidelity"}, {"network": "inception", "resize": "tf1"}),
    "depth_edges": ({"reference": "Intel/zoedepth-nyu", "peer": "Intel/dpt-large"}, {"points": 1000}),
    "panorama_depth": (
        {"reference": "Intel/zoedepth-nyu", "peer": "Intel/dpt-large"},
        {"points": 1000, "max_depth_m": 10.0},
    ),
    "seam": ({}, {}),
    "autoencoder": ({}, {"perceptual": {"network": "vgg"}}),
}
DEPTH = ("abs_rel", "rmse_m", "delta1", "silog")


def result(metric: str, value: float, stderr: float | None = 0.5, *, pictures: str = "set", **more: Any) -> Result:
    """Make a result.

    `more` holds fields of Result, and `settings` to add to the protocol's, and `captions`, a name for the captions.
    """
    settings, captions = more.pop("settings", {}), more.pop("captions", "some")
    about = {"scheduler": "ddim", "guidance_scale": 5.0, "num_inference_steps": 50} | {
        name: more.pop(name) for name in ("scheduler", "guidance_scale", "num_inference_steps") if name in more
    }
    fields = {"run": "now", "started": STARTED, "checkpoint": "c0ffee", "num_samples": 2_000, "excluded": 0} | more
    group = _group(metric)
    names, common = NETWORKS[group]
    protocol = {
        "metric": group,
        "names": names,
        "settings": common | settings,
        "pictures": {"count": fields["num_samples"], "keys": f"{captions} {fields['excluded']}"},
        "size": [512, 512],
        "resize": "lanczos",
        "drawn_with": about | {"seed": 0},
    }
    config = json.dumps(protocol, sort_keys=True)
    return Result(
        metric=metric,
        value=value,
        stderr=stderr,
        pictures=pictures,
        config=config,
        protocol=hashlib.sha256(config.encode()).hexdigest()[:16],
        **about,
        **fields,
    )


def _group(metric: str) -> str:
    if metric.removeprefix("peer_").removesuffix("_literal") in DEPTH:
        return "depth"
    if metric.removeprefix("peer_").startswith("panorama_"):
        return "panorama_depth"
    if metric in ("seam_ratio", "depth_seam_ratio"):
        return "seam"
    if metric in ("clip", "fd_dinov2", "cmmd"):
        return metric
    if metric in ("precision", "recall"):
        return "precision_recall"
    if metric.removeprefix("peer_") == "edge_f1":
        return "depth_edges"
    return "fid" if metric in ("fid", "kid", "inception_score") else "autoencoder"


def evaluation(results: list[Result], history: list[Result] | None = None, **more: Any) -> Evaluation:
    return Evaluation(
        **{"title": "An evaluation", "run": "now", "started": STARTED, "results": results, "history": history or []}
        | more
    )


def sweep(variable: str, values: list[Any], metric: str = "fid", **more: Any) -> list[Result]:
    """Make results that differ in one variable only."""
    return [
        result(metric, 30.0 - place, pictures=f"model/{variable}-{value}", **{variable: value} | more)
        for place, value in enumerate(values)
    ]
