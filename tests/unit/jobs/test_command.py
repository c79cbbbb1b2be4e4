"""A scheduler sees in the exit code whether to try again, a person in the last line what went wrong."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from ray.train.v2.api.exceptions import WorkerGroupError

from jobs.command import parse, run
from ldm3d.config import CorpusConfig, GenerateConfig
from ldm3d.sampling.samples import NotFiniteError
from ldm3d.training.guard import DivergedError
from pipelines.storage.folder import Folder
from pipelines.storage.shards import LostRowsError, NothingKeptError, TakenOverError
from pipelines.training.reader import BadRowError
from pipelines.workers.audit import AuditError
from tests import ROOT


def ended(stage, monkeypatch, capsys, *arguments: str) -> tuple[int, str]:
    """Exit code and stderr of a job whose stage is `stage`."""
    monkeypatch.setattr("sys.argv", ["job", "--input", "in", "--output", "out", *arguments])
    with pytest.raises(SystemExit) as stopped:
        run(stage, CorpusConfig, None)
    return stopped.value.code, capsys.readouterr().err


def raising(error: BaseException):
    def stage(config, *, dry_run):
        raise error

    return stage


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ValueError("--input 'in' does not exist"), 2, "error: --input 'in' does not exist\n"),
        (TakenOverError("out was taken over by run 7"), 3, "error: out was taken over by run 7\n"),
        (
            AuditError("out holds files that are not in its plan"),
            3,
            "error: out holds files that are not in its plan\n",
        ),
        (ConnectionError("no route"), 1, "error: ConnectionError: no route\n"),
        (DivergedError("11 steps in a row"), 1, "error: 11 steps in a row\n"),
        (BadRowError("rgbd/train/00000.parquet, row 3"), 1, "error: rgbd/train/00000.parquet, row 3\n"),
        (NothingKeptError("all 7 rows were rejected"), 1, "error: all 7 rows were rejected\n"),
        (NotFiniteError("NaN for every sample"), 1, "error: NaN for every sample\n"),
        (LostRowsError("7 rows read, but 6 planned"), 1, "error: 7 rows read, but 6 planned\n"),
        (KeyboardInterrupt(), 130, "interrupted: the same command resumes from here\n"),
    ],
)
def test_what_was_foreseen_ends_in_one_line_and_a_code(error, code, line, monkeypatch, capsys):
    assert ended(raising(error), monkeypatch, capsys) == (code, line)


def test_a_corpus_that_is_short_of_rows_has_a_code_of_its_own(monkeypatch, capsys):
    def stage(config, *, dry_run):
        return {"rows_kept": 0, "shortage": "of 3 rows that were tried, 0 were kept"}

    code, text = ended(stage, monkeypatch, capsys, "--json")
    assert (code, text) == (5, "too few rows: of 3 rows that were tried, 0 were kept\n")


def test_workers_that_failed_too_often_end_in_the_reason_of_the_first(monkeypatch, capsys):
    trace = 'Traceback (most recent call last):\n  File "loop.py", line 1\nRuntimeError: workers see different files\n'
    error = WorkerGroupError("rank 0: ...", {0: RuntimeError(trace)})
    code, text = ended(raising(error), monkeypatch, capsys)
    assert code == 1
    assert text.splitlines()[-1] == "error: the training failed: RuntimeError: workers see different files"


def test_sigterm_ends_a_stage_as_an_interrupt_does(monkeypatch, capsys):
    cleaned_up = []

    def stage(config, *, dry_run):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        finally:
            cleaned_up.append(True)

    before = signal.getsignal(signal.SIGTERM)
    assert ended(stage, monkeypatch, capsys) == (143, "terminated: the same command resumes from here\n")
    assert cleaned_up
    assert signal.getsignal(signal.SIGTERM) == before


def test_sigterm_while_ray_starts_ends_in_the_same_way(monkeypatch, capsys):
    """Ray's handler is in place then, which exits with the number of the signal."""
    code, line = ended(raising(SystemExit(int(signal.SIGTERM))), monkeypatch, capsys)
    assert (code, line) == (143, "terminated: the same command resumes from here\n")


def test_a_stage_that_takes_sigterm_itself_goes_on(monkeypatch, capsys):
    def stage(config, *, dry_run):
        seen = []
        before = signal.signal(signal.SIGTERM, lambda *_: seen.append("checkpoint"))
        os.kill(os.getpid(), signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)
        return {"seen": seen}

    monkeypatch.setattr("sys.argv", ["job", "--input", "in", "--output", "out", "--json"])
    run(stage, CorpusConfig, None)
    assert json.loads(capsys.readouterr().out) == {"seen": ["checkpoint"]}


