"""The patch discriminator (Isola et al. 2017) that latent diffusion trains its autoencoders with."""

import math
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

WIDEST = 8  # times the filters of the first layer


class PatchDiscriminator(nn.Module):
    """One logit per patch of a picture. With three layers a patch is 70 x 70 pixels; 256 x 256 pixels give 30 x 30.

    4 x 4 convolutions: `layers` of them with stride 2, two more with stride 1, each but the first and last followed
    by a norm. Weights start at N(0, 0.02^2), those of norms at N(1, 0.02^2).

    `batch` norm is kl-f8's. It makes a logit depend on the batch: with several workers convert the module with
    `nn.SyncBatchNorm.convert_sync_batchnorm` (GPUs only), otherwise each worker normalises by its share of the batch
    and the result depends on their number. Its running averages are used in eval mode only. `group` norm, of up to 32
    groups, sees one picture at a time and needs none of this.

    Args:
        channels: of the pictures, 6 or 4.
        filters: channels of the first layer; each further layer doubles them, up to 8 times as many.
        layers: convolutions with stride 2.
        norm: follows the convolutions.
    """

    def __init__(
        self, channels: int, filters: int = 64, layers: int = 3, norm: Literal["batch", "group"] = "batch"
    ) -> None:
        super().__init__()
        widths = [filters * min(2**layer, WIDEST) for layer in range(layers + 1)]
        blocks: list[nn.Module] = [_convolution(channels, filters, stride=2), nn.LeakyReLU(0.2)]
        for layer, (width_in, width_out) in enumerate(pairwise(widths), start=1):
            stride = 2 if layer < layers else 1
            # batch norm cancels a bias
            blocks += [_convolution(width_in, width_out, stride, bias=norm == "group")]
            blocks += [_norm(norm, width_out), nn.LeakyReLU(0.2)]
        self.blocks = nn.Sequential(*blocks, _convolution(widths[-1], 1, stride=1))
        self.apply(_initialise)

    def forward(self, *batches: Tensor) -> tuple[Tensor, ...]:
        """Return logits, large for what looks real.

        Each batch is normalised separately. One call takes them all because DDP wants one forward per backward.

        Args:
            batches: (B, C, H, W) each.

        Returns:
            (B, 1, h, w) for each batch.
        """
        return tuple(self.blocks(batch) for batch in batches)


def _convolution(width_in: int, width_out: int, stride: int, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(width_in, width_out, kernel_size=4, stride=stride, padding=1, bias=bias)


def _norm(norm: Literal["batch", "group"], width: int) -> nn.Module:
    return nn.BatchNorm2d(width) if norm == "batch" else nn.GroupNorm(math.gcd(32, width), width)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
