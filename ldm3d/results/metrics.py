"""The closed list of metrics: title, unit, and which direction is better."""

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class About:
    """How a metric is shown and compared."""

    title: str
    better: Literal["lower", "higher"]
    digits: int = 3
    """Digits after the point, in tables."""


DEPTH = {
    "abs_rel": About("AbsRel", "lower", 4),
    "rmse_m": About("RMSE [m]", "lower"),
    "delta1": About("δ1", "higher"),
    "silog": About("SILog", "lower"),
}


def _depth(prefix: str, of: str) -> dict[str, About]:
    rules = {"": "", "_literal": " (no cap)"}
    return {
        f"{prefix}{name}{rule}": replace(about, title=f"{of}{about.title}{how}")
        for rule, how in rules.items()
        for name, about in DEPTH.items()
    }


PANORAMA_DEPTH = {
    "panorama_abs_rel": About("panoramic AbsRel", "lower", 4),
    "panorama_rmse_m": About("panoramic RMSE [m]", "lower"),
    "panorama_delta1": About("panoramic δ1", "higher"),
    "panorama_delta2": About("panoramic δ2", "higher"),
    "panorama_delta3": About("panoramic δ3", "higher"),
    "panorama_edge_f1": About("panoramic depth-edge F1", "higher"),
    "panorama_edge_precision": About("panoramic depth-edge precision", "higher"),
    "panorama_edge_recall": About("panoramic depth-edge recall", "higher"),
}
SEAMS = {
    "seam_ratio": About("seam", "lower"),
    "depth_seam_ratio": About("depth seam", "lower"),
}


METRICS: dict[str, About] = {
    "fid": About("FID", "lower", 2),
    "kid": About("KID", "lower", 5),
    "inception_score": About("IS", "higher", 2),
    "clip": About("CLIP", "higher", 2),
    **_depth("", ""),  # the samples' own depth
    **_depth("peer_", "peer "),  # what the peer sees in the same pictures
    "fd_dinov2": About("FD-DINOv2", "lower", 2),
    "cmmd": About("CMMD", "lower"),
    "precision": About("precision", "higher"),
    "recall": About("recall", "higher"),
    "edge_f1": About("depth-edge F1", "higher"),
    "peer_edge_f1": About("peer depth-edge F1", "higher"),
    **PANORAMA_DEPTH,
    **{f"peer_{name}": replace(about, title=f"peer {about.title}") for name, about in PANORAMA_DEPTH.items()},
    **SEAMS,
    "rfid": About("rFID", "lower", 3),
    "psnr_db": About("PSNR [dB]", "higher", 2),
    "ssim": About("SSIM", "higher"),
    "lpips": About("LPIPS", "lower"),
    "depth_l1": About("depth L1", "lower", 4),  # depth in [0, 1]
    "depth_abs_rel": About("Abs.Rel.", "lower"),  # |d' - d| / d of stored inverse depth, over d > 0
    # the same, with a denominator of at least 1/255 of the range
    "depth_abs_rel_floored": About("Abs.Rel. (d ≥ 1/255)", "lower"),
}