def test_a_failure_of_storage_names_the_file(tmp_path, monkeypatch, capsys):
    def stage(config, *, dry_run):
        Folder(str(tmp_path)).read("_state/run.json")

    code, text = ended(stage, monkeypatch, capsys)
    assert code == 1
    assert text.startswith("error: FileNotFoundError: ")
    assert f"{tmp_path}/_state/run.json" in text
    assert text.count("\n") == 1


def test_damaged_state_is_no_refusal(monkeypatch):
    """JSONDecodeError is a ValueError, but says nothing of what was asked for."""
    monkeypatch.setattr("sys.argv", ["job", "--input", "in", "--output", "out"])
    with pytest.raises(json.JSONDecodeError):
        run(lambda config, *, dry_run: json.loads("{"), CorpusConfig, None)


def test_what_nobody_foresaw_keeps_its_trace(monkeypatch):
    monkeypatch.setattr("sys.argv", ["job", "--input", "in", "--output", "out"])
    with pytest.raises(KeyError) as caught:
        run(raising(KeyError("rows")), CorpusConfig, None)
    assert "stage" in [entry.name for entry in caught.traceback]


def test_a_configuration_out_of_range_is_refused_before_the_stage_is_called(monkeypatch, capsys):
    def stage(config, *, dry_run):
        raise AssertionError("called")

    code, text = ended(stage, monkeypatch, capsys, "--shards.rows", "0")
    assert code == 2
    assert "shards.rows" in text


def test_a_training_that_was_asked_to_stop_is_no_success(monkeypatch, capsys):
    code, text = ended(lambda config, dry_run: {"steps": 7, "finished": False}, monkeypatch, capsys)
    assert (code, text) == (143, "stopped at a checkpoint: the same command resumes from there\n")


@pytest.mark.parametrize(("flags", "dry_run"), [(["--dry-run"], "true"), (["--json"], "false")])
def test_a_plan_and_a_result_for_programs_are_printed_as_json(flags, dry_run, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["job", "--input", "in", "--output", "out", *flags])
    run(lambda config, dry_run: {"input": config.input, "dry_run": dry_run}, CorpusConfig, None)
    assert capsys.readouterr().out == f'{{\n  "input": "in",\n  "dry_run": {dry_run}\n}}\n'


@pytest.mark.parametrize(
    ("flags", "last"), [([], "--model.autoencoder autoencoder"), (["--dry-run"], "without --dry-run does the work.")]
)
def test_the_ending_is_the_last_thing_that_a_person_sees(flags, last, monkeypatch):
    """At a terminal both streams are one."""
    seen = io.StringIO()
    monkeypatch.setattr("sys.stdout", seen)
    monkeypatch.setattr("sys.stderr", seen)
    monkeypatch.setattr("sys.argv", ["job", "--input", "in", "--output", "out", *flags])
    results = [{"n": number} for number in range(400)]
    run(lambda config, dry_run: {"rows_read": 7, "rows_kept": 7, "results": results}, CorpusConfig, None)
    assert seen.getvalue().rstrip().endswith(last)


def test_help_and_a_refused_flag_load_neither_ray_nor_torch():
    """They are answered in a fraction of a second: `benchmarks.command_line` measures it."""
    jobs = sorted(file.stem for file in (ROOT / "jobs").glob("*.py") if file.stem not in ("__init__", "command"))
    assert "rebuild_corpus" in jobs
    code = (
        "import runpy, sys\n"
        f"for job in {jobs}:\n"
        "    for flags, wanted in ((['--help'], 0), (['--output', 'out', '--no-such-flag'], 2)):\n"
        "        sys.argv = [job, *flags]\n"
        "        try:\n"
        "            runpy.run_module(f'jobs.{job}', run_name='__main__')\n"
        "        except SystemExit as ended:\n"
        "            assert ended.code == wanted, (job, flags, ended.code)\n"
        "assert not {'ray', 'torch', 'pyarrow', 'diffusers'} & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("--preset") >= len(jobs)


def helped(config_class, monkeypatch, capsys) -> list[str]:
    """The lines of a stage's help, without the frame."""
    monkeypatch.setenv("COLUMNS", "110")
    with pytest.raises(SystemExit):
        parse(config_class, ["--help"])
    return [line.strip("│ ") for line in capsys.readouterr().out.splitlines()]


def test_help_does_not_break_lines_where_the_source_does(monkeypatch, capsys):
    """Below `GenerateConfig.input` there are two lines in the source; the second begins with `(.txt)`."""
    lines = helped(GenerateConfig, monkeypatch, capsys)
    assert any(" (.txt) " in line for line in lines)
    assert not any(line.startswith("(.txt)") for line in lines)
