"""Scores of autoencoders of 6, 4 and 3 channels are those computed by hand, for any batch and picture size."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ldm3d.config import PerceptualConfig, ReconstructionConfig
from ldm3d.measures import Batch
from ldm3d.measures.features import FeatureNetwork
from ldm3d.measures.reconstruction import AutoencoderQuality
from ldm3d.training.perceptual import Perceptual

pytestmark = pytest.mark.usefixtures("one_thread")
CONFIG = ReconstructionConfig(
    models=("x",), corpus="y", perceptual=PerceptualConfig(network="squeeze", weights="random"), batch_size=2
)
DEPTH = ("depth_l1", "depth_abs_rel", "depth_abs_rel_floored")


class Quarters:
    """A classifier whose features are the mean colours of the quarters of a picture."""

    fingerprint, widths = "quarters", (12, 3)

    def __call__(self, pictures: NDArray[np.uint8]) -> tuple[torch.Tensor, torch.Tensor]:
        pixels = torch.from_numpy(pictures).movedim(-1, 1).float()
        quarters = torch.nn.functional.adaptive_avg_pool2d(pixels, 2).flatten(1)
        return quarters, pixels.mean((2, 3))


class Mirror:
    """An autoencoder that returns its input, changed by `loss`, so that only the codec is measured."""

    class _Latent:
        def __init__(self, mean):
            self.mean, self.std = mean, torch.zeros_like(mean)

    def __init__(self, channels: int, loss=lambda pixels: pixels) -> None:
        self.config = {"in_channels": channels, "block_out_channels": (1,)}
        self.device, self.loss = torch.device("cpu"), loss

    def state_dict(self):
        return {}

    def encode(self, pixels):
        return type("Encoded", (), {"latent_dist": self._Latent(pixels)})

    def decode(self, latents):
        return type("Decoded", (), {"sample": self.loss(latents)})


FEATURES = FeatureNetwork(Quarters(), 3)


def quality(vae: object, perceptual: Perceptual) -> AutoencoderQuality:
    return AutoencoderQuality(vae, perceptual, FEATURES, CONFIG)


@pytest.fixture(scope="module")
def perceptual() -> Perceptual:
    return Perceptual("squeeze", "random")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Folders of small autoencoders as training writes them, by number of channels."""
    folders = {}
    for channels in (6, 4, 3, 5):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(channels)
            vae = AutoencoderKL(
                in_channels=channels,
                out_channels=channels,
                down_block_types=["DownEncoderBlock2D"] * 2,
                up_block_types=["UpDecoderBlock2D"] * 2,
                block_out_channels=[8, 8],
                latent_channels=4,
                norm_num_groups=4,
            )
        folders[channels] = tmp_path_factory.mktemp(f"channels{channels}")
        vae.save_pretrained(folders[channels] / "vae")
    return folders


def opened(folder: object) -> AutoencoderQuality:
    return AutoencoderQuality.from_pretrained(str(folder), CONFIG, FEATURES, "cpu")


def pictures(*sizes: tuple[int, int]) -> Batch:
    rng = np.random.default_rng(0)
    count = len(sizes)
    images = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    depths = [rng.integers(0, 65_536, size, dtype=np.uint16) for size in sizes]
    return Batch(np.arange(count), np.zeros(count, np.int32), images, None, depths)


@torch.inference_mode()
def restored_by_hand(folder, channels: int, image, depth) -> tuple[np.ndarray, np.ndarray | None]:
    """Decode the mode of the posterior and store it: high and low bytes separately."""
    vae = AutoencoderKL.from_pretrained(folder, subfolder="vae")
    levels = list(np.moveaxis(image, -1, 0).astype(np.float64))
    if channels == 6:
        levels += [0 * depth, depth >> 8, depth & 255]
    if channels == 4:
        levels += [depth / 65_535 * 255]
    pixels = torch.from_numpy(np.stack(levels) / 127.5 - 1).float()[None]
    back = vae.decode(vae.encode(pixels).latent_dist.mode()).sample[0].double().numpy()
    unit = ((back + 1) / 2).clip(0, 1)
    restored = np.moveaxis((unit[:3] * 255).round(), 0, -1).astype(np.uint8)
    if channels == 6:
        return restored, (unit[4] * 255).round() * 256 + (unit[5] * 255).round()
    return restored, (unit[3] * 65_535).round() if channels == 4 else None


