"""Tiles add up to the picture: depth is blended as depth, and a panorama has no seam."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from ldm3d.sampling import Decoded, Drawing, decode_latents, text_to_rgbd
from ldm3d.sampling.tiles import blend_tiles
from tests.builders.small_model import Parts, parts, prompts_of

torch.set_num_threads(1)

FACTOR = 2  # pixels per latent
SIDE, TILE = 48, 96  # of a tile, in latents and in pixels
STEP = 36  # latents from one tile to the next: a quarter is shared
SIGHT = 12  # latents: how far the convolutions of the small decoder see, without attention and normalisation


def local_decoder(channels: int = 6) -> Parts:
    """Remove attention and normalisation from the decoder: only they need the whole picture."""
    model = parts(pixel_channels=channels)
    decoder = model.vae.decoder
    decoder.mid_block.attentions = nn.ModuleList([None])
    for module in list(decoder.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.GroupNorm):
                setattr(module, name, nn.Identity())
    with torch.no_grad():
        decoder.conv_out.weight *= 0.5 / model.vae.decode(noise(8, 8) / 0.18215).sample.std()
    return model


def noise(height: int, width: int, count: int = 1) -> torch.Tensor:
    return torch.randn(count, 4, height, width, generator=torch.Generator().manual_seed(1))


def difference(ours: Decoded, theirs: Decoded) -> NDArray[np.int_]:
    """Return the largest difference in each column of the image, (W,)."""
    return np.abs(ours.image.astype(int) - theirs.image).max((0, 1, 3))


@pytest.mark.parametrize(("height", "width"), [(9, 40), (8, 17), (23, 31), (12, 12)])
@pytest.mark.parametrize("ring", [False, True])
def test_tiles_cover_any_size_and_their_weights_add_up_to_one(height, width, ring):
    """A reader of single latents gives the same from tiles, to the rounding of a sum of up to four in float32."""
    latents = noise(height, width, count=2)
    read = nn.Upsample(scale_factor=FACTOR)
    shapes = []

    def read_tile(tile: torch.Tensor) -> torch.Tensor:
        shapes.append(tile.shape)
        return read(tile)

    found = blend_tiles(read_tile, latents, 8, FACTOR, ring=ring)
    torch.testing.assert_close(found, read(latents), rtol=0, atol=1e-5)
    assert set(shapes) == {(1, 4, 8, 8)}


@pytest.mark.parametrize("channels", [6, 4])
def test_a_picture_is_the_whole_one_but_where_tiles_meet(channels):
    """Outside the shared part, a tile's ends are out of the decoder's sight; sums in another order differ by 1."""
    assert TILE // FACTOR * 0.25 >= SIGHT
    model, latents = local_decoder(channels), noise(8, SIDE + STEP)
    whole, tiled = (decode_latents(model.vae, latents, tile) for tile in (None, TILE))
    apart = difference(tiled, whole)
    assert len(np.unique(whole.image)) > 100
    shared = slice(STEP * FACTOR, SIDE * FACTOR)
    assert np.delete(apart, shared).max() <= 1
    assert apart[shared].max() > 1


@pytest.mark.parametrize("channels", [6, 4])
def test_depth_and_colour_lie_between_those_of_the_tiles(channels):
    """Blended as bytes they would not: see the next test."""
    vae, latents = parts(pixel_channels=channels).vae, noise(8, SIDE + STEP)
    tiled = decode_latents(vae, latents, TILE)
    left, right = decode_latents(vae, latents[..., :SIDE]), decode_latents(vae, latents[..., STEP:])
    cut = STEP * FACTOR
    for name in ("image", "depth"):
        mixed, one, other = (getattr(each, name).astype(int) for each in (tiled, left, right))
        assert np.array_equal(mixed[:, :, :cut], one[:, :, :cut])
        assert np.array_equal(mixed[:, :, TILE:], other[:, :, TILE - cut :])
        one, other = one[:, :, cut:], other[:, :, : TILE - cut]
        shared = mixed[:, :, cut:TILE]
        assert (shared >= np.minimum(one, other)).all()
        assert (shared <= np.maximum(one, other)).all()
        assert (one != other).any()


def test_diffusers_own_tiling_draws_depths_that_no_tile_has():
    """This is why it is not used: it blends high and low bytes separately."""
    vae, latents = parts().vae, noise(8, SIDE + STEP)
    left, right = decode_latents(vae, latents[..., :SIDE]), decode_latents(vae, latents[..., STEP:])
    vae.enable_tiling()
    vae.tile_latent_min_size, vae.tile_sample_min_size = SIDE, TILE
    mixed = decode_latents(vae, latents).depth[:, :, STEP * FACTOR : TILE]
    one, other = left.depth[:, :, STEP * FACTOR :], right.depth[:, :, : TILE - STEP * FACTOR]
    assert (mixed < np.minimum(one, other)).any()


def test_a_panorama_of_tiles_is_the_whole_one_across_its_edge():
    """Turned by a tile it is the turned picture, to the bit, as no place differs from any other."""
    model, latents = local_decoder(), noise(8, 2 * STEP).roll(STEP // 2, -1)
    whole, tiled = (decode_latents(model.vae, latents, tile, panorama=True) for tile in (None, TILE))
    flat = decode_latents(model.vae, latents, TILE)
    turned = decode_latents(model.vae, latents.roll(STEP, -1), TILE, panorama=True)
    np.testing.assert_array_equal(turned.image, np.roll(tiled.image, STEP * FACTOR, 2))
    np.testing.assert_array_equal(turned.depth, np.roll(tiled.depth, STEP * FACTOR, 2))
    apart = difference(tiled, whole)
    shared = np.r_[: (SIDE - STEP) * FACTOR, STEP * FACTOR : SIDE * FACTOR]
    assert np.delete(apart, shared).max() <= 1
    assert apart[-1] <= 1  # the edge: no tile ends at its left neighbour
    assert difference(flat, whole)[-1] > 1


def test_a_panorama_no_wider_than_a_tile_is_decoded_with_its_edges_side_by_side():
    model, latents = local_decoder(), noise(SIDE + STEP, 16)
    whole, tiled = (decode_latents(model.vae, latents, tile, panorama=True) for tile in (None, TILE))
    shared = slice(STEP * FACTOR, SIDE * FACTOR)
    apart = np.abs(tiled.image.astype(int) - whole.image).max((0, 2, 3))
    assert np.delete(apart, shared).max() <= 1


def test_the_decoder_sees_a_tile_at_a_time_and_small_pictures_whole():
    vae, sizes = parts().vae, []
    vae.decoder.register_forward_pre_hook(lambda module, given: sizes.append(tuple(given[0].shape)))
    decode_latents(vae, noise(12, 20, count=3), 16)
    assert set(sizes) == {(1, 4, 8, 8)}
    sizes.clear()
    decode_latents(vae, noise(8, 6, count=3), 16)
    assert sizes == [(3, 4, 8, 6)]


def test_a_picture_that_is_not_finite_is_marked_and_leaves_the_others_alone():
    vae, broken = parts().vae, noise(8, 20, count=3)
    broken[1, 0, 0, 19] = torch.nan
    whole, found = decode_latents(vae, noise(8, 20, count=3), 16), decode_latents(vae, broken, 16)
    np.testing.assert_array_equal(found.is_finite, [True, False, True])
    np.testing.assert_array_equal(found.depth[found.is_finite], whole.depth[found.is_finite])


def test_samples_of_tiles_do_not_depend_on_their_batch():
    model, size = parts(), {"height": 16, "width": 40}
    for panorama in (False, True):
        drawing = Drawing(num_inference_steps=1, tile=16, panorama=panorama)
        together = text_to_rgbd(model, prompts_of(["a", "b"], [5, 6]), drawing, **size)
        alone = text_to_rgbd(model, prompts_of(["b"], [6], [1]), drawing, **size)
        assert together[1].depth.shape == (16, 40)
        assert np.abs(alone[0].image.astype(int) - together[1].image).max() <= 1


@pytest.mark.parametrize("tile", [0, 6, 9, -16])
def test_a_tile_that_will_not_do_is_refused_before_anything_is_drawn(tile):
    with pytest.raises(ValueError, match=f"tile is {tile} pixels, wanted 8 or more, a multiple of 2"):
        text_to_rgbd(parts(), prompts_of(["a"], [5]), Drawing(tile=tile))
