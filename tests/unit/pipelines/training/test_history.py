"""A history is for people: a store that fails loses them a file, but never ends the training."""

import io
import json
import time

import fsspec
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pipelines.storage.folder import Folder
from pipelines.training import history as module
from pipelines.training.history import History, plot


def test_a_file_that_cannot_be_written_is_logged_and_written_the_next_time(tmp_path, monkeypatch, caplog):
    folder = Folder(str(tmp_path))
    history = History(folder, [])
    history.add(1, {"loss/a": 0.5})

    def fails(name: str, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(folder, "write", fails)
        history.save()
    assert "history.json could not be written: [Errno 28] No space left on device" in caplog.text
    history.close("FINISHED")
    assert json.loads((tmp_path / "history.json").read_text()) == [{"step": 1, "loss/a": 0.5}]
    assert (tmp_path / "losses.png").stat().st_size > 1_000


def test_a_number_that_was_noted_once_is_no_curve_unless_all_were():
    records = [{"step": 1, "loss/a": 3.0}, {"step": 2, "loss/a": 2.0}]
    once = [*records, {"step": 2, "validation/psnr_db": 20.0}]
    assert plot(once) == plot(records)
    twice = [*once, {"step": 3, "validation/psnr_db": 21.0}]
    assert Image.open(io.BytesIO(plot(twice))).width > Image.open(io.BytesIO(plot(records))).width
    assert plot(records[:1])  # better a point than nothing


class Store(Folder):
    """An object store in memory that notes the size of what it is sent."""

    def __init__(self, name: str) -> None:
        super().__init__(f"memory://{name}")
        self.sent: list[tuple[str, int]] = []
        self.is_full = False

    def write(self, name: str, content: bytes) -> None:
        if self.is_full:
            raise OSError(28, "No space left on device")
        self.sent.append((name, len(content)))
        super().write(name, content)


@pytest.fixture
def store(tmp_path):
    yield Store(tmp_path.name)
    fsspec.filesystem("memory").rm(f"/{tmp_path.name}", recursive=True)


def scalars(store: Store, tmp_path) -> list[tuple[int, float]]:
    """Return what TensorBoard shows of the files in the store."""
    for name in store.sizes("tensorboard"):
        (tmp_path / name.replace("/", "_")).write_bytes(store.read(name))
    shown = EventAccumulator(str(tmp_path), size_guidance={"scalars": 0}).Reload()
    return sorted((event.step, event.value) for event in shown.Scalars("loss/a"))


def test_what_a_save_sends_to_an_object_store_does_not_grow_with_the_run(store, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 20_000)
    history = History(store, [])
    a_save = []
    for step in range(1, 1_001):
        history.add(step, {"loss/a": step})
        if step % 50 == 0:
            before = len(store.sent)
            store.is_full = step in (300, 350)
            history.save()
            a_save.append(sum(size for name, size in store.sent[before:] if name.startswith("tensorboard/")))
    history.close("FINISHED")
    assert len(store.sizes("tensorboard")) > 2
    assert max(a_save[7:]) < 30_000 < sum(store.sizes("tensorboard").values())
    assert scalars(store, tmp_path) == [(step, step) for step in range(1, 1_001)]


def test_a_resumed_run_hides_what_was_noted_after_its_checkpoint(store, tmp_path, monkeypatch):
    killed = History(store, [])
    for step in range(1, 6):
        killed.add(step, {"loss/a": step})
    killed.save()
    time.sleep(1 - time.time() % 1)  # TensorBoard sorts files by the second in which they were begun
    monkeypatch.setattr(module, "MOST_BYTES", 1)
    resumed = History(store, [{"step": step, "loss/a": step} for step in range(1, 4)])
    for step in (4, 5):
        resumed.add(step, {"loss/a": -step})
        resumed.save()
    resumed.close("FINISHED")
    assert scalars(store, tmp_path) == [(1, 1), (2, 2), (3, 3), (4, -4), (5, -5)]
