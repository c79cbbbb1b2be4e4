"""What a training measured is for people: a store that fails costs them a file, never the training."""

import json

from pipelines.history import History
from pipelines.storage import Folder


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
    history.close()
    assert json.loads((tmp_path / "history.json").read_text()) == [{"step": 1, "loss/a": 0.5}]
    assert (tmp_path / "losses.png").stat().st_size > 1_000
