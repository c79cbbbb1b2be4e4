"""A model that does not load: the message says whether it is the name, the hub, the licence or the kind of model."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from ldm3d.config import ModelConfig
from ldm3d.depth.model import load_depth_model
from ldm3d.models.base import check_base
from ldm3d.models.source import Source
from ldm3d.models.trained import load_trained_autoencoder

COMMIT = "1" * 40
DENIED = {"gated": (401, "GatedRepo"), "none": (401, "RepoNotFound"), "old": (404, "RevisionNotFound")}


class Hub(BaseHTTPRequestHandler):
    """A hub on which a model is gated, absent, without the revision, out of order, or an encoder of text."""

    def do_GET(self):
        _, *folders = self.path.partition("?")[0].split("/")
        name = next((part for part in folders if part in {*DENIED, "down", "text"}), "")
        match name, folders[-1]:
            case (("gated" | "none" | "old"), _):
                self.answer(*DENIED[name])
            case "down", _:
                self.answer(500)
            case "text", "text":
                self.answer(200, content={"id": "a/text", "sha": COMMIT, "siblings": []})
            case "text", "config.json" if "vae" not in folders:
                self.answer(200, content={"model_type": "bert"})
            case _:
                self.answer(404, "EntryNotFound")

    do_HEAD = do_GET  # noqa: N815 -- http.server looks for this name

    def answer(self, status: int, code: str = "", content: object = None) -> None:
        body = json.dumps(content or {}).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(body), "X-Repo-Commit": COMMIT, "ETag": '"1"'}.items():
            self.send_header(name, str(value))
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def hub(server, monkeypatch, tmp_path) -> None:
    use_hub(server, monkeypatch, tmp_path)


def use_hub(address: str, monkeypatch, cache: object) -> None:
    """Make the libraries take an address for the hub, with an empty cache and no token."""
    for name, value in {"HF_HUB_OFFLINE": False, "ENDPOINT": address, "HF_HUB_CACHE": str(cache)}.items():
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", address)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)  # between its attempts
    monkeypatch.setattr("transformers.utils.hub.is_offline_mode", lambda: False)
    monkeypatch.delenv("HF_TOKEN", raising=False)


def base(name: str) -> None:
    check_base(ModelConfig(base=name))


def autoencoder(name: str) -> None:
    load_trained_autoencoder(Source("--model.autoencoder", name))


def depth(name: str) -> None:
    load_depth_model("--label.depth-model", name, None, torch.float32)


KINDS = pytest.mark.parametrize("load", [base, autoencoder, depth])


@KINDS
@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "a/gated",
            r"it is gated, and your HF_TOKEN is missing\): accept its terms on http.*/a/gated, and set HF_TOKEN",
        ),
        ("a/none", "no model of this name that you may see.*check the name; a private model needs HF_TOKEN"),
        ("a/old", r"no revision 'main'\): give one that http.*/a/old lists"),
        ("a/down", "the hub answered with an error: .*500"),
        ("a/text", "but not the files of this kind of model|but it is another kind of model"),
    ],
)
def test_what_the_hub_answered_is_told_with_what_to_do(load, name, told, hub):
    with pytest.raises(ValueError, match=f"^--.*'{name}'.*did not load .*{told}"):
        load(name)


@KINDS
def test_a_revision_is_named_where_one_was_asked_for(load, hub):
    with pytest.raises(ValueError, match="did not load") as error:
        load("a/none")
    assert "revision" not in str(error.value)


def test_the_revision_that_was_asked_for_is_named(hub):
    with pytest.raises(ValueError, match=r"^--label\.depth-model 'a/none' \(revision 'v2'\) did not load"):
        load_depth_model("--label.depth-model", "a/none", "v2", torch.float32)


@KINDS
def test_a_network_without_a_way_to_the_hub(load, monkeypatch, tmp_path):
    use_hub("http://127.0.0.1:9", monkeypatch, tmp_path)
    with pytest.raises(ValueError, match=r"the hub could not be reached: .*refused\): check the network and proxies"):
        load("a/text")


@KINDS
def test_a_hub_that_must_not_be_asked(load, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match=r"while HF_HUB_OFFLINE is set\): unset HF_HUB_OFFLINE, or fill the cache"):
        load("a/text")


@KINDS
def test_paths_are_not_taken_for_names_on_the_hub(load, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.bin").write_bytes(b"")
    with pytest.raises(ValueError, match="it is a file, wanted a folder"):
        load("weights.bin")
    for place in (str(tmp_path / "absent"), "./absent", "runs/autoencoder/vae"):
        with pytest.raises(ValueError, match="there is no such folder on this machine"):
            load(place)


@KINDS
def test_networks_of_the_toy_are_made_by_a_command(load, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"no such folder yet.*`make toy-models` makes runs/demo/models/base, and so"):
        load("runs/demo/models/base")
    with pytest.raises(ValueError, match=r"no such folder yet.*`make demo` makes runs/demo/autoencoder; or give one"):
        load("runs/demo/autoencoder")
