"""Features of FD-DINOv2 are those of the paper's code: its preprocessing, DINOv2's own positions, the class token."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torchvision import transforms
from transformers import Dinov2Config as Settings
from transformers import Dinov2Model

from ldm3d.config import Dinov2Config
from ldm3d.measures import Batch
from ldm3d.measures.dinov2 import Dinov2
from tests.builders.small_dinov2 import GRID, tiny_dinov2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dinov2")
    tiny_dinov2(folder)
    return folder


def opened(folder: Path, batch_size: int = 2) -> Dinov2:
    return Dinov2.from_pretrained(Dinov2Config(model=str(folder), batch_size=batch_size), "cpu")


def batch() -> Batch:
    """Pictures of three sizes, one of them that of the network, and of three shades."""
    random, sizes = np.random.default_rng(0), ((60, 90), (300, 260), (224, 224))
    images = [random.integers(80 * place, 80 * place + 90, (*size, 3), np.uint8) for place, size in enumerate(sizes)]
    return Batch(np.arange(3), np.zeros(3, np.int32), images)


def features(network: Dinov2, given: Batch) -> np.ndarray:
    return np.array(network(given)["pool"].to_pylist(), np.float32)


def cubic(given: int, wanted: int) -> np.ndarray:
    """Bicubic resampling by (wanted + 0.1) / given as a matrix, (wanted, given): Keys' kernel with a = -0.75."""

    def kernel(x: float) -> float:
        x, a = abs(x), -0.75
        if x <= 1:
            return (a + 2) * x**3 - (a + 3) * x**2 + 1
        return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0

    matrix = np.zeros((wanted, given))
    for row in range(wanted):
        place = (row + 0.5) * given / (wanted + 0.1) - 0.5
        for near in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            matrix[row, min(max(near, 0), given - 1)] += kernel(place - near)
    return matrix


def test_features_are_those_of_the_papers_code(folder):
    """Another way to the same: torchvision's preprocessing, and a model that is made for 16 x 16 positions."""
    weights = load_file(folder / "model.safetensors")
    positions = weights["embeddings.position_embeddings"]
    grid, matrix = positions[0, 1:].reshape(GRID, GRID, -1).double(), torch.from_numpy(cubic(GRID, 16))
    grid = torch.einsum("yj,xk,jkd->yxd", matrix, matrix, grid).float()
    weights["embeddings.position_embeddings"] = torch.cat([positions[:, :1], grid.reshape(1, 256, -1)], dim=1)
    settings = json.loads((folder / "config.json").read_text()) | {"image_size": 224}
    model = Dinov2Model.from_pretrained(None, config=Settings.from_dict(settings), state_dict=weights).eval()

    steps = [
        transforms.Resize((224, 224), transforms.InterpolationMode.BICUBIC),
        transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]
    pixels = torch.stack([transforms.Compose(steps)(Image.fromarray(image)) for image in batch().images])
    with torch.no_grad():
        expected = model(pixel_values=pixels).last_hidden_state[:, 0].numpy()
    assert expected.std(axis=0).max() > 0.1  # the pictures do not look alike
    np.testing.assert_allclose(features(opened(folder), batch()), expected, atol=2e-5)  # float32, in another order


def test_order_and_batch_do_not_matter(folder):
    together, given = features(opened(folder, 3), batch()), batch()
    turned = Batch(given.keys, given.numbers, given.images[::-1])
    np.testing.assert_allclose(features(opened(folder, 1), turned)[::-1], together, atol=1e-5)


def test_the_fingerprint_is_that_of_weights_and_settings(folder, tmp_path):
    assert opened(folder, 1).fingerprint == opened(folder, 5).fingerprint
    weights = load_file(folder / "model.safetensors")
    weights["layernorm.weight"][0] += 1
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert opened(tmp_path).fingerprint != opened(folder).fingerprint


def test_what_is_no_dinov2_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match=r"dinov2\.model .*absent"):
        opened(tmp_path / "absent")
    weights = load_file(folder / "model.safetensors")
    del weights["layernorm.bias"]
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"dinov2\.model .*\(1, layernorm\.bias"):
        opened(tmp_path)
