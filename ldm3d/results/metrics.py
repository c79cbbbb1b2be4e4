"""The closed list of metrics: what each is called, its unit, and which way is better."""

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class About:
    """What is known of a metric.

    title: as tables have it. better: which way. digits: after the point, as tables have it.
    """

    title: str
    better: Literal["lower", "higher"]
    digits: int = 3


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


METRICS: dict[str, About] = {
    "fid": About("FID", "lower", 2),
    "kid": About("KID", "lower", 5),
    "inception_score": About("IS", "higher", 2),
    "clip": About("CLIP", "higher", 2),
    **_depth("", ""),  # of samples' own depth
    **_depth("peer_", "peer "),  # of what the peer sees in the same pictures
    "rfid": About("rFID", "lower", 3),
    "psnr_db": About("PSNR [dB]", "higher", 2),
    "ssim": About("SSIM", "higher"),
    "lpips": About("LPIPS", "lower"),
    "depth_l1": About("depth L1", "lower", 4),  # of a range of 1
    "depth_abs_rel": About("Abs.Rel.", "lower"),  # |d' - d| / d of stored inverse depth, over d > 0
    # the same, d taken for at least 1/255 of its range
    "depth_abs_rel_floored": About("Abs.Rel. (d ≥ 1/255)", "lower"),
}
