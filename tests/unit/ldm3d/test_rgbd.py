"""The codec loses nothing in numpy or in torch, in any layout, and refuses what it would silently damage."""

import numpy as np
import pytest
import torch

from ldm3d.rgbd import from_tensor, pack_depth, to_tensor, unpack_depth

torch.set_num_threads(1)

EVERY_DEPTH = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
IMAGE = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)

both = pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])


@both
def test_every_depth_survives_packing(convert):
    depth = unpack_depth(pack_depth(convert(EVERY_DEPTH)))
    assert isinstance(depth, type(convert(EVERY_DEPTH)))
    assert str(depth.dtype).endswith("uint16")
    np.testing.assert_array_equal(np.asarray(depth), EVERY_DEPTH)


@both
def test_packing_is_the_papers_byte_order(convert):
    packed = pack_depth(convert(np.array([[0x1234]], np.uint16)))
    np.testing.assert_array_equal(np.asarray(packed), [[[0x00, 0x12, 0x34]]])


@both
def test_unpacking_is_256_high_plus_low_whatever_the_first_byte(convert):
    packed = convert(np.array([[[0xAB, 0x12, 0x34]]], np.uint8))
    np.testing.assert_array_equal(np.asarray(unpack_depth(packed)), [[256 * 0x12 + 0x34]])


@both
@pytest.mark.parametrize("batch", [(), (2,), (2, 3)], ids=["one", "batch", "grid"])
@pytest.mark.parametrize(
    ("add", "axis", "packed_shape"),
    [
        pytest.param(lambda d: d, None, (5, 7, 3), id="HW"),
        pytest.param(lambda d: d[..., None], -1, (5, 7, 3), id="HW1"),
        pytest.param(lambda d: d[..., None, :, :], -3, (3, 5, 7), id="1HW"),
    ],
)
def test_every_layout_packs_and_unpacks(convert, batch, add, axis, packed_shape):
    depth = np.random.default_rng(1).integers(0, 65_536, (*batch, 5, 7), dtype=np.uint16)
    packed = pack_depth(convert(add(depth)), channel_axis=axis)
    assert tuple(packed.shape) == batch + packed_shape
    back = unpack_depth(packed, channel_axis=axis or -1)
    np.testing.assert_array_equal(np.asarray(back), depth)


@both
def test_the_channel_axis_is_never_guessed(convert):
    picture_3_high = convert(np.zeros((3, 8, 8), np.uint8))
    with pytest.raises(ValueError, match=r"must be \(..., H, W, 3\).*say where"):
        unpack_depth(picture_3_high)
    assert tuple(unpack_depth(convert(np.zeros((3, 8, 3), np.uint8))).shape) == (3, 8)
    with pytest.raises(ValueError, match=r"must be \(..., H, W, 1\).*say where"):
        pack_depth(convert(np.zeros((8, 8), np.uint16)), channel_axis=-1)


def test_torch_depth_may_be_int32():
    packed = pack_depth(torch.from_numpy(EVERY_DEPTH.astype(np.int32)))
    np.testing.assert_array_equal(packed, pack_depth(EVERY_DEPTH))


@pytest.mark.parametrize("value", [-1, 65_536])
def test_int32_beyond_16_bits_is_refused(value):
    with pytest.raises(ValueError, match="quantise it first"):
        pack_depth(torch.tensor([[value]], dtype=torch.int32))


@both
@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.int64])
def test_depth_that_is_not_16_bits_is_refused_with_the_remedy(convert, dtype):
    with pytest.raises(TypeError, match=r"must be uint16, got .*quantise it first"):
        pack_depth(convert(np.zeros((4, 4), dtype)))


@both
def test_packed_depth_that_is_not_bytes_is_refused_with_the_remedy(convert):
    with pytest.raises(TypeError, match=r"must be uint8, got .*float32.*from_tensor"):
        unpack_depth(convert(np.zeros((4, 4, 3), np.float32)))


@both
def test_an_image_that_is_not_bytes_is_refused_with_the_remedy(convert):
    with pytest.raises(TypeError, match=r"image must be uint8, got .*\[0, 255\]"):
        to_tensor(convert(IMAGE / np.float32(255)), convert(EVERY_DEPTH))


