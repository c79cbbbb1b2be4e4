"""How well pictures and depth are reconstructed: one number per picture, so that means over any partition add up."""

import torch
from torch import Tensor
from torch.nn import functional

SSIM_SIGMA = 1.5
SSIM_WINDOW = 11  # pixels: a Gaussian truncated at 3.5 sigma


def psnr(pictures: Tensor, references: Tensor, data_range: float) -> Tensor:
    """Return the peak signal-to-noise ratio, 10 log10(data_range² / MSE) in dB, infinite for equal pictures.

    (B, C, H, W) each -> (B,) float64. `data_range` is the largest less the smallest possible value.
    """
    error = (pictures.double() - references.double()).square().flatten(1).mean(1)
    return 10 * torch.log10(data_range**2 / error)


def ssim(pictures: Tensor, references: Tensor, data_range: float) -> Tensor:
    """Return the structural similarity (Wang et al. 2004), with a Gaussian window that lies fully inside the picture.

    It is averaged over channels and positions, and equal to scikit-image's with `gaussian_weights=True,
    use_sample_covariance=False`.

    Args:
        pictures, references: (B, C, H, W).
        data_range: the largest less the smallest possible value.

    Returns:
        (B,) float64, 1 for equal pictures.

    Raises:
        ValueError: the pictures are smaller than the window, 11 pixels.
    """
    if min(pictures.shape[-2:]) < SSIM_WINDOW:
        size = " x ".join(map(str, pictures.shape[-2:]))
        raise ValueError(f"pictures are {size}, wanted {SSIM_WINDOW} pixels or more a side for the window of SSIM")
    x, y = pictures.double(), references.double()
    mean_x, mean_y = _blur(x), _blur(y)
    variance_x, variance_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return (luminance * structure).flatten(1).mean(1)


def depth_l1(depth: Tensor, reference: Tensor) -> Tensor:
    """Return the mean absolute error: (B, H, W) each, any unit -> (B,) float64 in that unit."""
    return (depth.double() - reference.double()).abs().flatten(1).mean(1)


def depth_abs_rel(depth: Tensor, reference: Tensor, floor: float = 0.0) -> Tensor:
    """Return the mean of |d' - d| / max(d, floor) over the pixels where d is above 0; NaN if there are none.

    Args:
        depth, reference: (B, H, W), d' and d, any unit.
        floor: least denominator, in that unit.

    Returns:
        (B,) float64.
    """
    found, wanted = depth.double().flatten(1), reference.double().flatten(1)
    valid = wanted > 0
    error = (found - wanted).abs() / torch.where(valid, wanted, 1.0).clamp(min=floor)
    return (error * valid).sum(1) / valid.sum(1)


def aligned(depth: Tensor, reference: Tensor) -> Tensor:
    """Scale and shift each map to fit its reference: relative inverse depth is only defined up to scale and shift.

    Least squares over all pixels of a map (Ranftl et al. 2020), in inverse depth, which both are. A flat map has no
    scale to fit and becomes the mean of its reference.

    (B, H, W) each -> (B, H, W) float64.
    """
    x, y = depth.double().flatten(1), reference.double().flatten(1)
    mean_x, mean_y = x.mean(1, keepdim=True), y.mean(1, keepdim=True)
    covariance = ((x - mean_x) * (y - mean_y)).mean(1, keepdim=True)
    variance = (x - mean_x).square().mean(1, keepdim=True)
    scale = torch.where(variance > 0, covariance / variance, 0.0)
    return (mean_y + scale * (x - mean_x)).view_as(depth)


def _blur(pictures: Tensor) -> Tensor:
    """Return Gaussian-weighted means where the window fits: H and W shrink by 10."""
    channels = pictures.shape[1]
    distance = torch.arange(SSIM_WINDOW, device=pictures.device) - SSIM_WINDOW // 2
    window = torch.exp(-distance.double().square() / (2 * SSIM_SIGMA**2))
    row = (window / window.sum()).expand(channels, 1, 1, -1)
    blurred = functional.conv2d(pictures, row, groups=channels)
    return functional.conv2d(blurred, row.mT, groups=channels)
