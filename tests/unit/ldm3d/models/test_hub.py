"""Without a way to the hub, that is told within seconds, and a model that is there costs no question."""

import socket

import httpx2
import pytest
import torch
from huggingface_hub import HfApi, errors

from ldm3d.depth.model import load_depth_model
from ldm3d.models.hub import require_hub
from ldm3d.models.source import Source
from ldm3d.models.trained import load_trained_autoencoder

REFUSED = httpx2.ConnectError("Connection refused")


class Hub:
    """Stands for the hub, which tests never contact: what it answers, in turn, and when it was asked."""

    def __init__(self, *answers: Exception | None, takes_s: float = 0.0) -> None:
        self.answers, self.takes_s, self.now, self.asked = list(answers), takes_s, 0.0, []

    def model_info(self, _, model, revision=None, timeout=None):
        self.asked.append((model, revision))
        self.now += min(self.takes_s, timeout)
        if answer := self.answers.pop(0):
            raise answer

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def install(monkeypatch, tmp_path):
    """Put a hub in the place of the real one, with an empty cache and a clock that only it moves."""

    def put(hub: Hub) -> Hub:
        monkeypatch.setattr(HfApi, "model_info", lambda *args, **named: hub.model_info(*args, **named))
        monkeypatch.setattr("ldm3d.models.hub.time.sleep", hub.sleep)
        monkeypatch.setattr("ldm3d.models.hub.time.monotonic", lambda: hub.now)
        return hub

    def refuse(*_: object) -> None:
        raise AssertionError("a library asked for a file")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(socket, "create_connection", refuse)
    return put


def autoencoder() -> None:
    load_trained_autoencoder(Source("--model.autoencoder", "a/model"))


def depth() -> None:
    load_depth_model("--label.depth-model", "a/model", None, torch.float32)


@pytest.mark.parametrize("load", [autoencoder, depth])
def test_a_hub_out_of_reach_is_told_within_five_seconds_before_any_file_is_asked_for(load, install):
    for hub in (Hub(*3 * [REFUSED]), Hub(httpx2.ConnectTimeout("timed out"), takes_s=60.0)):
        install(hub)
        with pytest.raises(ValueError, match=r"the hub could not be reached: (Connection refused|timed out)\): check"):
            load()
        assert hub.now <= 5.0
        assert hub.answers == []


def test_an_outage_of_a_moment_is_waited_for(install):
    hub = install(Hub(REFUSED, REFUSED, None))
    require_hub("a/model", "main")
    assert hub.asked == 3 * [("a/model", "main")]


@pytest.mark.parametrize(
    "answer", [errors.OfflineModeIsEnabled("offline"), httpx2.ReadTimeout("slow"), RuntimeError()]
)
def test_any_other_answer_is_left_to_the_libraries(answer, install):
    hub = install(Hub(answer))
    require_hub("a/model", None)
    assert len(hub.asked) == 1


def test_what_is_here_costs_no_question(install, tmp_path, monkeypatch):
    hub = install(Hub())
    (tmp_path / "cache/models--a--model/snapshots").mkdir(parents=True)
    require_hub("a/model", None)
    require_hub(str(tmp_path), None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    require_hub("a/other", None)
    assert hub.asked == []


@pytest.mark.parametrize("name", ["/no/such/folder", "./absent", "a/b/c", ""])
def test_a_path_that_leads_nowhere_is_not_asked_for(name, monkeypatch):
    asked = []
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.hf_api.get_session", lambda: asked.append(name))
    require_hub(name, None)
    assert asked == []
