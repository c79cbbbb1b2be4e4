"""Precision and recall are torch-fidelity's, in any blocks."""

import numpy as np
import pytest
import torch
from torch_fidelity.metric_prc import prc_features_to_metric

from ldm3d.metrics import pairs
from ldm3d.metrics.precision_recall import precision_recall


def features(count: int, scale: float, shift: float, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((count, 8)) * scale + shift).astype(np.float32)


SETS = {
    "narrower": features(80, 0.6, 0, 1),
    "wider": features(130, 1.8, 0.2, 2),
    "elsewhere": features(70, 1, 2, 3),
}


@pytest.mark.parametrize("block", [13, 1_024])
@pytest.mark.parametrize("name", SETS)
def test_it_is_torch_fidelitys(monkeypatch, name, block):
    """Shares of pictures are whole numbers of pictures, none of which is within rounding of a ball's edge here."""
    monkeypatch.setattr(pairs, "BLOCK", block)
    one, real = SETS[name], features(100, 1, 0, 0)
    expected = prc_features_to_metric(
        torch.from_numpy(one).double(),
        torch.from_numpy(real).double(),
        prc_neighborhood=3,
        prc_batch_size=1_000,
        save_cpu_ram=False,
        verbose=False,
    )
    found = precision_recall(one, real)
    assert found == pytest.approx((expected["precision"], expected["recall"]), abs=1e-6)  # which torch has in float32
    assert 0 < found[0] < 1 or 0 < found[1] < 1


def test_pictures_that_are_real_ones_are_precise_and_those_of_one_kind_recall_little():
    real = features(100, 1, 0, 0)
    assert precision_recall(real, real) == (1, 1)
    alike = np.argsort(np.linalg.norm(real, axis=1))[:10]
    precision, recall = precision_recall(real[alike], real)
    assert precision == 1
    assert recall < 0.5
    assert precision_recall(real + 100, real) == (0, 0)


def test_of_too_few_pictures_for_a_manifold_it_is_undefined():
    """Three have two neighbours each."""
    real = features(100, 1, 0, 0)
    precision, recall = precision_recall(real[:3], real)
    assert precision == 1
    assert np.isnan(recall)
    assert np.isnan(precision_recall(real, real[:3])[0])
    assert np.isfinite(precision_recall(real[:4], real)).all()
