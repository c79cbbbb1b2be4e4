"""What a table may name as a file: below the metadata, or below a place that the user has named."""

import pytest

from ldm3d.rows.pictures import allowed_file, common_places, is_web

UNDER = ["/data/pictures", "s3://bucket/p/"]


@pytest.mark.parametrize(
    "url",
    [
        "a.png",
        "a/b c.png",
        "a/../b.png",
        "/data/pictures/a.png",
        "file:///data/pictures/a.png",
        "s3://bucket/p/a.png",
        "S3://bucket/p/x/../a.png",
    ],
)
def test_files_in_these_places_may_be_read(url):
    assert allowed_file(url, UNDER) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/1.png",
        "",
        " ",
        "../a.png",
        "a/../../b.png",
        "~/a.png",
        "/data/picture",
        "/data/pictures-of-others/a.png",
        "/data/pictures/../others/a.png",
        "file:///etc/hostname",
        "s3://bucket/a.png",
        "s3://bucket/p/../a.png",
        "s3://bucket/pp/a.png",
        "gs://bucket/p/a.png",
        "a\0b.png",
    ],
)
def test_no_other_place_is_read(url):
    assert allowed_file(url, UNDER) is None


def test_nothing_but_http_is_of_the_web():
    assert [is_web(url) for url in ("http://a", " HTTPS://a", "ftp://a", "s3://a", "a", "//a")] == [True, True] + [
        False
    ] * 4


@pytest.mark.parametrize(
    ("urls", "places"),
    [
        (["s3://b/a/1.png", "s3://b/a/2.png"], ["s3://b/a"]),
        (["s3://b/a/1.png", "s3://b/c/2.png", "gs://q/1.png"], ["gs://q", "s3://b"]),
        (["/data/x/1.png", "file:///data/y/2.png", "http://a/1.png", "3.png", "../4.png"], ["/data"]),
        (["/1.png"], ["/"]),
    ],
)
def test_the_places_of_pictures_are_proposed(urls, places):
    assert common_places(urls) == places
    named = [url for url in urls if url.startswith(("/", "s3:", "gs:", "file:"))]
    assert all(allowed_file(url, places) for url in named)
