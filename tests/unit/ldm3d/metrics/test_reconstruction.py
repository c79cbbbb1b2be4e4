"""Scores of pictures and depth, one number a picture, agree with closed forms and scikit-image."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ldm3d.metrics.reconstruction import aligned, depth_l1, psnr, ssim

torch.set_num_threads(1)


def pictures(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_psnr_of_a_constant_error_is_its_closed_form():
    x = pictures(0, 3, 3, 8, 8)
    shifted = x + torch.tensor([0.1, 0.01, 0.0])[:, None, None, None]
    values = psnr(shifted.double(), x.double(), data_range=2.0)
    assert values[:2].tolist() == pytest.approx([20 * math.log10(2 / 0.1), 20 * math.log10(2 / 0.01)], rel=1e-5)
    assert values[2] == math.inf


def test_psnr_of_eight_bit_pictures_is_scikit_images():
    x, y = (pictures(seed, 1, 3, 16, 16).mul(255).byte() for seed in (0, 1))
    expected = peak_signal_noise_ratio(x[0].numpy(), y[0].numpy(), data_range=255)
    assert psnr(x, y, 255).item() == pytest.approx(expected)


@pytest.mark.parametrize(("size", "data_range"), [((11, 11), 1.0), ((32, 32), 2.0), ((40, 57), 255.0)])
def test_ssim_is_scikit_images(size, data_range):
    x = pictures(0, 2, 3, *size) * data_range
    y = (x + (pictures(1, 2, 3, *size) - 0.5) * torch.tensor([0.05, 0.8])[:, None, None, None] * data_range).double()
    expected = [
        structural_similarity(
            a.double().numpy(),
            b.numpy(),
            data_range=data_range,
            channel_axis=0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for a, b in zip(x, y, strict=True)
    ]
    np.testing.assert_allclose(ssim(x, y, data_range), expected, rtol=1e-9)
    assert expected[0] > expected[1]


def test_ssim_of_equal_pictures_is_one():
    x = pictures(0, 2, 3, 16, 16)
    assert ssim(x, x, 1.0).tolist() == [1, 1]


def test_pictures_smaller_than_the_window_are_refused():
    with pytest.raises(ValueError, match="8 x 32, wanted 11"):
        ssim(pictures(0, 1, 3, 8, 32), pictures(1, 1, 3, 8, 32), 1.0)


def test_depth_error_is_the_mean_of_each_map():
    depth = pictures(0, 2, 4, 4)
    off = depth + torch.tensor([0.25, -0.5])[:, None, None]
    assert depth_l1(off, depth).tolist() == pytest.approx([0.25, 0.5])


def test_alignment_removes_any_scale_and_shift():
    reference = pictures(0, 3, 8, 8)
    scale, shift = torch.tensor([0.5, -2.0, 40.0])[:, None, None], torch.tensor([3.0, -1.0, 0.0])[:, None, None]
    torch.testing.assert_close(aligned(reference.double() * scale + shift, reference), reference.double())


def test_alignment_is_the_least_squares_fit():
    depth, reference = pictures(0, 2, 8, 8), pictures(1, 2, 8, 8)
    for mine, x, y in zip(aligned(depth, reference), depth, reference, strict=True):
        scale, shift = np.polyfit(x.double().flatten(), y.double().flatten(), 1)
        np.testing.assert_allclose(mine, scale * x.double() + shift, atol=1e-9)


def test_a_flat_map_is_aligned_to_the_mean():
    reference = pictures(0, 1, 8, 8)
    torch.testing.assert_close(
        aligned(torch.full((1, 8, 8), 0.3), reference), reference.double().mean().expand(1, 8, 8)
    )
