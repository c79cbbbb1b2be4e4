"""A cluster that is not there is said to be so at once, before Ray starts to wait for it."""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, nullcontext

import pytest
import ray
from ray.exceptions import AuthenticationError

from ldm3d.config import PRESETS, ClusterConfig, CorpusConfig
from pipelines.corpus.graph import allow_for_slow_hosts
from pipelines.workers import session
from pipelines.workers.resources import Pool
from pipelines.workers.session import configure_data, connect
from tests import ROOT


@pytest.fixture
def joined(tmp_path, monkeypatch) -> list:
    """The addresses that Ray was told to join; it never gets to do so."""
    addresses = []
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))  # no `ray start` has left its address there
    monkeypatch.setattr(session, "warm_workers", nullcontext)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda address, **_: addresses.append(address))
    return addresses


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_a_cluster_that_does_not_answer_is_refused_before_ray_is_asked(joined, closed_port, monkeypatch):
    address = f"127.0.0.1:{closed_port}"
    with pytest.raises(ValueError, match=f"no Ray cluster answers at {address}"):
        connect(ClusterConfig(address=address))
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(ValueError, match=f"no Ray cluster answers at {address}"):
        connect(ClusterConfig())
    assert joined == []


def test_a_machine_too_busy_to_start_ray_is_told_as_that(joined, monkeypatch):
    def never_ready(**_):
        raise Exception("The current node timed out during startup. This could happen because ...")

    monkeypatch.setattr(session, "starts_cluster", lambda _: True)
    monkeypatch.setattr(ray, "init", never_ready)
    with pytest.raises(TimeoutError, match=r"the machine is busy\. This run has written nothing: run the same"):
        connect(ClusterConfig())


def test_a_dry_run_starts_no_cluster_and_joins_one_that_runs(joined, monkeypatch):
    monkeypatch.setattr(session, "starts_cluster", lambda _: True)
    connect(ClusterConfig(), dry_run=True)
    assert joined == []
    monkeypatch.setattr(session, "starts_cluster", lambda _: False)
    connect(ClusterConfig(), dry_run=True)
    connect(ClusterConfig(address="auto"), dry_run=True)
    assert joined == [None, "auto"]


def test_workers_start_warm_in_a_cluster_that_is_started_here_alone(joined, monkeypatch):
    @contextmanager
    def warm_workers():
        joined.append("warm")
        yield

    monkeypatch.setattr(session, "warm_workers", warm_workers)
    connect(ClusterConfig(address="auto"))
    assert joined == ["auto"]
    connect(ClusterConfig())
    assert joined == ["auto", "warm", None]


@pytest.mark.parametrize("before", [None, "http://elsewhere.test:8265"])
@pytest.mark.parametrize("address", [None, "local", "auto"])
def test_only_what_ray_starts_for_a_cluster_without_a_dashboard_asks_nobody_for_its_state(
    joined, before, address, monkeypatch
):
    name, seen = "RAY_API_SERVER_ADDRESS", []
    monkeypatch.delenv(name, raising=False)
    if before:
        monkeypatch.setenv(name, before)
    monkeypatch.setattr(ray, "init", lambda **_: seen.append(os.environ.get(name)))
    connect(ClusterConfig(address=address))
    assert seen == [before if address == "auto" else "http://127.0.0.1:1"]
    assert os.environ.get(name) == before  # for `ray job submit`, and whatever else this process starts


def test_a_run_that_joins_a_cluster_after_all_ends_the_server_of_warm_workers(joined, tmp_path, monkeypatch):
    ended = []
    monkeypatch.setattr(session, "end_server", lambda: ended.append(True))
    connect(ClusterConfig())
    assert not ended
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("127.0.0.1:6379")
    monkeypatch.setattr(session, "warm_workers", None)  # not called
    connect(ClusterConfig())
    assert ended


def test_a_cluster_that_answers_is_joined(joined):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        connect(ClusterConfig(address=address))
    assert joined == [address]


