"""A checkpoint is whole or absent, damage is noticed, and writing a new one never loses the last good one."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from pipelines.storage.folder import Folder
from pipelines.training.checkpoints import Checkpoints


def tensors(seed: int) -> dict[str, dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(4, 3, generator=generator)
    return {"model": {"weight": weight, "half": weight.bfloat16()}, "optimiser": {"step": torch.tensor(float(seed))}}


@pytest.fixture
def checkpoints(tmp_path):
    store = Checkpoints(Folder(str(tmp_path)), keep=2)
    yield store
    store.close()


def save(store: Checkpoints, *steps: int, scores: dict[int, float] | None = None) -> None:
    for step in steps:
        store.save(step, tensors(step), {"epoch": step // 10}, (scores or {}).get(step))
    store.wait()


class FullDisk(Folder):
    """Writes `room` files, and refuses all that follow."""

    room = 1_000

    def write(self, name: str, content: bytes) -> None:
        self._take_room(name)
        super().write(name, content)

    @contextmanager
    def place(self, name: str) -> Iterator[Path]:
        with super().place(name) as path:
            self._take_room(name)
            yield path

    def _take_room(self, name: str) -> None:
        self.room -= 1
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)


def test_what_was_saved_is_loaded_bit_for_bit(checkpoints):
    save(checkpoints, 7)
    found = checkpoints.newest()
    assert (found.step, found.state) == (7, {"epoch": 0})
    for file, values in tensors(7).items():
        assert found.tensors[file].keys() == values.keys()
        assert all(torch.equal(found.tensors[file][name], value) for name, value in values.items())


def test_a_folder_without_checkpoints_has_none(checkpoints):
    assert checkpoints.newest() is None


def test_the_newest_and_the_best_are_kept(checkpoints, tmp_path):
    save(checkpoints, 10, 20, 30, 40, scores={10: 0.5, 20: 0.2, 30: 0.4, 40: 0.3})
    assert checkpoints.steps() == [20, 30, 40]
    assert sorted(entry.name for entry in tmp_path.iterdir() if any(entry.iterdir())) == [
        "000000020",
        "000000030",
        "000000040",
    ]


def test_a_score_that_is_not_a_number_is_never_the_best(tmp_path):
    store = Checkpoints(Folder(str(tmp_path)), keep=1)
    save(store, 10, 20, 30, 40, scores={10: float("nan"), 20: 0.5, 30: 0.4, 40: 0.9})
    store.close()
    assert store.steps() == [30, 40]


@pytest.mark.parametrize("damage", ["cut", "changed", "missing", "state"])
def test_a_damaged_checkpoint_is_noticed_and_the_one_before_is_used(checkpoints, tmp_path, damage, caplog):
    save(checkpoints, 1, 2)
    file = tmp_path / "000000002" / ("state.json" if damage == "state" else "model.safetensors")
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(content[:-8] if damage in ("cut", "state") else content[:-1] + bytes([content[-1] ^ 1]))
    assert checkpoints.newest().step == 1
    assert "step 2 is damaged" in caplog.text


def test_a_checkpoint_that_was_not_finished_is_none(checkpoints, tmp_path):
    save(checkpoints, 1, 2)
    (tmp_path / "000000002/state.json").unlink()
    assert checkpoints.newest().step == 1


@pytest.mark.parametrize("room", [0, 1, 2])
def test_a_full_disk_loses_only_the_new_checkpoint(tmp_path, room, caplog):
    folder = FullDisk(str(tmp_path))
    store = Checkpoints(folder, keep=1)
    save(store, 1)
    folder.room = room
    save(store, 2)
    assert "No space left" in caplog.text
    assert store.newest().step == 1
    folder.room = 1_000
    save(store, 3)
    assert store.steps() == [3]
    store.close()


def test_an_error_of_safetensors_is_a_failed_write(tmp_path, caplog):
    class Gone(Folder):
        @contextmanager
        def place(self, name: str) -> Iterator[Path]:
            yield tmp_path / "gone" / "file"

    store = Checkpoints(Gone(str(tmp_path)))
    save(store, 1)
    assert "could not be written (1 of 3)" in caplog.text
    store.close()


def test_a_checkpoint_on_an_object_store_comes_back_and_may_be_read_by_others(tmp_path):
    store = Checkpoints(Folder(f"memory://{tmp_path}"))
    save(store, 5)
    assert torch.equal(store.newest().tensors["model"]["weight"], tensors(5)["model"]["weight"])
    local = Checkpoints(Folder(str(tmp_path)))
    save(local, 5)
    modes = {file.stat().st_mode for file in (tmp_path / "000000005").iterdir()}
    assert len(modes) == 1
    store.close()
    local.close()


def test_three_failures_in_a_row_end_the_run(tmp_path):
    folder = FullDisk(str(tmp_path))
    store = Checkpoints(folder)
    folder.room = 0
    save(store, 1, 2)
    store.save(3, tensors(3), {})
    with pytest.raises(OSError, match="No space left"):
        store.close()


def test_writing_a_step_again_replaces_it(checkpoints):
    save(checkpoints, 5)
    checkpoints.save(5, tensors(6), {"again": True})
    checkpoints.wait()
    found = checkpoints.newest()
    assert found.state == {"again": True}
    assert torch.equal(found.tensors["model"]["weight"], tensors(6)["model"]["weight"])


def test_the_last_checkpoint_has_to_be_written(tmp_path):
    folder = FullDisk(str(tmp_path))
    store = Checkpoints(folder)
    folder.room = 0
    store.save(1, tensors(1), {})
    with pytest.raises(OSError, match="No space left"):
        store.wait(is_last=True)
    store.close()


def test_copies_that_somebody_made_are_ignored(checkpoints, tmp_path):
    save(checkpoints, 5)
    shutil.copytree(tmp_path / "000000005", tmp_path / "copy of 5")
    assert checkpoints.steps() == [5]
    assert checkpoints.newest().step == 5
