"""The guard changes urllib for guarded downloads alone, and nobody lifts it by accident."""

import urllib.request

from ldm3d.reject import Reason
from tests.builders.web import BODY, good


def test_other_users_of_urllib_in_the_process_notice_nothing(web, fetch, tmp_path):
    assert good(fetch(web.url("/ok")))
    (tmp_path / "note.txt").write_text("mine")
    assert urllib.request.urlopen((tmp_path / "note.txt").as_uri()).read() == b"mine"
    assert urllib.request.urlopen(web.url("/ok", "127.0.0.2")).read() == BODY


def test_an_opener_that_somebody_installs_later_does_not_lift_the_guard(web, fetcher):
    one = fetcher()
    urllib.request.install_opener(urllib.request.build_opener())
    (fetched,) = one.fetch_all([web.url("/ok", "127.0.0.2")])
    assert fetched.reason == Reason.REFUSED_ADDRESS
    assert web.asked == []


def test_proxies_of_the_environment_are_not_used(web, fetch, monkeypatch):
    monkeypatch.setenv("http_proxy", web.url("/", "127.0.0.3"))
    monkeypatch.setenv("all_proxy", web.url("/", "127.0.0.3"))
    assert good(fetch(web.url("/ok")))
    assert [host for host, _ in web.asked] == ["127.0.0.1"]
