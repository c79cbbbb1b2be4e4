"""Pictures -> posteriors, as they are stored."""

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldm3d.config import EncodeConfig
from ldm3d.data.pictures import Pictures
from ldm3d.models.autoencoder import Posterior, encode
from ldm3d.models.precision import dtype_of

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL


class Encoded(NamedTuple):
    """Posteriors of N pictures, not scaled."""

    mean: NDArray[np.float16]
    """(N, c, h, w)."""
    std: NDArray[np.float16]
    """(N, c, h, w)."""
    is_finite: NDArray[np.bool_]
    """(N,); False where the posterior is not finite or beyond float16, and must not be used."""


class LatentEncoder:
    """A frozen autoencoder on one device, the GPU if there is one.

    Every batch is padded to its full size. In floating point a row depends on the shape of its batch, though not on
    its neighbours, so with one shape a latent depends on its own picture alone.
    """

    def __init__(self, vae: Any, config: EncodeConfig) -> None:
        """Move `vae`, an `AutoencoderKL` in float32 and evaluation mode, to the device."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = dtype_of(config.precision, device)
        self.batch_size = config.batch_size
        self.exact: AutoencoderKL = vae.to(device).requires_grad_(False)
        self.vae = self.exact if dtype == torch.float32 else copy.deepcopy(self.exact).to(dtype)

    @torch.inference_mode()
    def __call__(self, pictures: Pictures, *, flipped: bool = False) -> Encoded:
        """Encode up to `batch_size` pictures, or their mirror images, in one forward pass."""
        rgbd = pictures.to_tensor(self.vae.config["in_channels"], self.exact.device)
        count = len(rgbd)
        rgbd = torch.cat([rgbd, rgbd[-1:].expand(self.batch_size - count, -1, -1, -1)])
        # contiguous: else the memory layout depends on `count`, the kernel on the layout, and rounding on the kernel
        rgbd = (rgbd.flip(-1) if flipped else rgbd).contiguous()
        mean, std = (part[:count].half() for part in self._posterior(rgbd))
        finite = _is_finite(Posterior(mean, std))
        return Encoded(mean.cpu().numpy(), std.cpu().numpy(), finite.cpu().numpy())

    def _posterior(self, rgbd: Tensor) -> Posterior:
        """Encode in the chosen precision, and where that overflows again in float32, in a batch of the same shape."""
        found = encode(self.vae, rgbd.to(self.vae.dtype))
        finite = _is_finite(found)
        if self.vae is self.exact or finite.all():
            return found
        again = encode(self.exact, rgbd)
        keep = finite[:, None, None, None]
        return Posterior(*(torch.where(keep, *each) for each in zip(found, again, strict=True)))


def _is_finite(posterior: Posterior) -> Tensor:
    """Return which of B posteriors are finite, (B,) bool."""
    return torch.cat(posterior, 1).isfinite().flatten(1).all(1)
