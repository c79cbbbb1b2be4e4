"""Latents become images and 16-bit depth, in chunks, and once more in float32 where float16 overflows."""

import copy

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL

from ldm3d.rgbd import from_tensor
from ldm3d.sampling import decode, decode_latents

torch.set_num_threads(1)


def autoencoder(channels: int = 6) -> AutoencoderKL:
    torch.manual_seed(0)
    return AutoencoderKL(
        in_channels=channels,
        out_channels=channels,
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        block_out_channels=[8, 8],
        latent_channels=4,
        norm_num_groups=4,
    ).eval()


def latents(count: int = 5) -> torch.Tensor:
    return torch.randn(count, 4, 4, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("channels", [6, 4])
def test_latents_are_divided_by_the_scaling_factor_once_and_read_by_the_codec(channels):
    vae = autoencoder(channels)
    with torch.no_grad():
        image, depth = from_tensor(vae.decode(latents() / 0.18215).sample)
    decoded = decode_latents(vae, latents())
    assert (decoded.image.shape, decoded.image.dtype) == ((5, 8, 12, 3), np.uint8)
    assert (decoded.depth.shape, decoded.depth.dtype) == ((5, 8, 12), np.uint16)
    np.testing.assert_array_equal(decoded.image, image.numpy())
    np.testing.assert_array_equal(decoded.depth, depth.numpy())
    assert decoded.is_finite.all()
    assert len(np.unique(decoded.image)) > 50  # a picture, not a constant


def test_an_autoencoder_of_rgb_alone_gives_pictures_without_depth():
    vae = autoencoder(3)
    with torch.no_grad():
        pixels = vae.decode(latents() / 0.18215).sample
    decoded = decode_latents(vae, latents())
    assert decoded.depth is None
    assert decoded.is_finite.all()
    expected = ((pixels / 2 + 0.5).clamp(0, 1) * 255).round().movedim(1, -1).numpy()
    np.testing.assert_array_equal(decoded.image, expected)


def test_a_picture_does_not_depend_on_its_place_among_the_chunks(monkeypatch):
    """Bit for bit: every chunk has the size of the others, the last one filled up."""
    monkeypatch.setattr(decode, "CHUNK_PIXELS", 2 * 8 * 12)
    vae, sizes = autoencoder(), []
    vae.decoder.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    decoded = decode_latents(vae, latents())
    backwards = decode_latents(vae, latents().flip(0))
    assert sizes == [2] * 6
    assert decoded.image.shape[0] == 5
    np.testing.assert_array_equal(backwards.image[::-1], decoded.image)
    np.testing.assert_array_equal(backwards.depth[::-1], decoded.depth)


def test_pictures_larger_than_a_chunk_are_decoded_one_by_one(monkeypatch):
    monkeypatch.setattr(decode, "CHUNK_PIXELS", 1)
    assert decode_latents(autoencoder(), latents(2)).image.shape == (2, 8, 12, 3)


def overflowing() -> AutoencoderKL:
    """In float16 its first layer gives infinity, in float32 a picture, since normalisation follows."""
    vae = autoencoder()
    with torch.no_grad():
        vae.decoder.conv_in.weight *= 1e5
    return vae


def test_what_overflows_in_float16_is_decoded_again_in_float32():
    half, single = overflowing().half(), overflowing().half().float()
    with torch.no_grad():
        assert not half.decode((latents() / 0.18215).half()).sample.isfinite().all()
    decoded, exact = decode_latents(half, latents()), decode_latents(single, latents())
    assert decoded.is_finite.all()
    np.testing.assert_array_equal(decoded.image, exact.image)
    np.testing.assert_array_equal(decoded.depth, exact.depth)
    assert half.dtype == torch.float16  # others may be using it


def test_a_sample_that_is_not_finite_is_marked_and_leaves_the_others_alone():
    vae, broken = autoencoder(), latents()
    broken[2, 0, 0, 0] = torch.nan
    whole, decoded = decode_latents(vae, latents()), decode_latents(vae, broken)
    np.testing.assert_array_equal(decoded.is_finite, [True, True, False, True, True])
    np.testing.assert_array_equal(decoded.image[decoded.is_finite], whole.image[decoded.is_finite])
    np.testing.assert_array_equal(decoded.depth[decoded.is_finite], whole.depth[decoded.is_finite])


def test_decoding_leaves_the_autoencoder_as_it_was():
    vae = overflowing().half()
    before = copy.deepcopy(vae.state_dict())
    decode_latents(vae, latents())
    assert all(torch.equal(before[name], value) for name, value in vae.state_dict().items())
    assert all(parameter.grad is None for parameter in vae.parameters())
