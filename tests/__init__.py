"""Tests. A package, as a dependency brings one of this name, too."""
