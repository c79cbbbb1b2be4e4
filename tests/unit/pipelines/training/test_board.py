"""The driver hears of its workers, and of their absence."""

from pipelines.training import board
from pipelines.training.board import Listener, News


def test_workers_that_are_gone_or_back_are_told_of(monkeypatch, caplog):
    monkeypatch.setattr(board, "WAITING_S", -1.0)
    monkeypatch.setattr(board.ray, "available_resources", lambda: {"CPU": 3.0})
    shown: list[int] = []
    listener = Listener(2, lambda step, numbers: shown.append(step))
    listener.take(News([(7, {})], ["a checkpoint could not be written"], begun=2, silent_s=0.1))
    assert shown == [7]
    assert "first worker: a checkpoint could not be written" in caplog.text
    assert "started again" not in caplog.text
    listener.take(News([], [], begun=2, silent_s=40.0))
    assert "the cluster has {'CPU': 3.0, 'GPU': 0} free" in caplog.text
    listener.take(News([], [], begun=4, silent_s=0.1))
    assert "workers were started again, the 1. time" in caplog.text
