"""Everything but the pictures themselves that decides a number: what has to be equal where two are compared."""

import hashlib
import json
from typing import Any

from ldm3d.config import EvaluateConfig, to_json
from pipelines.evaluate_plan import Measured
from pipelines.feature_rows import Chosen

DRAWN_BY = ("checkpoint", "training_step", "scheduler", "guidance_scale", "num_inference_steps")
DRAWN_WITH = ("scheduler", "guidance_scale", "num_inference_steps", "seed")  # the model is what is compared
SETTINGS = {
    "fid": "inception",
    "kid": "inception",
    "inception_score": "inception",
    "clip": "clip",
    "depth": "depth",
    "autoencoder": "reconstruction",
}
RECONSTRUCTED = ("psnr_db", "ssim", "lpips", "depth_l1", "depth_abs_rel", "depth_abs_rel_floored")  # of autoencoders
PACING = ("batch_size", "models", "corpus")  # change no number, or are what is compared
NAMES = ("weights", "model", "revision", "reference", "reference_revision", "peer", "peer_revision")  # of networks


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
        network: fingerprint of what measured.
        chosen: the pictures that count.
        reference: the real pictures, of metrics that compare with them.
    """
    settings, drawn = to_json(config), measured.pictures.about
    group = settings[SETTINGS[metric]]
    content = {"content": measured.pictures.fingerprint} if metric == "autoencoder" else {}  # what is reconstructed
    found = {
        "metric": metric,
        "network": network,
        "names": {name: group[name] for name in NAMES if name in group},
        "settings": {name: value for name, value in group.items() if name not in (*PACING, *NAMES)},
        "pictures": content | _about(chosen),
        "size": list(measured.size) if measured.size else None,
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


def _about(chosen: Chosen) -> dict[str, Any]:
    """How many pictures, and a hash of which."""
    digest = hashlib.sha256(chosen.keys.tobytes() + chosen.numbers.tobytes())
    return {"count": len(chosen), "keys": digest.hexdigest()[:16]}