@pytest.mark.parametrize("address", [None, "auto", "local"])
def test_where_ray_is_to_look_for_itself_it_does(joined, address, monkeypatch):
    monkeypatch.setattr(socket, "create_connection", None)
    connect(ClusterConfig(address=address))
    assert joined == [address]


@pytest.mark.parametrize("address", ["head", "head:", ":6379", "head:ray", "127.0.0.1:65536", "127.0.0.1:-1"])
def test_what_is_no_address_is_refused_without_a_look_at_the_network(joined, address, monkeypatch):
    monkeypatch.setattr(socket, "create_connection", None)
    with pytest.raises(ValueError, match="wanted host:port"):
        connect(ClusterConfig(address=address))
    assert joined == []


def test_no_cluster_to_be_found_is_a_refusal(joined, monkeypatch):
    def find_none(**_):
        raise ConnectionError("Could not find any running Ray instance")

    monkeypatch.setattr(ray, "init", find_none)
    with pytest.raises(ValueError, match="no Ray cluster at 'auto': Could not find"):
        connect(ClusterConfig(address="auto"))


@pytest.mark.parametrize("kind", [ConnectionError, AuthenticationError])
@pytest.mark.parametrize(("mode", "found"), [(None, "not set"), ("token", "token")])
def test_a_cluster_that_wants_a_token_is_told_by_the_mode_and_the_token(joined, kind, mode, found, monkeypatch):
    """Ray says "Failed to connect" where it sent a wrong token, or, for lack of the mode, none."""

    def refuse(**_):
        raise kind("no")

    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    if mode:
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
    told = f"at 'auto': no.*RAY_AUTH_MODE is {found}.*set RAY_AUTH_MODE=token.*RAY_AUTH_TOKEN"
    with pytest.raises(ValueError, match=re.compile(told, re.DOTALL)):
        connect(ClusterConfig(address="auto"))


def test_a_home_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    """Ray's own code writes the token of a new cluster; it gets no further."""
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "home").write_text("a file")
    script = "from pipelines.workers.session import connect; from ldm3d.config import ClusterConfig as C; connect(C())"
    environment = os.environ | {"HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stderr.splitlines()[-1].startswith("ValueError: Ray keeps the token of a cluster on this machine in")
    assert "set HOME to a folder that can" in done.stderr


def test_another_failure_to_start_keeps_its_own_error(joined, monkeypatch):
    def fail(**_):
        raise OSError(28, "No space left on device", "/tmp/ray")

    monkeypatch.setattr(ray, "init", fail)
    with pytest.raises(OSError, match="No space left"):
        connect(ClusterConfig())


def test_joining_a_cluster_leaves_a_handler_of_sigterm_in_place(joined, monkeypatch):
    """Ray sets its own while it connects."""

    def ours(*_):
        raise AssertionError("called")

    monkeypatch.setattr(ray, "init", lambda **_: signal.signal(signal.SIGTERM, lambda *_: None))
    before = signal.signal(signal.SIGTERM, ours)
    try:
        connect(ClusterConfig())
        assert signal.getsignal(signal.SIGTERM) is ours
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.fixture
def config() -> CorpusConfig:
    config = CorpusConfig(input="in", output="out", **PRESETS["ldm3d"])
    configure_data(config.cluster)
    return config


def silence_s() -> float:
    return ray.data.DataContext.get_current().execution_no_progress_timeout_s


def test_one_slow_host_is_given_its_time(config):
    urls = [f"http://only.test/{n}.jpg" for n in range(config.shards.rows)]
    allow_for_slow_hosts(config, urls, Pool("download", 1.0, actors=1, calls=4))
    alone_s = 4 * config.shards.rows * config.download.deadline_s / config.download.per_host
    assert alone_s < silence_s() < 1.2 * alone_s


def test_many_hosts_need_no_more_than_is_configured(config):
    urls = [f"http://{n}.test/x.jpg" for n in range(config.shards.rows)]
    allow_for_slow_hosts(config, urls, Pool("download", 1.0, actors=1, calls=4))
    assert silence_s() == config.cluster.no_progress_timeout_s
