"""Pictures whose left and right edges are neighbours, as in a panorama of 360 degrees."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn import functional


@contextmanager
def wrapped_around(*networks: nn.Module) -> Iterator[None]:
    """Within the `with`, pad the networks' convolutions circularly at the left and right edges; above and below they
    are padded with zeros, as always.

    Attention sees the whole picture at once, and everything else one place at a time, so nothing distinguishes the
    edges from any other column: turned noise gives the turned picture. That holds for U-Net, decoder and encoder, for
    turns by a number of columns that their strides divide.

    Args:
        networks: `UNet2DConditionModel` or `AutoencoderKL` of diffusers; restored on exit.
    """
    changed: list[Any] = []
    try:
        for module in (module for network in networks for module in network.modules()):
            if isinstance(module, nn.Conv2d) and _padding(module)[1]:
                _replace_forward(module, _convolved)
            elif _pads_by_itself(module):
                _replace_forward(module, _halved)
            else:
                continue
            changed.append(module)
        yield
    finally:
        for module in changed:
            del module.forward


def _replace_forward(module: Any, forward: Callable[..., Tensor]) -> None:
    module.forward = partial(forward, module)


def _convolved(convolution: nn.Conv2d, pixels: Tensor) -> Tensor:
    """Convolve with columns from the opposite edge as padding at the left and right."""
    above, beside = _padding(convolution)
    around = functional.pad(pixels, (beside, beside, 0, 0), mode="circular")
    return functional.conv2d(
        around,
        convolution.weight,
        convolution.bias,
        convolution.stride,
        (above, 0),
        convolution.dilation,
        convolution.groups,
    )


def _pads_by_itself(module: nn.Module) -> bool:
    """Is this diffusers' layer that pads a column at the right and a row below, then halves the size?"""
    from diffusers.models.downsampling import Downsample2D

    return isinstance(module, Downsample2D) and module.use_conv and module.padding == 0


def _halved(layer: Any, pixels: Tensor, *_: object, **__: object) -> Tensor:
    """Halve with the leftmost column as padding at the right."""
    around = functional.pad(pixels, (0, 1, 0, 0), mode="circular")
    halved: Tensor = layer.conv(functional.pad(around, (0, 0, 0, 1)))
    return halved


def _padding(convolution: nn.Conv2d) -> tuple[int, int]:
    """Return the padding (above and below, left and right)."""
    padding: Any = convolution.padding  # a pair; diffusers never gives it by name
    return int(padding[0]), int(padding[1])
