"""The hash is imagehash's, near for copies and far for other pictures, and blank pictures have none."""

import io

import cv2
import imagehash
import numpy as np
import pytest
from PIL import Image

from ldm3d.duplicates.perceptual_hash import NO_HASH, perceptual_hash
from tests.builders.hashes import hamming


def photo(seed: int, size: int = 256) -> np.ndarray:
    """Something with the spectrum of a photograph: noise at every scale, the larger the stronger."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.resize(rng.normal(size=(n, n, 3)) / n, (size, size), interpolation=cv2.INTER_CUBIC) for n in (2, 4, 8, 32)
    ]
    picture = sum(layers)
    return np.uint8(255 * (picture - picture.min()) / np.ptp(picture))


def recompressed(image: np.ndarray, quality: int, size: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).resize((size, size)).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


@pytest.mark.parametrize("seed", range(20))
def test_the_hash_is_imagehash_phash(seed):
    expected = int(str(imagehash.phash(Image.fromarray(photo(seed)))), 16)
    assert perceptual_hash(photo(seed)) % 2**64 == expected


@pytest.mark.parametrize("seed", range(10))
def test_copies_resized_and_recompressed_stay_near_and_other_pictures_far(seed):
    original = perceptual_hash(photo(seed))
    assert hamming(original, perceptual_hash(recompressed(photo(seed), 60, 200))) <= 3
    assert hamming(original, perceptual_hash(photo(seed + 100))) > 12


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(np.full((64, 64, 3), 255, np.uint8), id="white"),
        pytest.param(np.full((64, 64, 3), [10, 200, 40], np.uint8), id="one colour"),
        pytest.param(np.repeat(np.tile(np.arange(64, dtype=np.uint8), (64, 1))[..., None], 3, axis=-1), id="gradient"),
        pytest.param(np.random.default_rng(0).integers(100, 104, (64, 64, 3), dtype=np.uint8), id="grain"),
    ],
)
def test_a_picture_without_structure_has_no_hash(image):
    assert perceptual_hash(image) == NO_HASH
