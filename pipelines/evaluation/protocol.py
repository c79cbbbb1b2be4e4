"""Everything but the pictures themselves that decides a number: what has to be equal where two are compared."""

import hashlib
import json
from typing import Any

import numpy as np

from ldm3d.config import EvaluateConfig, to_json
from pipelines.evaluation.feature_rows import Chosen
from pipelines.evaluation.measured import Measured

DRAWN_BY = ("checkpoint", "training_step", "scheduler", "guidance_scale", "num_inference_steps")
DRAWN_WITH = ("scheduler", "guidance_scale", "num_inference_steps", "seed", "sampling")  # the model is compared
SETTINGS = {  # that decide a metric, beside the fingerprint of its network
    "fid": ("inception", ("network", "resize")),
    "kid": ("inception", ("network", "resize", "kid_subsets", "kid_subset_size")),
    "inception_score": ("inception", ("network", "resize")),
    "clip": ("clip", ("prefix",)),
    "depth": ("depth", ("flip", "points", "max_depth_m")),
    "autoencoder": ("reconstruction", ()),
}
RECONSTRUCTED = ("psnr_db", "ssim", "lpips", "depth_l1", "depth_abs_rel", "depth_abs_rel_floored")  # of autoencoders
NAMES = ("weights", "model", "revision", "reference", "reference_revision", "peer", "peer_revision")  # of networks
VERSION = 1  # of what metrics do with features and pictures; to be raised where that changes a number


def protocol_of(
    metric: str,
    config: EvaluateConfig,
    network: str,
    measured: Measured,
    chosen: Chosen,
    reference: tuple[Measured, Chosen] | None,
) -> dict[str, Any]:
    """Plain values, to be stored beside a number.

    Args:
        metric: as settings name it.
        network: fingerprint of what measured; of an autoencoder's metrics without the autoencoder.
        chosen: the pictures that count.
        reference: the real pictures, of metrics that compare with them.
    """
    settings, drawn = to_json(config), measured.pictures.about
    group, deciding = SETTINGS[metric]
    given = settings[group]
    pictures = _about(chosen)
    if metric == "clip":
        pictures["captions"] = _captions(measured, chosen)
    if metric == "autoencoder":
        pictures["content"] = measured.pictures.fingerprint  # what is reconstructed
    found = {
        "metric": metric,
        "version": VERSION,
        "network": network,
        "names": {name: given[name] for name in NAMES if name in given},
        "settings": {name: given[name] for name in deciding},
        "pictures": pictures,
        "size": list(measured.size or measured.seen),
        "resize": settings["pictures"]["resize"] if measured.size else None,
        "drawn_with": {name: drawn.get(name) for name in DRAWN_WITH},
    }
    if reference:
        real, those = reference
        size = list(real.size) if real.size else None
        found["reference"] = {"content": real.pictures.fingerprint, "size": size} | _about(those)
    return found


def metric_of(result: str) -> str:
    """What settings call the metric that gives a result of this name."""
    if result in SETTINGS:
        return result
    return "autoencoder" if result in ("rfid", *RECONSTRUCTED) else "depth"


def protocol_hash(protocol: dict[str, Any]) -> str:
    """Hex: numbers of equal hashes are comparable. What networks are called is not in it; their weights are."""
    decisive = {name: value for name, value in protocol.items() if name != "names"}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def _captions(measured: Measured, chosen: Chosen) -> str:
    """A hash of the captions of the pictures that count, in their order."""
    parts = [part.captions for part in measured.pictures.parts if part.captions is not None]
    places = chosen.places(*measured.pictures.names())
    found = np.zeros(len(chosen), np.uint64)
    found[places[places >= 0]] = np.concatenate(parts)[places >= 0]
    return hashlib.sha256(found.tobytes()).hexdigest()[:16]


def _about(chosen: Chosen) -> dict[str, Any]:
    """How many pictures, and a hash of which."""
    digest = hashlib.sha256(chosen.keys.tobytes() + chosen.numbers.tobytes())
    return {"count": len(chosen), "keys": digest.hexdigest()[:16]}
