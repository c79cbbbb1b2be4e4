"""How well an autoencoder reconstructs pictures and their depth (paper, section 4.4)."""

import json
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ldm3d.config import ReconstructionConfig
from ldm3d.fingerprint import fingerprint_of, fingerprint_of_network
from ldm3d.measures.batch import Batch, Network
from ldm3d.measures.features import same_size
from ldm3d.metrics.reconstruction import SSIM_WINDOW, depth_abs_rel, depth_l1, psnr, ssim
from ldm3d.models.autoencoder import decode, encode
from ldm3d.models.precision import full_float32
from ldm3d.models.source import Source
from ldm3d.models.trained import load_any_autoencoder
from ldm3d.rgbd import DEPTH_MAX, from_tensor, image_from_tensor, to_tensor
from ldm3d.training.perceptual import SMALLEST, Perceptual

FLOOR = DEPTH_MAX / 255  # levels of 65,535 in one grey value of 255
SCORES = ("psnr_db", "ssim", "lpips", "depth_l1", "depth_abs_rel", "depth_abs_rel_floored")
SETTING = "--reconstruction.models"


class Pictures(NamedTuple):
    """A batch of pictures of one size."""

    images: Tensor
    """(B, H, W, 3) uint8."""
    depths: Tensor | None
    """(B, H, W) uint16; None for an autoencoder without depth."""