@pytest.mark.parametrize("channels", [6, 4, 3])
def test_every_number_is_that_of_the_stored_picture_and_depth_by_hand(saved, perceptual, channels):
    batch = pictures((32, 48), (32, 48), (32, 48))
    table = opened(saved[channels])(batch)
    for row, image, depth in zip(table.to_pylist(), batch.images, batch.depths, strict=True):
        back, depth_back = restored_by_hand(saved[channels], channels, image, depth)
        assert row["psnr_db"] == pytest.approx(peak_signal_noise_ratio(image, back), abs=1e-3)
        similarity = structural_similarity(
            image, back, channel_axis=-1, gaussian_weights=True, use_sample_covariance=False, data_range=255
        )
        assert row["ssim"] == pytest.approx(similarity, abs=2e-3)  # scikit-image pads, and averages over the inside
        pair = (torch.from_numpy(each).movedim(-1, 0)[None] / 127.5 - 1 for each in (back, image))
        assert row["lpips"] == pytest.approx(perceptual(*pair).item(), rel=1e-3)
        means = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(back).movedim(-1, 0).float(), 2)
        np.testing.assert_allclose(row["pool"], means.flatten(), atol=0.01)
        if depth_back is None:
            assert np.isnan([row[name] for name in DEPTH]).all()
            continue
        known, valid = depth.astype(np.float64), depth > 0
        error = np.abs(depth_back - known)
        expected = [
            error.mean() / 65_535,
            (error[valid] / known[valid]).mean(),
            (error[valid] / known[valid].clip(257)).mean(),
        ]
        assert [row[name] for name in DEPTH] == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("channels", [6, 4, 3])
def test_what_comes_back_unchanged_is_perfect(perceptual, channels):
    (row,) = quality(Mirror(channels), perceptual)(pictures((32, 32))).to_pylist()
    assert row["psnr_db"] == np.inf
    assert (row["ssim"], row["lpips"]) == pytest.approx((1, 0), abs=1e-6)
    if channels != 3:
        assert [row[name] for name in DEPTH] == [0, 0, 0]


def test_one_level_of_the_high_byte_is_256_of_depth(perceptual):
    """Depth of 0 is never a denominator; the floor is 257 of 65,535."""

    def one_level_nearer(pixels):
        return pixels + torch.tensor([0, 0, 0, 0, 2 / 255, 0])[:, None, None]

    depth = np.full((32, 32), 128, np.uint16)
    depth[:, :16] = 0
    batch = replace(pictures((32, 32)), depths=[depth])
    (row,) = quality(Mirror(6, one_level_nearer), perceptual)(batch).to_pylist()
    assert row["depth_l1"] == pytest.approx(256 / 65_535)
    assert row["depth_abs_rel"] == pytest.approx(256 / 128)
    assert row["depth_abs_rel_floored"] == pytest.approx(256 / 257)
    (flat,) = quality(Mirror(6), perceptual)(replace(batch, depths=[0 * depth])).to_pylist()
    assert flat["depth_l1"] == 0
    assert np.isnan([flat["depth_abs_rel"], flat["depth_abs_rel_floored"]]).all()


def test_pictures_come_out_the_same_to_the_bit_in_any_batch(saved):
    batch = pictures((32, 32), (33, 47), (32, 32), (32, 32), (33, 47))
    network = opened(saved[6])
    together = network(batch).to_pandas()
    for place in range(len(batch)):
        some = slice(place, place + 1)
        alone = Batch(batch.keys[some], batch.numbers[some], batch.images[some], None, batch.depths[some])
        found = network(alone).to_pandas()
        for name in ("psnr_db", "ssim", *DEPTH):
            assert together[name][place] == pytest.approx(found[name][0], rel=1e-12)  # one level would be 1e-5
        np.testing.assert_allclose(together["pool"][place], found["pool"][0], rtol=1e-6)
        assert together["lpips"][place] == pytest.approx(found["lpips"][0], rel=1e-4)


