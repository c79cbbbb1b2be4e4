"""Pictures whose left and right edges are neighbours, as those of a panorama of 360 degrees are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn import functional


@contextmanager
def wrapped_around(*networks: nn.Module) -> Iterator[None]:
    """Inside the `with`, convolutions of the networks see beyond the left edge what is at the right one, and the other
    way round. Above and below there is nothing, as always.

    Attention sees all of a picture at once, and everything else one place at a time: so nothing tells the edges from
    any other column, and a picture that is turned is the picture of turned noise. That holds for U-Net, decoder and
    encoder alike, for turns by as many columns as their strides divide.

    Args:
        networks: a `UNet2DConditionModel` or `AutoencoderKL` of diffusers each. They are as before afterwards.
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
    """diffusers' layer of encoders that adds a column at the right and a row below, and takes every other one."""
    from diffusers.models.downsampling import Downsample2D

    return isinstance(module, Downsample2D) and module.use_conv and module.padding == 0


def _halved(layer: Any, pixels: Tensor, *_: object, **__: object) -> Tensor:
    around = functional.pad(pixels, (0, 1, 0, 0), mode="circular")
    halved: Tensor = layer.conv(functional.pad(around, (0, 0, 0, 1)))
    return halved


def _padding(convolution: nn.Conv2d) -> tuple[int, int]:
    """(above and below, left and right)"""
    padding: Any = convolution.padding  # a pair, if not by name, as none of diffusers' has it
    return int(padding[0]), int(padding[1])
