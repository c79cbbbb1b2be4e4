"""The reconstruction loss is kl-f8's, channel by channel, and the KL is torch's."""

import pytest
import torch
from torch import distributions

from ldm3d.config import AutoencoderLossConfig, PerceptualConfig
from ldm3d.rgbd import DEPTH_MAX, from_tensor, to_tensor
from ldm3d.training.reconstruction import channel_weights, grey_depth, kl_divergence, reconstruction_terms

torch.set_num_threads(1)

RGB_ONLY = AutoencoderLossConfig(perceptual=PerceptualConfig(depth_weight=0))
DEPTH_ONLY = AutoencoderLossConfig(perceptual=PerceptualConfig(rgb_weight=0))
NO_PERCEPTUAL = AutoencoderLossConfig(perceptual=PerceptualConfig(rgb_weight=0, depth_weight=0))


def pictures(seed: int, channels: int = 6) -> torch.Tensor:
    return torch.rand(3, channels, 5, 7, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def squared_distance(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """A simple distance in place of LPIPS."""
    return (x - y).square().mean((1, 2, 3))


def test_six_channels_lose_what_two_pictures_of_kl_f8_do():
    x, y = pictures(0), pictures(1)
    terms = reconstruction_terms(x, y, squared_distance, AutoencoderLossConfig())
    expected = torch.zeros(3)
    for channels in (slice(0, 3), slice(3, 6)):
        lpips = squared_distance(x[:, channels], y[:, channels])[:, None, None, None]  # broadcast, as in kl-f8
        expected += ((x - y)[:, channels].abs() + 1.0 * lpips).sum((1, 2, 3))
    torch.testing.assert_close(terms.loss, expected)


def test_four_channels_see_depth_as_grey_and_count_it_once():
    x, y = pictures(0, 4), pictures(1, 4)
    grey = [picture[:, 3:].repeat(1, 3, 1, 1) for picture in (x, y)]
    terms = reconstruction_terms(x, y, squared_distance, AutoencoderLossConfig())
    torch.testing.assert_close(terms.perceptual_depth, squared_distance(*grey))
    rgb, depth = terms.perceptual_rgb[:, None, None, None], terms.perceptual_depth[:, None, None, None]
    expected = ((x - y)[:, :3].abs() + rgb).sum((1, 2, 3)) + ((x - y)[:, 3:].abs() + depth).sum((1, 2, 3))
    torch.testing.assert_close(terms.loss, expected)


def test_each_channel_group_has_its_weight():
    config = AutoencoderLossConfig(
        perceptual=NO_PERCEPTUAL.perceptual, rgb_weight=2, zero_weight=3, high_weight=5, low_weight=7
    )
    assert channel_weights(config, 6).tolist() == [2, 2, 2, 3, 5, 7]
    assert channel_weights(config, 4).tolist() == [2, 2, 2, 5]
    x = torch.zeros(1, 6, 2, 2)
    for channel, weight in enumerate([2, 2, 2, 3, 5, 7]):
        y = x.clone()
        y[:, channel] = 0.5
        assert reconstruction_terms(x, y, None, config).loss.item() == weight * 0.5 * 4


def test_the_errors_of_channels_are_told_apart_and_unweighted():
    x = torch.zeros(2, 6, 4, 4)
    y = x + torch.arange(6.0)[:, None, None] / 10
    terms = reconstruction_terms(x, y, None, NO_PERCEPTUAL)
    torch.testing.assert_close(terms.l1, (torch.arange(6.0) / 10).expand(2, 6))


@pytest.mark.parametrize(("config", "kept", "left_out"), [(RGB_ONLY, "rgb", "depth"), (DEPTH_ONLY, "depth", "rgb")])
def test_a_weight_of_zero_leaves_a_picture_out(config, kept, left_out):
    x, y = pictures(0), pictures(1)
    channels = slice(0, 3) if kept == "rgb" else slice(3, 6)
    terms = reconstruction_terms(x, y, squared_distance, config)
    seen = getattr(terms, f"perceptual_{kept}")
    torch.testing.assert_close(seen, squared_distance(x[:, channels], y[:, channels]))
    assert getattr(terms, f"perceptual_{left_out}").eq(0).all()
    torch.testing.assert_close(terms.loss, (x - y).abs().sum((1, 2, 3)) + 3 * 5 * 7 * seen)


def test_a_perceptual_weight_without_a_network_is_refused():
    with pytest.raises(ValueError, match=r"loss\.perceptual"):
        reconstruction_terms(pictures(0), pictures(1), None, RGB_ONLY)


def test_three_channels_are_refused():
    with pytest.raises(ValueError, match="wanted 6 or 4"):
        reconstruction_terms(pictures(0, 3), pictures(1, 3), None, NO_PERCEPTUAL)


@pytest.mark.parametrize("channels", [6, 4])
def test_grey_depth_is_the_codecs(channels):
    depth = torch.arange(DEPTH_MAX + 1, dtype=torch.int32).reshape(1, 256, 256)
    tensor = to_tensor(torch.zeros(1, 256, 256, 3, dtype=torch.uint8), depth, channels)
    grey = grey_depth(tensor)
    assert grey.shape == (1, 3, 256, 256)
    decoded = from_tensor(tensor)[1].int()
    torch.testing.assert_close((grey[:, 1].double() + 1) / 2 * DEPTH_MAX, decoded.double(), atol=0.01, rtol=0)


def test_depth_seen_as_grey_has_gradients_in_both_bytes():
    config = AutoencoderLossConfig(perceptual=PerceptualConfig(rgb_weight=0, depth="grey"))
    x = pictures(0).requires_grad_()
    terms = reconstruction_terms(x, pictures(1), squared_distance, config)
    (gradient,) = torch.autograd.grad(terms.perceptual_depth.sum(), x)
    assert gradient[:, :4].eq(0).all()  # neither RGB nor the zero channel
    torch.testing.assert_close(gradient[:, 4], 256 * gradient[:, 5])
    assert gradient[:, 5].ne(0).all()


def test_kl_is_that_of_torch_summed_over_a_sample():
    generator = torch.Generator().manual_seed(0)
    mean, log_variance = (torch.randn(3, 4, 5, 5, generator=generator) for _ in range(2))
    posterior = distributions.Normal(mean, (log_variance / 2).exp())
    expected = distributions.kl_divergence(posterior, distributions.Normal(0.0, 1.0)).sum((1, 2, 3))
    torch.testing.assert_close(kl_divergence(mean, log_variance), expected)
