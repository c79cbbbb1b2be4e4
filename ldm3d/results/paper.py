"""Published numbers: the paper's tables 1 to 3 (arXiv 2305.10853), and its authors' panoramas."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A row of one of the paper's tables, or of a model's card."""

    name: str
    values: dict[str, tuple[float, float | None]]
    """Value and spread by metric; None if the paper gives no spread."""
    count: int | None
    """Pictures; None if it is not stated."""


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
# The card of Intel/ldm3d-pano, of LDM3D-VR (arXiv 2311.03226).
PANORAMAS = (
    Published(
        "LDM3D-pano",
        {
            "fid": (118.07, None),
            "inception_score": (4.687, None),
            "clip": (27.21, None),
            "panorama_abs_rel": (1.54, None),
        },
        None,
    ),
)


@dataclass(frozen=True)
class Training:
    """How the paper fine-tuned a network, from Stable Diffusion's weights."""

    epochs: int
    batch_size: int
    """Samples per step."""
    rows: int
    """Pictures with captions in the training split."""
    discriminator_start: int | None = None
    """Steps before the discriminator takes part, if there is one; that of kl-f8, in latent diffusion."""

    @property
    def steps(self) -> int:
        """Optimiser steps that the training took in all."""
        return self.epochs * (self.rows // self.batch_size)

    @property
    def samples(self) -> int:
        """Samples that the training took in all."""
        return self.epochs * self.rows


# By the stage that does the same here.
TRAININGS = {
    "train_autoencoder": Training(epochs=83, batch_size=8, rows=8_233, discriminator_start=50_001),
    "train_diffusion": Training(epochs=178, batch_size=32, rows=8_233),
}
