"""The command line that every stage shares: a preset, its settings as typed flags, a dry run."""

import argparse
import json
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar

import tyro

from ldm3d.config import PRESETS

Config = TypeVar("Config")


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
    preset = asked if asked in PRESETS else "ldm3d"  # an unknown name is refused by the parser below
    config = config_class(input=tyro.MISSING, output=tyro.MISSING, **PRESETS[preset])
    default = Command(config=config, preset=preset)  # type: ignore[arg-type]
    return tyro.cli(Command[config_class], args=arguments, default=default, description=about)  # type: ignore[valid-type]


def run(stage: Callable[..., dict[str, Any]], config_class: Callable[..., Any], about: str | None) -> None:
    """Parse the command line, make one call, print its result as JSON.

    Exits with 2 and one line where the configuration, input, output, model or cluster will not do, with 130 where it
    was interrupted, with 1 and a trace where the work itself failed.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        command = parse(config_class, sys.argv[1:], about)
        result = stage(command.config, dry_run=command.dry_run)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted: the same command goes on from here", file=sys.stderr)
        sys.exit(130)
    print(json.dumps(result, indent=2))
