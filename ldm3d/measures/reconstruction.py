"""How well an autoencoder gives pictures and their depth back (paper, section 4.4)."""

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
from ldm3d.measures.batch import Batch, Measure
from ldm3d.measures.features import same_size
from ldm3d.metrics.reconstruction import SSIM_WINDOW, depth_abs_rel, depth_l1, psnr, ssim
from ldm3d.models.autoencoder import decode, encode
from ldm3d.models.precision import full_float32
from ldm3d.models.source import Source
from ldm3d.models.trained import load_any_autoencoder
from ldm3d.rgbd import DEPTH_MAX, from_tensor, image_from_tensor, to_tensor
from ldm3d.training.perceptual import SMALLEST, Perceptual

FLOOR = DEPTH_MAX / 255  # levels: of one grey value in 255
FIGURES = ("psnr_db", "ssim", "lpips", "depth_l1", "depth_abs_rel", "depth_abs_rel_floored")
SETTING = "reconstruction.models"


class Pictures(NamedTuple):
    """images: (B, H, W, 3) uint8. depths: (B, H, W) uint16, None of an autoencoder that knows none."""

    images: Tensor
    depths: Tensor | None


class AutoencoderQuality:
    """The measure of pictures with depth, each encoded, decoded from the mean of its posterior, and stored in 8 bits.

        pool                    list<float32>[D], features of what came back, as the features of what went in are
        psnr_db, ssim, lpips    of the picture of 8 bits; float64, as are the others
        depth_l1                mean absolute error, of a range of 1
        depth_abs_rel           |d' - d| / d of 16-bit inverse depth where d is above 0
        depth_abs_rel_floored   the same, d in the denominator taken for at least 1/255 of its range

    An autoencoder of 3 channels has no depth: NaN. One that sees depth cannot be measured on pictures without: all
    is NaN. So are SSIM and LPIPS of pictures too small for them. Networks are in float32, on GPUs too, and each batch
    is filled up to its full size, so that 8 bits come out the same in any company. Pictures whose sides cannot be
    halved as often as the autoencoder does are continued by their edges, and cut again.
    """

    def __init__(self, vae: Any, perceptual: Perceptual, features: Measure, config: ReconstructionConfig) -> None:
        """
        Args:
            vae: an `AutoencoderKL` of 6, 4 or 3 channels, in float32 and evaluation mode.
            features: a measure with a column `pool`.
        """
        self.vae, self.perceptual, self.features = vae, perceptual, features
        self.batch_size, self.channels = config.batch_size, int(vae.config["in_channels"])
        self.factor = 2 ** (len(vae.config["block_out_channels"]) - 1)
        self.columns = pa.schema([features.columns.field("pool"), *((name, pa.float64()) for name in FIGURES)])
        settings = {name: str(value) for name, value in vae.config.items() if not name.startswith("_")}
        # all that measures, without what is measured
        self.judge = fingerprint_of(perceptual.network, fingerprint_of_network(perceptual), features.fingerprint)
        self.fingerprint = fingerprint_of(
            fingerprint_of_network(vae), json.dumps(settings, sort_keys=True), self.judge
        )

    @classmethod
    def from_pretrained(cls, model: str, config: ReconstructionConfig, features: Measure, device: str) -> Self:
        """
        Args:
            model: path or hub id, with the autoencoder in `vae/`.

        Raises:
            ValueError: the autoencoder or the weights of LPIPS do not load, or are not what they should be.
        """
        vae: Any = load_any_autoencoder(Source(SETTING, model))
        wanted = config.perceptual
        perceptual = Perceptual(wanted.network, wanted.weights, "reconstruction.perceptual")
        return cls(vae.to(device).requires_grad_(False), perceptual.to(device), features, config)

    @torch.inference_mode()
    def __call__(self, batch: Batch) -> pa.Table:
        found = {name: np.full(len(batch), np.nan) for name in FIGURES}
        measured = np.zeros(len(batch), np.bool_)
        restored: list[NDArray[np.uint8]] = list(batch.images)
        if self.channels == 3 or batch.depths is not None:
            for places in same_size(batch.images, self.batch_size):
                pictures = self._stacked(batch, places)
                back, measured[places] = self._there_and_back(pictures)
                for name, values in self._figures(back, pictures).items():
                    found[name][places] = np.where(measured[places], values.cpu().numpy(), np.nan)
                for place, image in zip(places, back.images.cpu().numpy(), strict=True):
                    restored[place] = image
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

    def _there_and_back(self, pictures: Pictures) -> tuple[Pictures, NDArray[np.bool_]]:
        """What comes back, and (B,) whether it is finite; black where it is not."""
        count, (height, width) = len(pictures.images), pictures.images.shape[1:3]
        rgbd = self._to_tensor(pictures)
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

    def _figures(self, back: Pictures, pictures: Pictures) -> dict[str, Tensor]:
        """(B,) each, of those that there are."""
        found, wanted = (each.images.movedim(-1, 1) for each in (back, pictures))
        side = min(found.shape[-2:])
        figures = {"psnr_db": psnr(found, wanted, data_range=255)}
        if side >= SSIM_WINDOW:
            figures["ssim"] = ssim(found, wanted, data_range=255)
        if side >= SMALLEST[self.perceptual.network]:
            with full_float32():
                figures["lpips"] = self.perceptual(found / 127.5 - 1, wanted / 127.5 - 1)
        if back.depths is not None and pictures.depths is not None:
            depths, known = back.depths.double(), pictures.depths.double()
            figures["depth_l1"] = depth_l1(depths / DEPTH_MAX, known / DEPTH_MAX)
            figures["depth_abs_rel"] = depth_abs_rel(depths, known)
            figures["depth_abs_rel_floored"] = depth_abs_rel(depths, known, FLOOR)
        return figures
