"""The command line that every stage shares: a preset, its settings as typed flags, a dry run, exit codes.

0    done
1    the work failed: storage, a task, no progress, lost rows, a training that diverged or met a row that does not
     decode. Except for the last two, the same command resumes where it stopped
2    invalid command line, configuration, input, output, model or cluster. Fix what the message names
3    something else wrote to the output: another run, or what the audit found. Look into it, then run the same command
4    done, but a metric got worse than in the previous evaluation or the baseline, beyond its error
5    done, but the corpus holds no row, or fewer than 1 % of 100 rows or more that were tried. The last line names the
     most common reasons and their remedies. The same command says the same: the remedy is another command
130  interrupted. The same command resumes where it stopped
143  terminated by SIGTERM. The same command resumes where it stopped (training writes a checkpoint first)
"""

import argparse
import ast
import dataclasses
import inspect
import json
import logging
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, NoReturn, TypeVar, cast, get_type_hints

import tyro
from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructFieldSpec, StructTypeInfo

from jobs.cli.ending import ending
from jobs.cli.preset import DEFAULT, preset_for, with_base, with_few_steps
from jobs.cli.program import program
from ldm3d.config import LABEL, CorpusConfig, LabelConfig, Preset, presets_of, stage_of, with_label_preset

if TYPE_CHECKING:
    from ray.exceptions import RayTaskError

Config = TypeVar("Config")

logger = logging.getLogger(__name__)

FAILED, REFUSED, CONTESTED, WORSE, SHORT, INTERRUPTED, TERMINATED = 1, 2, 3, 4, 5, 130, 128 + signal.SIGTERM
# What Python writes between the trace of an exception and that of the exception that it led to.
BETWEEN_TRACES = r"\n\n(?:The above exception was|During handling of the above exception).*:\n\n"


@dataclass(frozen=True, kw_only=True)
class Command(Generic[Config]):
    """One submission."""

    config: Annotated[Config, tyro.conf.arg(name="")]
    preset: Preset = DEFAULT
    """Named settings to start from; the defaults shown here are this preset's. Without this flag, it is the preset of
    what is read, if a stage of this project made that, else `ldm3d`."""
    dry_run: bool = False
    """Check input, output, model and cluster, print the plan and the full configuration as JSON, and stop."""
    json: bool = False
    """Print the result as JSON on stdout, for programs, and not what was made, what to look at and what comes next."""


@dataclass(frozen=True, kw_only=True)
class CorpusCommand(Command[Config]):
    """One submission of the corpus stage."""

    label_preset: Annotated[
        Literal["dpt-large", "depth-anything-v2", "depth-pro", "column"] | None, tyro.conf.arg(name="label.preset")
    ] = None
    """Named depth model to start from (or `column`, for depth of your own), with its settings, in place of that of
    --preset; flags come before it."""


def parse(config_class: Callable[..., Config], arguments: list[str], about: str | None = None) -> Command[Config]:
    """Parse arguments. Prints the help, or what is wrong, and exits where the arguments ask for it or are wrong."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset")
    first.add_argument("--label.preset", dest="label")
    found = first.parse_known_args(arguments)[0]
    label = found.label if config_class is CorpusConfig else None
    presets = presets_of(config_class)
    # the parser below refuses an unknown name
    preset = preset_for(arguments, found.preset) if found.preset in (None, *presets) else DEFAULT
    settings = with_base(presets[preset], config_class, arguments)
    settings = with_few_steps(settings, config_class, arguments)
    if label in LABEL:  # likewise
        settings["label"] = with_label_preset(settings.get("label", LabelConfig()), label)
    command_class: Any = CorpusCommand if config_class is CorpusConfig else Command
    default = command_class(config=config_class(**_required(config_class), **settings), preset=preset)
    registry = ConstructorRegistry()
    registry.struct_rule(_with_whole_paragraphs)
    command: Command[Config] = tyro.cli(
        command_class[config_class],
        prog=program(stage_of(config_class)),
        args=arguments,
        default=default,
        description=about and _as_called(about, program(stage_of(config_class))),
        registry=registry,
    )
    return dataclasses.replace(command, config=dataclasses.replace(cast("Any", command.config), preset=preset))


def _as_called(about: str, called: str) -> str:
    """Write the examples of a stage as it was called. An installed one needs no checkout to be sent with a job."""
    if called.startswith("python "):
        return about
    return re.sub(r"python -m jobs\.\w+", called, about.replace(" --working-dir .", ""))


def _with_whole_paragraphs(info: StructTypeInfo) -> StructConstructorSpec | None:
    """Make the docstring under a setting one paragraph of help. Without this, tyro keeps the source's line breaks."""
    if not dataclasses.is_dataclass(info.type) or issubclass(info.type, Command):
        return None
    kinds, about = get_type_hints(info.type, include_extras=True), _docstrings(info.type)
    fields = (
        StructFieldSpec(name, kinds[name], getattr(info.default, name), about.get(name))
        for name in (field.name for field in dataclasses.fields(info.type))
        if name != "preset"  # a flag of `Command`
    )
    return StructConstructorSpec(info.type, tuple(fields))


