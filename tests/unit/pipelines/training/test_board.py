"""The driver logs what its workers send, their restarts and their absence."""

from pipelines.training import board
from pipelines.training.board import Listener, News


def test_absent_and_restarted_workers_are_logged(monkeypatch, caplog):
    monkeypatch.setattr(board, "WAITING_S", -1.0)
    monkeypatch.setattr(board.ray, "available_resources", lambda: {"CPU": 3.0})
    shown: list[int] = []
    listener = Listener(2, lambda step, numbers: shown.append(step))
    listener.take(News([(7, {})], ["a checkpoint could not be written"], begun=2, silent_s=0.1))
    assert shown == [7]
    assert "first worker: a checkpoint could not be written" in caplog.text
    assert "restarted" not in caplog.text
    listener.take(News([], [], begun=2, silent_s=40.0))
    assert "the cluster has {'CPU': 3.0, 'GPU': 0} free" in caplog.text
    listener.take(News([], [], begun=4, silent_s=0.1))
    assert "restart 1" in caplog.text