def test_sides_that_cannot_be_halved_are_padded_and_cropped_again(saved, perceptual):
    """By hand, by repeating the last row and column."""
    batch = pictures((33, 47))
    (row,) = opened(saved[3])(batch).to_pylist()
    image = batch.images[0]
    larger = np.pad(image, ((0, 1), (0, 1), (0, 0)), mode="edge")
    back, _ = restored_by_hand(saved[3], 3, larger, None)
    assert row["psnr_db"] == pytest.approx(peak_signal_noise_ratio(image, back[:33, :47]), abs=1e-3)


def test_rgbd_cannot_be_measured_without_depth_but_rgb_can(saved):
    batch = replace(pictures((32, 32), (32, 32)), depths=None)
    without = opened(saved[6])(batch)
    assert np.isnan(without["pool"].to_pylist()).all()
    assert without.drop_columns("pool").to_pandas().isna().all(axis=None)
    rgb = opened(saved[3])(batch).to_pandas()
    assert rgb[["psnr_db", "ssim", "lpips"]].notna().all(axis=None)
    assert rgb[list(DEPTH)].isna().all(axis=None)


def test_what_does_not_come_back_finite_is_no_number_and_leaves_others_alone(perceptual):
    def loses_white(pixels):
        return torch.where((pixels[:, :3] == 1).flatten(1).all(1)[:, None, None, None], torch.nan, pixels)

    batch = pictures((32, 32), (32, 32))
    batch.images[0][:] = 255
    lost, kept = quality(Mirror(4, loses_white), perceptual)(batch).to_pylist()
    assert np.isnan(lost.pop("pool")).all()
    assert np.isnan(list(lost.values())).all()
    assert kept["ssim"] == pytest.approx(1)
    assert np.isfinite(kept["pool"]).all()


def test_pictures_too_small_for_a_metric_have_the_others(perceptual):
    (row,) = quality(Mirror(6), perceptual)(pictures((8, 8))).to_pylist()
    assert np.isnan([row["ssim"], row["lpips"]]).all()
    assert row["depth_l1"] == 0
    assert np.isfinite(row["pool"]).all()


def test_the_schema_is_that_of_the_features_and_scores(saved):
    network = opened(saved[4])
    table = network(pictures((32, 32)))
    assert table.schema == network.columns
    assert table.schema.field("pool") == FEATURES.columns.field("pool")
    assert table.column_names == ["pool", "psnr_db", "ssim", "lpips", *DEPTH]


def test_what_decides_numbers_is_in_the_fingerprint(saved, perceptual):
    vae = opened(saved[6]).vae
    other = FeatureNetwork(Quarters(), 3)
    other.fingerprint = "other"
    found = [
        quality(vae, perceptual),
        AutoencoderQuality(vae, perceptual, FEATURES, replace(CONFIG, batch_size=5)),
        opened(saved[6]),
        AutoencoderQuality(vae, perceptual, other, CONFIG),
        AutoencoderQuality(vae, Perceptual("alex", "random"), FEATURES, CONFIG),
        opened(saved[4]),
        opened(saved[3]),
    ]
    prints = [each.fingerprint for each in found]
    assert len(set(prints[:3])) == 1
    assert len(set(prints)) == 5


def test_what_is_no_autoencoder_of_pictures_is_refused_by_name(saved, tmp_path):
    with pytest.raises(ValueError, match=r"reconstruction\.models .* 5 channels"):
        opened(saved[5])
    with pytest.raises(ValueError, match=rf"reconstruction\.models .*{tmp_path}"):
        opened(tmp_path)
    weights = replace(CONFIG, perceptual=PerceptualConfig(network="squeeze", weights=str(tmp_path / "none.pth")))
    with pytest.raises(ValueError, match=r"reconstruction\.perceptual\.weights .*none\.pth"):
        AutoencoderQuality.from_pretrained(str(saved[6]), weights, FEATURES, "cpu")
