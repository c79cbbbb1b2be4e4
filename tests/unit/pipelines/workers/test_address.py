"""Whether a run starts a cluster is known before Ray is imported, and as Ray will decide."""

import pytest
from ray._common.utils import get_ray_address_file
from ray._private.services import canonicalize_bootstrap_address

from pipelines.workers.address import address_file, starts_cluster

VARIABLES = ("RAY_ADDRESS", "RAY_TMPDIR", "TMPDIR")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("given", [{}, {"TMPDIR": "/a"}, {"RAY_TMPDIR": "/b"}, {"TMPDIR": "/a", "RAY_TMPDIR": "/b"}])
def test_the_file_is_where_ray_looks(given, monkeypatch):
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert str(address_file()) == get_ray_address_file(None)


@pytest.mark.parametrize("has_file", [False, True])
@pytest.mark.parametrize("variable", [None, "", "local", "127.0.0.1:1"])
@pytest.mark.parametrize("address", [None, "local", "127.0.0.1:2"])
def test_ray_decides_the_same(address, variable, has_file, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    if variable is not None:
        monkeypatch.setenv("RAY_ADDRESS", variable)
    if has_file:
        (tmp_path / "ray").mkdir()
        (tmp_path / "ray" / "ray_current_cluster").write_text("127.0.0.1:3")
    assert starts_cluster(address) == (canonicalize_bootstrap_address(address) is None)
