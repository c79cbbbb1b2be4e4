"""The closed list of metrics: what each is called, its unit, and which way is better."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class About:
    """What is known of a metric.

    title: as tables have it. better: which way. digits: after the point, as tables have it.
    """

    title: str
    better: Literal["lower", "higher"]
    digits: int = 3


def _depth(prefix: str, of: str) -> dict[str, About]:
    rules = {"": "", "_literal": " (no cap)"}
    return {
        f"{prefix}{name}{rule}": About(f"{of}{title}{how}", better, digits)  # type: ignore[arg-type]
        for rule, how in rules.items()
        for name, title, better, digits in (
            ("abs_rel", "AbsRel", "lower", 4),
            ("rmse_m", "RMSE [m]", "lower", 3),
            ("delta1", "δ1", "higher", 3),
            ("silog", "SILog", "lower", 3),
        )
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
    "depth_abs_rel_floored": About(
        "Abs.Rel. (d ≥ 1/255)", "lower"
    ),  # the same, d taken for at least 1/255 of its range
}
