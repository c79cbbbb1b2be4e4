"""How stages are called: from a checkout, or by the command that a wheel installs."""

import sys
from pathlib import Path


def program(stage: str) -> str:
    """Return how this process would call a stage: `python -m jobs.generate`, or `ldm3d-on-ray generate`.

    The installed command says its name, which is written there alone, before that of its stage in `sys.argv[0]`.
    """
    name, _, called = Path(sys.argv[0]).name.partition(" ")
    return f"{name} {stage}" if called.isidentifier() else f"python -m jobs.{stage}"
