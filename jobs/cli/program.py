"""How stages are called: from a checkout, or by the command that a wheel installs."""

import sys
from pathlib import Path

COMMAND = "ldm3d-on-ray"


def program(stage: str) -> str:
    """Return how this process would call a stage: `python -m jobs.generate`, or `ldm3d-on-ray generate`."""
    is_installed = Path(sys.argv[0]).name.startswith(COMMAND)
    return f"{COMMAND} {stage}" if is_installed else f"python -m jobs.{stage}"