@both
def test_image_and_depth_of_two_sizes_are_refused(convert):
    with pytest.raises(ValueError, match="of one size"):
        to_tensor(convert(IMAGE), convert(EVERY_DEPTH[:128]))


@both
@pytest.mark.parametrize("channels", [6, 4])
def test_every_depth_and_colour_survives_the_tensor(convert, channels):
    tensor = to_tensor(convert(IMAGE), convert(EVERY_DEPTH), channels)
    assert tuple(tensor.shape) == (channels, 256, 256)
    assert str(tensor.dtype).endswith("float32")
    assert (float(tensor.min()), float(tensor.max())) == (-1, 1)
    image, depth = from_tensor(tensor)
    np.testing.assert_array_equal(np.asarray(image), IMAGE)
    np.testing.assert_array_equal(np.asarray(depth), EVERY_DEPTH)


@pytest.mark.parametrize("channels", [6, 4])
def test_numpy_and_torch_make_the_same_tensor(channels):
    theirs = to_tensor(torch.from_numpy(IMAGE), torch.from_numpy(EVERY_DEPTH), channels)
    np.testing.assert_array_equal(theirs, to_tensor(IMAGE, EVERY_DEPTH, channels))


@both
@pytest.mark.parametrize("channels", [6, 4])
def test_batches_convert_like_single_images(convert, channels):
    images, depths = np.stack([IMAGE, IMAGE[::-1]]), np.stack([EVERY_DEPTH, EVERY_DEPTH.T])
    tensor = to_tensor(convert(images), convert(depths), channels)
    np.testing.assert_array_equal(np.asarray(tensor[1]), to_tensor(images[1], depths[1], channels))
    image, depth = from_tensor(tensor)
    np.testing.assert_array_equal(np.asarray(image), images)
    np.testing.assert_array_equal(np.asarray(depth), depths)


@both
def test_the_channels_are_red_green_blue_zero_high_low(convert):
    tensor = to_tensor(convert(np.array([[[255, 0, 0]]], np.uint8)), convert(np.array([[0x00FF]], np.uint16)))
    np.testing.assert_array_equal(np.asarray(tensor)[:, 0, 0], [1, -1, -1, -1, -1, 1])


@both
def test_what_a_model_overshoots_is_clamped(convert):
    image, depth = from_tensor(convert(np.array([9, -9, 0, 9, 9, -np.inf], np.float32).reshape(6, 1, 1)))
    np.testing.assert_array_equal(np.asarray(image), [[[255, 0, 128]]])
    np.testing.assert_array_equal(np.asarray(depth), [[0xFF00]])


@both
def test_bytes_are_rounded_each_by_itself(convert):
    exact = to_tensor(np.zeros((1, 1, 3), np.uint8), np.array([[0x12FF]], np.uint16))
    off_by = np.array([0, 0, 0, 0.9, 0.4, 0.4], np.float32).reshape(6, 1, 1) / 127.5
    _, depth = from_tensor(convert(exact + off_by))
    np.testing.assert_array_equal(np.asarray(depth), [[0x12FF]])


def test_float16_keeps_the_bytes_of_six_channels():
    image, depth = from_tensor(to_tensor(torch.from_numpy(IMAGE), torch.from_numpy(EVERY_DEPTH)).half())
    np.testing.assert_array_equal(image, IMAGE)
    np.testing.assert_array_equal(depth, EVERY_DEPTH)


@both
def test_nan_is_refused_not_cast(convert):
    with pytest.raises(ValueError, match="NaN"):
        from_tensor(convert(np.full((6, 2, 2), np.nan, np.float32)))


@both
@pytest.mark.parametrize("shape", [(3, 8, 8), (8, 8, 6), (6, 8)])
def test_a_tensor_of_other_channels_is_refused(convert, shape):
    with pytest.raises(ValueError, match="6 or 4, H, W"):
        from_tensor(convert(np.zeros(shape, np.float32)))


def test_a_models_output_needs_no_detaching():
    tensor = torch.zeros(6, 2, 2, requires_grad=True) * 1
    _, depth = from_tensor(tensor)
    assert depth.numpy().dtype == np.uint16