def _docstrings(config_class: type) -> dict[str, str]:
    """Return the docstring under each field, without its line breaks."""
    (found,) = ast.parse(inspect.getsource(config_class)).body
    assert isinstance(found, ast.ClassDef)
    return {
        field.target.id: " ".join(below.value.value.split())
        for field, below in pairwise(found.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
    }


def _required(config_class: Any) -> dict[str, Any]:
    """Mark the settings without a default as required, the way tyro has it."""
    fields = dataclasses.fields(config_class)
    defaults = {field.name: (field.default, field.default_factory) for field in fields}
    return {name: tyro.MISSING for name, each in defaults.items() if set(each) == {dataclasses.MISSING}}


def run(stage: Callable[..., dict[str, Any]], config_class: Callable[..., Any], about: str | None) -> None:
    """Parse the command line, call the stage, and say what was made and what comes next.

    That is said on stderr, after all else, so that it is what a person still sees. stdout holds nothing but JSON, so
    that programs can read it: with --json the result, in a dry run the plan.

    Exits with a code from this module's list, and the reason as the last line of stderr. An unforeseen exception keeps
    its trace; Python's own exit code for it is 1.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        with _interrupted_by_sigterm():
            command = parse(config_class, sys.argv[1:], about)
            _tell_start(command)
            result = stage(command.config, dry_run=command.dry_run)
    except _Terminated:
        _exit(TERMINATED, "terminated: the same command resumes from here")
    except KeyboardInterrupt:
        _exit(INTERRUPTED, "interrupted: the same command resumes from here")
    except Exception as error:
        code, reason = _judge(error)
        _exit(code, f"error: {reason}")
    if command.json or command.dry_run:
        print(json.dumps(result, indent=2), flush=True)
    if not command.json:
        print(ending(command.config, result, dry_run=command.dry_run), end="", file=sys.stderr, flush=True)
    if result.get("finished") is False:
        _exit(TERMINATED, "stopped at a checkpoint: the same command resumes from there")
    if worse := result.get("worse"):
        _exit(WORSE, f"worse: {'; '.join(worse)}")
    if shortage := result.get("shortage"):
        _exit(SHORT, f"too few rows: {shortage}")


def _tell_start(command: Command[Any]) -> None:
    """Log what begins: imports, and the check of models and cluster, take seconds in which nothing else is said."""
    doing = "checking" if command.dry_run else "starting"
    stage, preset = Path(sys.argv[0]).stem, command.preset
    output = f", output {command.config.output}" if hasattr(command.config, "output") else ""  # a service has none
    logger.info("%s %s, preset %s%s: loading libraries and models", doing, stage, preset, output)


class _Terminated(KeyboardInterrupt):
    """SIGTERM came."""


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Make SIGTERM interrupt what runs here: Ray lets a KeyboardInterrupt through its calls.

    Raises:
        _Terminated: SIGTERM came.
    """
    terminated = threading.Event()

    def interrupt(*_: object) -> NoReturn:
        terminated.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as stop:
        # while Ray starts, its own handler is in place and exits with the number of the signal
        if terminated.is_set() or getattr(stop, "code", None) == signal.SIGTERM:
            raise _Terminated from None
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit(code: int, line: str) -> NoReturn:
    print(line, file=sys.stderr)
    sys.exit(code)


def _judge(error: Exception) -> tuple[int, str]:
    """Choose exit code and last line for an exception. An unforeseen one is raised again."""
    if type(error) is ValueError:  # not its subclasses: JSON, Arrow and Unicode errors are bugs or damage
        return REFUSED, str(error)
    from ray.data.exceptions import ExecutionTimeoutError
    from ray.exceptions import RayTaskError
    from ray.train.v2.api.exceptions import TrainingFailedError  # as pipelines.training.trainer raises it

    from ldm3d.sampling.samples import NotFiniteError
    from ldm3d.training.guard import DivergedError
    from pipelines.storage.shards import LostRowsError, NothingKeptError, TakenOverError
    from pipelines.training.reader import BadRowError
    from pipelines.workers.audit import AuditError

    match error:
        case RayTaskError():  # first, as Ray makes it an instance of its cause's class, too
            print(error, file=sys.stderr)  # the trace in the worker
            return FAILED, f"a task failed: {_cause(error)}"
        case AuditError() | TakenOverError():
            return CONTESTED, str(error)
        case DivergedError() | BadRowError() | LostRowsError() | NothingKeptError() | NotFiniteError():
            return FAILED, str(error)
        case TrainingFailedError():
            print(error, file=sys.stderr)  # the traces in the workers
            failures = getattr(error, "worker_failures", None) or {0: error}
            return FAILED, f"the training failed: {str(next(iter(failures.values()))).splitlines()[-1].strip()}"
        case OSError():
            return FAILED, _describe(error)
        case ExecutionTimeoutError():
            return FAILED, f"{error}\nThe setting is --cluster.no-progress-timeout-s."
    raise error


def _cause(error: "RayTaskError") -> str:
    """Describe the exception that ended a task. Of one in a function of Ray Data only the trace is left."""
    from ray.exceptions import UserCodeException

    if not isinstance(error.cause, UserCodeException):
        return _describe(error.cause)
    ours = re.split(BETWEEN_TRACES, str(error))[-2:][0]
    frames = (" ", "\x1b")  # lines of the stack; the first one names the worker, in colour
    return "; ".join(line for line in ours.splitlines() if line and not line.startswith(frames))


def _describe(error: BaseException) -> str:
    """Join type, message and notes in one line. Storage says "Access Denied", the note says which file."""
    parts = [f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])]
    return "; ".join(" ".join(part.split()) for part in parts)
