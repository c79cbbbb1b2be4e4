"""The driver hands on why a training ended, also when the actor between it and the workers is gone."""

from types import SimpleNamespace

import pytest
from ray.exceptions import RayActorError

from pipelines.training import trainer


def fit_without_board(fit, monkeypatch):
    def get(_):
        raise RayActorError

    monkeypatch.setattr(trainer.ray, "get", get)
    method = SimpleNamespace(remote=lambda: None)
    board = SimpleNamespace(news=method, fault=method, stop=method)
    return trainer._followed(SimpleNamespace(fit=fit), board, workers=1, show=lambda step, numbers: None)


def test_a_training_whose_board_is_gone_ends_with_its_own_result_or_reason(monkeypatch):
    assert fit_without_board(lambda: SimpleNamespace(return_value=7), monkeypatch) == 7

    def fails():
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        fit_without_board(fails, monkeypatch)
