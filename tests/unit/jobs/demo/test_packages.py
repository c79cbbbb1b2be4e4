"""The demo misses its packages at once, and they are those of the extras `toy` and `immersive`."""

import importlib.metadata
import tomllib

import pytest

from jobs.demo.packages import PACKAGES, require_packages
from tests import ROOT


def test_a_package_that_is_missing_is_named_with_the_remedy():
    require_packages()
    with pytest.raises(ValueError, match=r"\(no_such_package\): pip install 'ldm3d-on-ray\[toy,immersive\]'"):
        require_packages([*PACKAGES, "no_such_package"])


def test_they_are_those_of_the_extras():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    extra = [*extras["toy"], *extras["immersive"]]
    owners = importlib.metadata.packages_distributions()
    owners.setdefault("OpenEXR", ["openexr"])  # whose wheel does not say which modules it has
    assert {name for package in PACKAGES for name in owners[package]} == {each.partition(">")[0] for each in extra}
