"""The paper's numbers: arXiv 2305.10853, tables 1 to 3."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A row of one of the paper's tables."""

    name: str
    values: dict[str, tuple[float, float | None]]
    """Value and spread by metric; None if the paper gives no spread."""
    count: int
    """Pictures."""


IMAGES = (
    Published("SD v1.4", {"fid": (28.08, None), "inception_score": (34.17, 0.76), "clip": (26.13, 2.81)}, 30_000),
    Published("SD v1.5", {"fid": (27.39, None), "inception_score": (34.02, 0.79), "clip": (26.13, 2.79)}, 30_000),
    Published("LDM3D", {"fid": (27.82, None), "inception_score": (28.79, 0.49), "clip": (26.61, 2.92)}, 30_000),
)
DEPTH = (
    Published("LDM3D", {"abs_rel": (0.0911, None), "rmse_m": (0.334, None)}, 6_000),
    Published("DPT-Large", {"abs_rel": (0.0779, None), "rmse_m": (0.297, None)}, 6_000),
)
AUTOENCODERS = (
    Published("pre-trained KL-AE, RGB", {"rfid": (0.763, None)}, 31_471),
    Published("fine-tuned KL-AE, RGBD", {"rfid": (1.966, None), "depth_abs_rel": (0.179, None)}, 27_265),
)
