"""A submitted job knows how it was submitted, so that what it prints can be typed where that was done."""

import json

import pytest

from pipelines.storage.submission import as_sent, sent_directory, submitting

COPY = "/tmp/ray/session_latest/runtime_resources/working_dir_files/_ray_pkg_0123456789abcdef"


def submit(monkeypatch, runtime_env: dict[str, object]) -> None:
    """Set what Ray's job supervisor sets for the command of a job."""
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps({"runtime_env": runtime_env, "metadata": {}}))


@pytest.mark.parametrize(
    ("runtime_env", "words"),
    [
        ({"working_dir": "gcs://_ray_pkg_0123456789abcdef.zip"}, "ray job submit --working-dir . -- "),
        ({"working_dir": "s3://bucket/code.zip"}, "ray job submit --working-dir s3://bucket/code.zip -- "),
        ({"working_dir": "local:///code"}, "ray job submit --working-dir local:///code -- "),
        ({"env_vars": {"HF_TOKEN": "secret"}}, "ray job submit -- "),
        (
            {"working_dir": "https://me:word@host/a.zip?token=1"},
            "ray job submit --working-dir https://...host/a.zip... -- ",
        ),
    ],
)
def test_a_command_is_submitted_as_the_job_was_and_no_secret_is_shown(runtime_env, words, monkeypatch):
    submit(monkeypatch, runtime_env)
    assert submitting() == words


def test_where_nothing_was_submitted_a_command_is_typed_as_it_is(monkeypatch):
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    assert (sent_directory(), submitting()) == (None, "")


@pytest.mark.parametrize(
    ("place", "typed"),
    [
        (f"{COPY}/runs/demo/models/base", "runs/demo/models/base"),
        (f"ours={COPY}/samples", "ours=samples"),
        (f"{COPY}/", "."),
        (COPY, "."),
        ("/shared/working_dir_files", "/shared/working_dir_files"),
        ("/shared/runs/corpus", "/shared/runs/corpus"),
        ("s3://bucket/working_dir_files/a/b", "s3://bucket/working_dir_files/a/b"),
        ("a lemon = a fruit", "a lemon = a fruit"),
    ],
)
def test_a_place_in_the_copy_is_named_as_it_was_typed(place, typed):
    assert as_sent(place) == typed
