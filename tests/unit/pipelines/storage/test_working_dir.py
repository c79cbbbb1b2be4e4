"""A submitted job runs in Ray's temporary copy of its working directory: what is written there is lost."""

import json
import os
import re

import pytest

from jobs.generate import main as draw
from ldm3d.config import CorpusConfig, EvaluateConfig, ExportConfig, GenerateConfig, PicturesConfig
from pipelines.export import export_run
from pipelines.storage.paths import with_absolute_paths

PACKAGE = "gcs://_ray_pkg_0123456789abcdef.zip"


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """The folder that Ray starts a submitted command in, which holds one of the files that were sent."""
    folder = tmp_path / "session_latest/runtime_resources/working_dir_files/_ray_pkg_0123456789abcdef"
    (folder / "sent").mkdir(parents=True)
    monkeypatch.chdir(folder)
    submit(monkeypatch, PACKAGE)
    return folder


def submit(monkeypatch, working_dir: str | None) -> None:
    """Set what Ray's job supervisor sets for the command of a job."""
    runtime = {"env_vars": {}} | ({"working_dir": working_dir} if working_dir else {})
    job = {"runtime_env": runtime, "metadata": {"job_submission_id": "raysubmit_7"}}
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps(job))


@pytest.mark.parametrize("output", ["corpus", "./corpus", "../corpus", "sent/corpus", "file://corpus"])
def test_an_output_that_would_be_lost_is_refused(copy, output):
    said = rf"^--output '{re.escape(output)}' would be written to .* absolute path on storage that all nodes share"
    with pytest.raises(ValueError, match=said):
        with_absolute_paths(CorpusConfig(input="s3://metadata", output=output))


def test_so_is_an_absolute_path_into_the_copy_such_as_the_shell_there_makes(copy):
    with pytest.raises(ValueError, match="would be lost"):
        with_absolute_paths(CorpusConfig(input="s3://metadata", output=f"{os.getcwd()}/corpus"))


def test_so_is_the_output_of_an_export_and_of_one_prompt(copy):
    with pytest.raises(ValueError, match=r"^--output 'model' would be written to"):
        export_run(ExportConfig(input="s3://run", output="model"))
    with pytest.raises(ValueError, match=r"^--output 'pictures' would be written to"):
        draw(GenerateConfig(prompt="a lemon", output="pictures"))


def test_what_was_sent_with_the_job_is_read(copy):
    made = with_absolute_paths(GenerateConfig(input="sent", output="s3://samples"))
    assert made.input == str(copy / "sent")


@pytest.mark.parametrize(
    ("given", "flag"),
    [
        ({"input": ("sent", "ours=samples")}, "--input 'ours=samples'"),
        ({"input": ("s3://samples",), "reference": "real"}, "--reference 'real'"),
        ({"input": ("s3://samples",), "pictures": PicturesConfig(keys="k.parquet")}, "--pictures.keys 'k.parquet'"),
    ],
)
def test_an_input_that_was_not_sent_is_named_by_its_flag(copy, given, flag):
    with pytest.raises(ValueError, match=f"^{re.escape(flag)} was not sent with the job"):
        with_absolute_paths(EvaluateConfig(**{"output": "s3://evaluation", "reference": "s3://real"} | given))


def test_places_that_last_are_taken(copy, tmp_path):
    for output in (str(tmp_path / "corpus"), "s3://corpora/laion"):
        assert with_absolute_paths(CorpusConfig(input="s3://metadata", output=output)).output == output


@pytest.mark.parametrize("working_dir", [None, "local:///code"])
def test_without_a_copy_a_relative_path_is_what_it_says(tmp_path, monkeypatch, working_dir):
    """Such a job runs where the cluster was started, or in a folder that every node has."""
    monkeypatch.chdir(tmp_path)
    submit(monkeypatch, working_dir)
    made = with_absolute_paths(CorpusConfig(input="metadata", output="corpus"))
    assert made.output == f"{os.getcwd()}/corpus"