class AutoencoderQuality:
    """Measures pictures with depth: each is encoded, decoded from the mean of its posterior, and stored in 8 bits.

        pool                    list<float32>[D], features of the reconstruction
        psnr_db, ssim, lpips    of the 8-bit picture; float64, like the rest
        depth_l1                mean absolute error, depth in [0, 1]
        depth_abs_rel           |d' - d| / d of 16-bit inverse depth where d is above 0
        depth_abs_rel_floored   the same, with a denominator of at least 1/255 of the range

    Depth scores are NaN for an autoencoder of 3 channels, which has no depth; all scores are NaN for pictures without
    depth and an autoencoder that needs it; SSIM and LPIPS are NaN for pictures too small for them. Networks run in
    float32, on GPUs too, and each batch is padded to its full size, so that the 8 bits of a picture do not depend on
    the rest of its batch. Pictures whose sides the autoencoder cannot halve often enough are padded by their edges and
    cropped again.
    """

    def __init__(self, vae: Any, perceptual: Perceptual, features: Network, config: ReconstructionConfig) -> None:
        """Take opened networks.

        Args:
            vae: an `AutoencoderKL` of 6, 4 or 3 channels, in float32 and evaluation mode.
            features: a network with a column `pool`.
        """
        self.vae, self.perceptual, self.features = vae, perceptual, features
        self.batch_size, self.channels = config.batch_size, int(vae.config["in_channels"])
        self.factor = 2 ** (len(vae.config["block_out_channels"]) - 1)
        self.columns = pa.schema([features.columns.field("pool"), *((name, pa.float64()) for name in SCORES)])
        settings = {name: str(value) for name, value in vae.config.items() if not name.startswith("_")}
        # the networks that measure, without the autoencoder that is measured
        self.judge = fingerprint_of(perceptual.network, fingerprint_of_network(perceptual), features.fingerprint)
        self.fingerprint = fingerprint_of(
            fingerprint_of_network(vae), json.dumps(settings, sort_keys=True), self.judge
        )

    @classmethod
    def from_pretrained(cls, model: str, config: ReconstructionConfig, features: Network, device: str) -> Self:
        """Load the autoencoder and LPIPS.

        Args:
            model: path or hub id, with the autoencoder in `vae/`.

        Raises:
            ValueError: the autoencoder or the weights of LPIPS do not load, or are of another kind.
        """
        vae: Any = load_any_autoencoder(Source(SETTING, model))
        wanted = config.perceptual
        perceptual = Perceptual(wanted.network, wanted.weights, "--reconstruction.perceptual")
        return cls(vae.to(device).requires_grad_(False), perceptual.to(device), features, config)

    @torch.inference_mode()
    def __call__(self, batch: Batch) -> pa.Table:
        found = {name: np.full(len(batch), np.nan) for name in SCORES}
        measured = np.zeros(len(batch), np.bool_)
        restored: list[NDArray[np.uint8]] = list(batch.images)
        if self.channels == 3 or batch.depths is not None:
            for places in same_size(batch.images, self.batch_size):
                pictures = self._stacked(batch, places)
                back, measured[places] = self._reconstructed(pictures)
                for name, values in self._scores(back, pictures).items():
                    found[name][places] = np.where(measured[places], values.cpu().numpy(), np.nan)
                for place, image in zip(places, back.images.cpu().numpy(), strict=True):
                    restored[place] = image
        # features of what was not reconstructed are discarded
        pool = self.features(Batch(batch.keys, batch.numbers, restored))["pool"].combine_chunks()
        if not measured.all():
            features = np.array(pool.to_pylist(), np.float32)
            features[~measured] = np.nan
            pool = pa.array(list(features), pool.type)
        return pa.table({"pool": pool, **found}, schema=self.columns)

    def _stacked(self, batch: Batch, places: list[int]) -> Pictures:
        images = torch.from_numpy(np.stack([batch.images[place] for place in places])).to(self.vae.device)
        if self.channels == 3 or batch.depths is None:
            return Pictures(images, None)
        depths = np.stack([batch.depths[place] for place in places])
        return Pictures(images, torch.from_numpy(depths).to(self.vae.device))

    def _reconstructed(self, pictures: Pictures) -> tuple[Pictures, NDArray[np.bool_]]:
        """Return the reconstructions and (B,) whether each is finite; those that are not are black."""
        count, (height, width) = len(pictures.images), pictures.images.shape[1:3]
        rgbd = self._to_tensor(pictures)
        # pad the batch to its full size, and the sides to multiples of the factor
        rgbd = torch.cat([rgbd, rgbd[-1:].expand(self.batch_size - count, -1, -1, -1)])
        right, below = -width % self.factor, -height % self.factor
        with torch.autocast(rgbd.device.type, enabled=False), full_float32():
            whole = functional.pad(rgbd, (0, right, 0, below), mode="replicate").contiguous()
            back = decode(self.vae, encode(self.vae, whole).mean)[:count, :, :height, :width]
        finite = back.isfinite().flatten(1).all(1)
        return self._from_tensor(torch.where(finite[:, None, None, None], back, -1.0)), finite.cpu().numpy()

    def _to_tensor(self, pictures: Pictures) -> Tensor:
        if pictures.depths is not None:
            return to_tensor(pictures.images, pictures.depths, 6 if self.channels == 6 else 4)
        none = torch.zeros(pictures.images.shape[:3], dtype=torch.int32, device=pictures.images.device)
        return to_tensor(pictures.images, none, 4)[:, :3]

    def _from_tensor(self, pixels: Tensor) -> Pictures:
        return Pictures(image_from_tensor(pixels), None) if self.channels == 3 else Pictures(*from_tensor(pixels))

    def _scores(self, back: Pictures, pictures: Pictures) -> dict[str, Tensor]:
        """Return (B,) of each score that can be computed."""
        found, wanted = (each.images.movedim(-1, 1) for each in (back, pictures))
        side = min(found.shape[-2:])
        scores = {"psnr_db": psnr(found, wanted, data_range=255)}
        if side >= SSIM_WINDOW:
            scores["ssim"] = ssim(found, wanted, data_range=255)
        if side >= SMALLEST[self.perceptual.network]:
            with full_float32():
                scores["lpips"] = self.perceptual(found / 127.5 - 1, wanted / 127.5 - 1)
        if back.depths is not None and pictures.depths is not None:
            depths, known = back.depths.double(), pictures.depths.double()
            scores["depth_l1"] = depth_l1(depths / DEPTH_MAX, known / DEPTH_MAX)
            scores["depth_abs_rel"] = depth_abs_rel(depths, known)
            scores["depth_abs_rel_floored"] = depth_abs_rel(depths, known, FLOOR)
        return scores
