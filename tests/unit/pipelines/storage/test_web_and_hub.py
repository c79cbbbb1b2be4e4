"""Inputs on a web server or on Hugging Face's hub: read, or refused for what is wrong. Both are stand-ins here."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import fsspec
import pytest

from ldm3d.config import CaptionsConfig, CorpusConfig
from pipelines.corpus.input import check_input
from pipelines.samples.captions import CaptionsInput
from pipelines.storage.folder import Folder
from pipelines.storage.models import local_model
from pipelines.storage.run import check_folders

FILE = {"type": "file", "path": "a.parquet", "size": 1_000, "oid": "0" * 40}


class Stub(BaseHTTPRequestHandler):
    """A web server with one file, /captions.txt; and a hub on which `gated` shows its files, and `private` nothing."""

    def do_GET(self):
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        match self.path.split("?")[0].split("/")[1:]:
            case ["captions.txt"]:
                self.answer(200, b"a red house\na dog\n")
            case ["secret.parquet"]:
                self.answer(403, b"no")
            case ["api", "datasets", "a", "gated"]:
                self.answer(200, {"id": "a/gated", "sha": "1" * 40, "siblings": []})
            case ["api", "datasets", "a", "gated", "paths-info", "main"]:
                self.answer(200, [FILE] if b'"a.parquet"' in sent else [])
            case ["api", "datasets", "a", "gated", "tree", "main", *folders]:
                self.answer(404, {}, "EntryNotFound") if folders else self.answer(200, [FILE])
            case ["datasets", "a", "gated", "resolve", "main", "a.parquet"]:
                self.answer(401, b"Access to this data set is restricted", "GatedRepo")
            case ["api", "datasets", "a", "private", *_]:
                self.answer(401, {"error": "Repository not found"}, "RepoNotFound")
            case _:
                self.answer(404, b"there is none", "EntryNotFound")

    do_POST = do_HEAD = do_GET  # noqa: N815 -- http.server looks for these names

    def answer(self, status: int, body: object, code: str = "") -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Stub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def hub(server, monkeypatch) -> None:
    """Makes `hf://` mean the stub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setitem(fsspec.config.conf, "hf", {"endpoint": server, "skip_instance_cache": True})


def check(url: str, output: object) -> None:
    check_input(CorpusConfig(input=url, output=str(output)))


def test_one_file_of_a_web_server_is_read(server):
    assert CaptionsInput.of(f"{server}/captions.txt", CaptionsConfig()).rows == 2


def test_what_would_have_to_be_listed_or_written_is_refused_with_what_would_do(server, tmp_path):
    told = "on a web server, which does not list or take files: download it, or give its place on s3://, hf://"
    with pytest.raises(ValueError, match=told):
        check(f"{server}/captions.txt", tmp_path)
    with pytest.raises(ValueError, match=told):
        check_folders("in", f"{server}/out", "rebuild_corpus")
    with pytest.raises(ValueError, match=told), local_model(f"{server}/model", ("vae",), "--model.model"):
        pass


def test_what_is_absent_and_what_is_denied_or_out_of_reach_are_told_apart(server, tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        check(f"{server}/none.parquet", tmp_path)
    with pytest.raises(ValueError, match=r"cannot be read: .*403"):
        check(f"{server}/secret.parquet", tmp_path)
    with pytest.raises(ValueError, match=r"cannot be read: .*Cannot connect"):
        check("http://127.0.0.1:9/a.parquet", tmp_path)


@pytest.mark.parametrize("name", ["gated", "gated/a.parquet", "private", "private/a.parquet"])
def test_a_data_set_that_the_hub_does_not_show_is_refused_with_how_to_give_a_token(name, hub, tmp_path):
    with pytest.raises(ValueError, match=rf"--input 'hf://datasets/a/{name}' cannot be read: .*401.*: set HF_TOKEN"):
        check(f"hf://datasets/a/{name}", tmp_path)


def test_what_the_hub_does_not_have_does_not_exist(hub, tmp_path):
    assert not Folder("hf://datasets/a/gated/b.parquet").exists()
    with pytest.raises(ValueError, match="does not exist"):
        check("hf://datasets/a/gated/b.parquet", tmp_path)
