"""The command line that every stage shares: a preset, its settings as typed flags, a dry run, exit codes.

0    done
1    the work failed: storage, a task, no progress; the same command goes on from there
2    the command line, configuration, input, output, model or cluster will not do; mend what the message names
3    something else writes to the output: another run, or what the audit found; a person should look first
4    done, and a metric got worse than in the evaluation before, beyond its error
130  interrupted; the same command goes on from there
143  terminated by SIGTERM; the same command goes on from there (training writes a checkpoint first)
"""

import argparse
import dataclasses
import json
import logging
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, NoReturn, TypeVar

import tyro

from ldm3d.config import presets_of

if TYPE_CHECKING:
    from ray.exceptions import RayTaskError

Config = TypeVar("Config")

FAILED, REFUSED, CONTESTED, WORSE, INTERRUPTED, TERMINATED = 1, 2, 3, 4, 130, 128 + signal.SIGTERM
# What Python writes between the trace of an exception and that of the one that it led to.
BETWEEN_TRACES = r"\n\n(?:The above exception was|During handling of the above exception).*:\n\n"


@dataclass(frozen=True, kw_only=True)
class Command(Generic[Config]):
    """What one submission asks for."""

    config: Annotated[Config, tyro.conf.arg(name="")]
    preset: Literal["ldm3d", "ldm3d-4c", "toy"] = "ldm3d"
    """Named settings to start from; the defaults shown here are this preset's."""
    dry_run: bool = False
    """Check input, output, model and cluster, print the plan and the full configuration, and stop."""


def parse(config_class: Callable[..., Config], arguments: list[str], about: str | None = None) -> Command[Config]:
    """Arguments -> command. Prints help, or what is wrong, and exits where the arguments say so."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset", default="ldm3d")
    asked = first.parse_known_args(arguments)[0].preset
    presets = presets_of(config_class)
    preset = asked if asked in presets else "ldm3d"  # an unknown name is refused by the parser below
    config = config_class(**_required(config_class), **presets[preset])
    default = Command(config=config, preset=preset)  # type: ignore[arg-type]
    return tyro.cli(Command[config_class], args=arguments, default=default, description=about)  # type: ignore[valid-type]


def _required(config_class: Any) -> dict[str, Any]:
    """The settings without a default, as tyro marks what has to be given."""
    fields = dataclasses.fields(config_class)
    defaults = {field.name: (field.default, field.default_factory) for field in fields}
    return {name: tyro.MISSING for name, each in defaults.items() if set(each) == {dataclasses.MISSING}}


def run(stage: Callable[..., dict[str, Any]], config_class: Callable[..., Any], about: str | None) -> None:
    """Parse the command line, make one call, print its result as JSON.

    Exits with a code of this module's list, the reason in the last line of stderr. An exception that nobody foresaw
    keeps its trace, and Python's own exit code for it is 1.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        with _interrupted_by_sigterm():
            command = parse(config_class, sys.argv[1:], about)
            result = stage(command.config, dry_run=command.dry_run)
    except _Terminated:
        _exit(TERMINATED, "terminated: the same command goes on from here")
    except KeyboardInterrupt:
        _exit(INTERRUPTED, "interrupted: the same command goes on from here")
    except Exception as error:
        code, reason = _judge(error)
        _exit(code, f"error: {reason}")
    print(json.dumps(result, indent=2))
    if result.get("finished") is False:
        _exit(TERMINATED, "stopped at a checkpoint: the same command goes on from there")
    if worse := result.get("worse"):
        _exit(WORSE, f"worse: {'; '.join(worse)}")


class _Terminated(KeyboardInterrupt):
    """SIGTERM came."""


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """SIGTERM ends what runs here as an interrupt does, which is what Ray lets through its calls.

    Raises:
        _Terminated: it came.
    """
    terminated = threading.Event()

    def interrupt(*_: object) -> NoReturn:
        terminated.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as stop:
        # while Ray starts its own handler is in place, which exits with the number of the signal
        if terminated.is_set() or getattr(stop, "code", None) == signal.SIGTERM:
            raise _Terminated from None
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit(code: int, line: str) -> NoReturn:
    print(line, file=sys.stderr)
    sys.exit(code)


def _judge(error: Exception) -> tuple[int, str]:
    """The exit code and what to say for an exception; one that nobody foresaw is raised again."""
    if type(error) is ValueError:  # not its subclasses: JSON, Arrow and Unicode errors are bugs or damage
        return REFUSED, str(error)
    from ray.data.exceptions import ExecutionTimeoutError
    from ray.exceptions import RayTaskError

    from ldm3d.training.guard import DivergedError
    from pipelines.storage.shards import TakenOverError
    from pipelines.workers.audit import AuditError

    match error:
        case RayTaskError():  # first, as Ray makes it an instance of its cause's class, too
            print(error, file=sys.stderr)  # the trace in the worker
            return FAILED, f"a task failed: {_cause(error)}"
        case AuditError() | TakenOverError():
            return CONTESTED, str(error)
        case DivergedError():
            return FAILED, str(error)
        case OSError():
            return FAILED, _describe(error)
        case ExecutionTimeoutError():
            return FAILED, f"{error}\nHere that is --cluster.no-progress-timeout-s."
    raise error


def _cause(error: "RayTaskError") -> str:
    """The exception that ended a task. Of one in a function of Ray Data its trace is all that is kept."""
    from ray.exceptions import UserCodeException

    if not isinstance(error.cause, UserCodeException):
        return _describe(error.cause)
    ours = re.split(BETWEEN_TRACES, str(error))[-2:][0]
    frames = (" ", "\x1b")  # lines of the stack; the first, which names the worker, is coloured
    return "; ".join(line for line in ours.splitlines() if line and not line.startswith(frames))


def _describe(error: BaseException) -> str:
    """Type, message and notes in one line: storage says "Access Denied", and the note of which file."""
    parts = [f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])]
    return "; ".join(" ".join(part.split()) for part in parts)
