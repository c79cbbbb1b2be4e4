"""Protocols: everything but the pictures that decides a number, and must be equal for two to be comparable."""

import hashlib
import json
from typing import Any

import numpy as np

from ldm3d.config import EvaluateConfig, to_json
from ldm3d.results.metrics import PANORAMA_DEPTH, SEAMS
from pipelines.evaluation.chosen import Chosen
from pipelines.evaluation.subjects import Subject

DRAWN_BY = ("checkpoint", "training_step", "scheduler", "guidance_scale", "num_inference_steps")
# Not the model: it is compared.
DRAWN_WITH = ("scheduler", "guidance_scale", "num_inference_steps", "seed", "sampling")
SETTINGS = {  # group and settings that decide a metric, beside the fingerprint of its network
    "fid": ("inception", ("network", "resize")),
    "kid": ("inception", ("network", "resize", "kid_subsets", "kid_subset_size")),
    "inception_score": ("inception", ("network", "resize")),
    "clip": ("clip", ("prefix",)),
    "depth": ("depth", ("flip", "points", "max_depth_m")),
    "autoencoder": ("reconstruction", ()),
    "fd_dinov2": ("dinov2", ()),
    "cmmd": ("clip", ()),
    "precision_recall": ("inception", ("network", "resize")),
    "depth_edges": ("depth", ("flip", "points", "max_depth_m")),
    "panorama_depth": ("depth", ("flip", "points", "max_depth_m")),
    "seam": ("pictures", ()),
}
RECONSTRUCTED = ("psnr_db", "ssim", "lpips", "depth_l1", "depth_abs_rel", "depth_abs_rel_floored")  # of autoencoders
NAMES = ("weights", "model", "revision", "reference", "reference_revision", "peer", "peer_revision")  # of networks
VERSION = 2  # raise it when numbers change, or when what is written here does; 2: sets however they are cut


def protocol_of(
    metric: str,
    config: EvaluateConfig,
    judge: str,
    subject: Subject,
    chosen: Chosen,
    reference: tuple[Subject, Chosen] | None,
) -> dict[str, Any]:
    """Return the protocol of a number as plain values, to be stored beside it.

    Args:
        metric: its name in the settings.
        judge: fingerprint of the network that measured, for an autoencoder's metrics without the autoencoder.
        chosen: the pictures that count.
        reference: the real pictures, for metrics that compare with them.
    """
    settings, drawn = to_json(config), subject.pictures.about
    group, deciding = SETTINGS[metric]
    given = settings[group]
    pictures = _about(chosen)
    if metric == "clip":
        pictures["captions"] = _captions(subject, chosen)
    if metric == "autoencoder":
        pictures["content"] = subject.pictures.fingerprint  # the pictures that are reconstructed
    found = {
        "metric": metric,
        "version": VERSION,
        "network": judge,
        "names": _names(given),
        "settings": {name: given[name] for name in deciding},
        "pictures": pictures,
        "size": list(subject.size or subject.seen),
        "resize": settings["pictures"]["resize"] if subject.size else None,
        "drawn_with": {name: drawn.get(name) for name in DRAWN_WITH},
    }
    if reference:
        real, all_real = reference
        size = list(real.size) if real.size else None
        found["reference"] = {"content": real.pictures.fingerprint, "size": size} | _about(all_real)
    return found


def _names(given: dict[str, Any]) -> dict[str, Any]:
    """Return what the settings call a network by. Only Inception has weights to choose."""
    left_out = ("weights",) if given.get("network") == "efficientnet-lite0" else ()
    return {name: given[name] for name in NAMES if name in given and name not in left_out}


def metric_of(result: str) -> str:
    """Return the name in the settings of the metric that a result belongs to."""
    if result in SETTINGS:
        return result
    if result in ("precision", "recall"):
        return "precision_recall"
    if result in ("edge_f1", "peer_edge_f1"):
        return "depth_edges"
    if result in SEAMS:
        return "seam"
    if result.removeprefix("peer_") in PANORAMA_DEPTH:
        return "panorama_depth"
    return "autoencoder" if result in ("rfid", *RECONSTRUCTED) else "depth"


def protocol_hash(protocol: dict[str, Any]) -> str:
    """Return a hex hash; numbers with equal hashes are comparable. It covers weights of networks, not their names."""
    decisive = {name: value for name, value in protocol.items() if name != "names"}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]


def _captions(subject: Subject, chosen: Chosen) -> str:
    """Hash the captions of the pictures that count, in their order."""
    parts = [part.captions for part in subject.pictures.parts if part.captions is not None]
    places = chosen.places(*subject.pictures.names())
    found = np.zeros(len(chosen), np.uint64)
    found[places[places >= 0]] = np.concatenate(parts)[places >= 0]
    return hashlib.sha256(found.tobytes()).hexdigest()[:16]


def _about(chosen: Chosen) -> dict[str, Any]:
    """Return the number of pictures, and a hash of their keys and numbers."""
    digest = hashlib.sha256(chosen.keys.tobytes() + chosen.numbers.tobytes())
    return {"count": len(chosen), "keys": digest.hexdigest()[:16]}
