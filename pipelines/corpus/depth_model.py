"""Checks of the depth model: it runs on a worker, and is the one that the output was begun with."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ldm3d.config import CorpusConfig, LabelConfig
from ldm3d.fingerprint import fingerprint_of_folder
from pipelines.storage.folder import Folder
from pipelines.storage.run import CONFIG
from pipelines.workers.calls import try_on_worker
from pipelines.workers.resources import Pool, prepare_process


def check_same_model(output: Folder, labels: dict[str, Any]) -> None:
    """Check that the depth model is the one that the output was begun with.

    Args:
        labels: what `try_model` returned.

    Raises:
        ValueError: it is another one.
    """
    before = output.read_json(CONFIG)["labels"]
    names = sorted(before.keys() - {"depth_model"})  # a path, which may change; earlier versions stated less
    if changed := [
        f"{name} was {json.dumps(before[name])}, is {json.dumps(labels.get(name))}"
        for name in names
        if before[name] != labels.get(name)
    ]:
        raise ValueError(
            f"--output {output.url!r} was begun with another depth model: {'; '.join(changed)}. "
            "Give that model (--label.revision for one on a hub), or another --output."
        )


def try_model(config: CorpusConfig, pool: Pool) -> dict[str, Any]:
    """Load the depth model on a worker like those that will label, and label one image there.

    Returns:
        What is known of the labels: model, revision, licence, meaning.

    Raises:
        ValueError: the model does not load or does not label, or no worker is free.
    """
    patience_s = config.cluster.no_progress_timeout_s
    arguments = config.label, config.download.image_size
    return try_on_worker(_try_model, *arguments, pool=pool, patience_s=patience_s, name="the depth model")


def _try_model(config: LabelConfig, size: int) -> dict[str, Any]:
    from ldm3d.depth.licence import licence_of
    from ldm3d.depth.relative import DepthEstimator

    prepare_process()
    estimator = DepthEstimator.from_pretrained(config)
    if not estimator(np.zeros((1, size, size, 3), np.uint8)).is_finite.all():
        raise ValueError(
            f"--label.depth-model {config.depth_model!r} gives NaN or infinity for a black picture: try --label.dtype "
            "float32, and check that none of its weights is NaN"
        )
    found = estimator.model.config
    return {
        "depth_model": config.depth_model,
        "depth_model_type": found.model_type,
        "depth_model_revision": getattr(found, "_commit_hash", None)
        or fingerprint_of_folder(Path(config.depth_model)),
        "depth_model_licence": licence_of(config.depth_model),
        **about_labels(inverted=estimator.inverts),
    }


def about_labels(*, inverted: bool) -> dict[str, Any]:
    """Return what labels mean, whatever made them; `inverted` from metres."""
    return {
        "depth_meaning": "relative inverse depth, larger = nearer",
        "depth_raw": "depth_min + depth / 65535 * (depth_max - depth_min)",
        "depth_inverted_from_metric": inverted,
    }
