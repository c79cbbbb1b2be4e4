"""A widened autoencoder is the RGB one, plus depth as the settings say."""

import pytest
import torch
from diffusers import AutoencoderKL

from ldm3d.models.autoencoder import decode, encode, widen
from tests.builders.stable_diffusion import build

ALL = [(channels, into, out) for channels in (6, 4) for into in ("zero", "rgb_mean") for out in ("rgb_mean", "zero")]
WIDER = {"encoder.conv_in.weight", "decoder.conv_out.weight", "decoder.conv_out.bias"}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def rgb():
    """An RGB autoencoder of factor 2."""
    return AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        norm_num_groups=4,
    ).eval()


def pictures(channels):
    return torch.rand(2, channels, 16, 16) * 2 - 1


def parameters(network):
    return sum(weights.numel() for weights in network.parameters())


@pytest.mark.parametrize(("channels", "depth_input", "depth_output"), ALL)
def test_every_weight_that_rgb_goes_through_is_kept_bit_for_bit(rgb, channels, depth_input, depth_output):
    before, after = rgb.state_dict(), widen(rgb, channels, depth_input, depth_output).state_dict()
    assert list(after) == list(before)
    assert {name for name in before if before[name].shape != after[name].shape} == WIDER
    conv_in = "encoder.conv_in.weight"
    assert torch.equal(after[conv_in][:, :3], before[conv_in])
    assert all(torch.equal(after[name][: len(before[name])], before[name]) for name in before if name != conv_in)


@pytest.mark.parametrize("channels", [6, 4])
def test_without_depth_input_no_depth_moves_the_latent(rgb, channels):
    wide = widen(rgb, channels, depth_input="zero")
    seen = pictures(channels)
    other = torch.cat([seen[:, :3], pictures(channels)[:, 3:]], 1)
    with torch.no_grad():
        assert torch.equal(encode(wide, seen).mean, encode(wide, other).mean)
        assert torch.equal(encode(wide, seen).std, encode(wide, other).std)


@pytest.mark.parametrize("channels", [6, 4])
def test_without_depth_input_the_latent_is_the_rgb_models_bit_for_bit(rgb, channels):
    """Weights and pixels have few bits, so that sums are exact in whatever order a kernel adds."""
    conv_in = rgb.encoder.conv_in
    with torch.no_grad():
        for weights in (conv_in.weight, conv_in.bias):
            weights.copy_((weights * 256).round() / 256)
        seen = (pictures(channels) * 64).round() / 64
        narrow, wide = encode(rgb, seen[:, :3]), encode(widen(rgb, channels, depth_input="zero"), seen)
    assert torch.equal(narrow.mean, wide.mean)
    assert torch.equal(narrow.std, wide.std)


@pytest.mark.parametrize("channels", [6, 4])
def test_depth_seen_by_mean_weights_is_grey_light_on_the_picture(rgb, channels):
    seen = pictures(channels)
    lit = seen[:, :3] + seen[:, 3:].sum(1, keepdim=True) / 3
    with torch.no_grad():
        torch.testing.assert_close(encode(widen(rgb, channels, depth_input="rgb_mean"), seen), encode(rgb, lit))


@pytest.mark.parametrize("channels", [6, 4])
def test_depth_drawn_by_mean_weights_is_the_grey_of_the_picture(rgb, channels):
    latents = torch.randn(2, 4, 8, 8)
    with torch.no_grad():
        drawn = decode(widen(rgb, channels, depth_output="rgb_mean"), latents)
        torch.testing.assert_close(drawn[:, :3], decode(rgb, latents))
    torch.testing.assert_close(drawn[:, 3:], drawn[:, :3].mean(1, keepdim=True).expand(-1, channels - 3, -1, -1))


@pytest.mark.parametrize("channels", [6, 4])
def test_depth_drawn_by_zero_weights_is_the_middle_of_its_range(rgb, channels):
    with torch.no_grad():
        drawn = decode(widen(rgb, channels, depth_output="zero"), torch.randn(2, 4, 8, 8))
    assert torch.equal(drawn[:, 3:], torch.zeros(2, channels - 3, 16, 16))


def test_the_rgb_autoencoder_stays_as_it_was(rgb):
    before = {name: weights.clone() for name, weights in rgb.state_dict().items()}
    wide = widen(rgb, 6)
    with torch.no_grad():
        for weights in wide.parameters():
            weights.add_(1)
    assert all(torch.equal(weights, before[name]) for name, weights in rgb.state_dict().items())
    assert (rgb.config.in_channels, rgb.config.out_channels, rgb.encoder.conv_in.in_channels) == (3, 3, 3)


@pytest.mark.parametrize("channels", [6, 4])
def test_it_is_saved_and_loaded_by_diffusers(rgb, channels, tmp_path):
    wide = widen(rgb, channels)
    wide.save_pretrained(tmp_path)
    loaded = AutoencoderKL.from_pretrained(tmp_path)
    seen = pictures(channels)
    with torch.no_grad():
        assert torch.equal(decode(loaded, encode(loaded, seen).mean), decode(wide, encode(wide, seen).mean))
    assert loaded.config.scaling_factor == rgb.config.scaling_factor


def test_type_mode_and_frozen_weights_stay_what_they_were(rgb):
    wide = widen(rgb.to(torch.bfloat16).requires_grad_(False), 6)
    assert {weights.dtype for weights in wide.parameters()} == {torch.bfloat16}
    assert not wide.training
    assert not any(weights.requires_grad for weights in wide.parameters())


def test_what_is_wide_already_is_refused(rgb):
    with pytest.raises(ValueError, match="6 channels in and 6 out, wanted 3"):
        widen(widen(rgb, 6), 4)


def test_a_posterior_is_the_encoders_moments_and_never_scaled(rgb):
    rgb.register_to_config(scaling_factor=100.0)
    seen = pictures(3)
    with torch.no_grad():
        mean, log_variance = rgb.quant_conv(rgb.encoder(seen)).chunk(2, 1)
        posterior = encode(rgb, seen)
        drawn = decode(rgb, mean)
        wanted = rgb.decoder(rgb.post_quant_conv(mean))
    assert torch.equal(posterior.mean, mean)
    torch.testing.assert_close(posterior.std, (log_variance / 2).exp())
    assert torch.equal(drawn, wanted)


@pytest.mark.parametrize(("channels", "added", "total"), [(6, 6_915, 1_066_242_222), (4, 2_305, 1_066_237_612)])
def test_parameters_of_the_real_model_are_counted(channels, added, total):
    with torch.device("meta"):
        vae, unet, text_encoder = build()
    wide = widen(vae, channels)
    assert [parameters(network) for network in (vae, unet, text_encoder)] == [83_653_863, 859_520_964, 123_060_480]
    assert parameters(wide) - parameters(vae) == added
    assert parameters(wide) + parameters(unet) + parameters(text_encoder) == total
