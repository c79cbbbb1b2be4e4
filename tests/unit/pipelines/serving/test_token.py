"""Whoever knows the token is let in, and it is shown nowhere."""

import pytest

from pipelines.serving.token import Token

SECRET = "a secret of tests"


@pytest.mark.parametrize("header", [f"Bearer {SECRET}", f"bearer {SECRET}", f"BEARER  {SECRET} "])
def test_the_token_is_taken(header):
    assert Token.of(SECRET).refusal(header.encode()) is None


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "missing_token"),
        (b"", "missing_token"),
        (SECRET.encode(), "missing_token"),
        (b"Basic " + SECRET.encode(), "missing_token"),
        (b"Bearer", "missing_token"),
        (b"Bearer ", "invalid_token"),
        (b"Bearer " + SECRET.encode()[:-1], "invalid_token"),
        (b"Bearer \xff\x00", "invalid_token"),
    ],
)
def test_others_are_refused_with_what_to_send(header, code):
    refused = Token.of(SECRET).refusal(header)
    assert (refused.status, refused.code) == (401, code)
    assert "Authorization: Bearer TOKEN" in refused.message


def test_without_a_token_everybody_is_let_in():
    assert Token.of(None).refusal(None) is None


def test_it_is_not_shown():
    token = Token.of(SECRET)
    assert SECRET not in repr(token)
    assert SECRET.encode() not in token.digest
