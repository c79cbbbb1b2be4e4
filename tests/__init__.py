"""Tests. A package, as a dependency brings one of this name, too."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
