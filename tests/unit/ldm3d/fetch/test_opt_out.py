"""An X-Robots-Tag that forbids use is heeded, in answers and in redirects."""

import pytest

from ldm3d.reject import Reason
from tests.builders.web import good


@pytest.mark.parametrize(
    "path",
    [
        "/tag?line=noai",
        "/tag?line=nofollow,%20NoImageIndex",
        "/tag?line=ldm3d:%20noai",
        "/tag?line=noai,%20max-snippet:%2020",
        "/tag?line=otherbot:%20nofollow,%20ldm3d:%20noai",
        "/tags",
        "/to?url=/ok&X-Robots-Tag=noai",
    ],
)
def test_an_x_robots_tag_is_heeded(web, fetch, path):
    fetched = fetch(web.url(path))
    assert (fetched.reason, fetched.content, len(web.asked)) == (Reason.OPTED_OUT, b"", 1)


@pytest.mark.parametrize("line", ["nofollow", "otherbot:%20noai", "max-snippet:%2020"])
def test_an_x_robots_tag_for_others_forbids_nothing(web, fetch, line):
    assert good(fetch(web.url(f"/tag?line={line}")))


def test_img2datasets_own_check_stays_in_force(web, fetch, monkeypatch):
    monkeypatch.setattr("ldm3d.fetch.answer.opted_out", lambda *_: False)
    assert fetch(web.url("/tag?line=noai")).reason == Reason.OPTED_OUT
