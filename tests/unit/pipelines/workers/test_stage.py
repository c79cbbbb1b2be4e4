"""The skeleton of a stage: nothing is written before everything was checked, and a whole output is left alone."""

from typing import Any

import pytest

from ldm3d.config import ActorsConfig, LatentsConfig
from pipelines.storage.folder import Folder
from pipelines.storage.run import CONFIG, SUCCESS, own_marker
from pipelines.storage.shards import check_owner
from pipelines.workers import stage as skeleton
from pipelines.workers.stage import Stage, run_stage


class Recorder(Stage):
    """A stage that notes what is called."""

    def __init__(self, output: str, identity: dict[str, Any], refuses: bool = False) -> None:
        self.config = LatentsConfig(input="corpus", output=output)
        self.identity, self.refuses = identity, refuses
        self.called: list[str] = []

    def finished(self, *, dry_run: bool) -> dict[str, Any] | None:
        self.called.append("finished")
        return own_marker(self.output)

    def prepare(self, *, begun: bool) -> dict[str, Any]:
        self.called.append(f"prepare {begun}")
        if self.refuses:
            raise ValueError("the network does not run")
        return {"device": "cpu"}

    def extent(self) -> dict[str, Any]:
        return {"rows_read": 3}

    def notes(self) -> dict[str, Any]:
        return {"labels": "of this model"}

    def work(self, owner: str) -> dict[str, Any]:
        self.called.append("work")
        check_owner(self.output, owner)
        self.output.write_json(SUCCESS, {"rows_kept": 3})
        return {"rows_kept": 3}


@pytest.fixture
def connected(monkeypatch) -> list[Any]:
    """The clusters that were asked for, in place of one."""
    found: list[Any] = []
    monkeypatch.setattr(skeleton, "connect", lambda cluster, *, dry_run: found.append(cluster))
    return found


def test_a_run_works_once_and_then_returns_what_is_there(tmp_path, connected):
    first, second = (Recorder(str(tmp_path), {"stage": "encode_latents"}) for _ in range(2))
    assert run_stage(first, dry_run=False) == run_stage(second, dry_run=False) == {"rows_kept": 3}
    assert first.called == ["prepare False", "work"]
    assert second.called == ["finished"]
    assert connected == [ActorsConfig()]
    kept = Folder(str(tmp_path)).read_json(CONFIG)
    assert (kept["identity"], kept["labels"]) == ({"stage": "encode_latents"}, "of this model")


def test_an_unfinished_output_is_continued(tmp_path, connected):
    run_stage(Recorder(str(tmp_path), {"stage": "encode_latents"}), dry_run=False)
    Folder(str(tmp_path)).delete(SUCCESS)
    resumed = Recorder(str(tmp_path), {"stage": "encode_latents"})
    run_stage(resumed, dry_run=False)
    assert resumed.called == ["finished", "prepare True", "work"]


def test_a_dry_run_shows_the_plan_and_writes_nothing(tmp_path, connected):
    stage = Recorder(str(tmp_path), {"stage": "encode_latents"})
    found = run_stage(stage, dry_run=True)
    assert (found["rows_read"], found["device"], found["config"]["output"]) == (3, "cpu", str(tmp_path))
    assert stage.called == ["prepare False"]
    assert list(tmp_path.iterdir()) == []


def test_what_is_refused_has_written_nothing(tmp_path, connected):
    with pytest.raises(ValueError, match="does not run"):
        run_stage(Recorder(str(tmp_path), {"stage": "encode_latents"}, refuses=True), dry_run=False)
    assert list(tmp_path.iterdir()) == []


def test_another_identity_is_refused_before_the_cluster_is_asked(tmp_path, connected):
    run_stage(Recorder(str(tmp_path), {"stage": "encode_latents", "flips": True}), dry_run=False)
    connected.clear()
    with pytest.raises(ValueError, match="flips"):
        run_stage(Recorder(str(tmp_path), {"stage": "encode_latents", "flips": False}), dry_run=False)
    assert connected == []
