"""With real networks and photographs, worse pictures score worse and more different ones are further away."""

import cv2
import numpy as np
import pytest

from ldm3d.config import ClipConfig, InceptionConfig
from ldm3d.measures import Batch
from ldm3d.measures.opened import features_of, similarity_of
from ldm3d.metrics.gaussian import GaussianSums, frechet_distance
from ldm3d.metrics.inception_score import InceptionScoreSums
from ldm3d.metrics.kernel_distance import kernel_distance
from ldm3d.toy.photographs import photographs


@pytest.fixture(scope="module")
def real() -> list[np.ndarray]:
    """Pieces of photographs, 128 pixels a side."""
    whole = [cv2.resize(picture, (384, 384), interpolation=cv2.INTER_AREA) for _, _, picture in photographs()]
    cuts = [picture[y : y + 128, x : x + 128] for picture in whole for y in (0, 256) for x in (0, 256)]
    return [np.ascontiguousarray(cut) for cut in cuts if cut.std() > 20]


@pytest.fixture(scope="module")
def surrogate():
    return features_of(InceptionConfig(network="efficientnet-lite0"), "cpu")


def seen(surrogate, images: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    table = surrogate(Batch(np.arange(len(images)), np.zeros(len(images), np.int32), images))
    return tuple(np.array(table[name].to_pylist(), np.float32) for name in ("pool", "logits"))


@pytest.fixture(scope="module")
def own(surrogate, real) -> tuple[np.ndarray, np.ndarray]:
    """What the network sees in the photographs."""
    return seen(surrogate, real)


def spoilt(images: list[np.ndarray], blur: float = 0, noise: float = 0) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    blurred = [cv2.GaussianBlur(image, (0, 0), blur) if blur else image for image in images]
    return [(image + random.normal(0, noise, image.shape)).clip(0, 255).astype(np.uint8) for image in blurred]


@pytest.mark.parametrize("kind", ["blur", "noise"])
def test_the_more_pictures_are_spoilt_the_further_they_are(surrogate, real, own, kind):
    strengths = (0.5, 1.5, 4.0) if kind == "blur" else (5.0, 20.0, 60.0)
    own = own[0]
    others = [seen(surrogate, spoilt(real, **{kind: strength}))[0] for strength in strengths]
    frechet = [frechet_distance(GaussianSums.of(own), GaussianSums.of(other)) for other in others]
    kernel = [kernel_distance(own, other, subsets=10, subset_size=len(own) // 2)[0] for other in others]
    assert 0 < frechet[0] < frechet[1] < frechet[2]
    assert kernel[0] < kernel[1] < kernel[2]


def test_photographs_score_higher_than_noise(surrogate, real, own):
    random = np.random.default_rng(0)
    noise = [random.integers(0, 256, image.shape, np.uint8) for image in real]
    split = np.zeros(len(real), np.int64)
    photographs_score, noise_score = (
        InceptionScoreSums.of(logits, split, 1).score()[0] for logits in (own[1], seen(surrogate, noise)[1])
    )
    assert photographs_score > 2 * noise_score


def test_photographs_go_with_their_own_captions():
    shown = list(photographs())
    images, captions = [each.image for each in shown], [each.caption for each in shown]
    network = similarity_of(ClipConfig(model="conse"), "cpu", embeddings=True)

    def scores(captions: list[str]) -> np.ndarray:
        batch = Batch(np.arange(len(images)), np.zeros(len(images), np.int32), images, captions)
        return network(batch)["clip"].to_numpy()

    others = [scores(captions[turn:] + captions[:turn]).mean() for turn in (3, 7, 11)]
    assert scores(captions).mean() > np.max(others) + 5
    found = network(Batch(np.arange(2), np.zeros(2, np.int32), images[:2]))
    assert found.schema == network.columns
    np.testing.assert_allclose(np.linalg.norm(found["embedding"].to_pylist(), axis=1), 1, atol=1e-6)
