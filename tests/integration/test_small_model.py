"""`make serve` has something to serve, on a machine where nothing was trained."""

import subprocess

import pytest

from jobs.demo.small_model import make_small_model
from ldm3d.sampling.pipeline import RgbdPipeline
from tests import ROOT


@pytest.mark.slow  # three stages
def test_make_serve_begins_with_a_small_model(cluster, tmp_path):
    """It trains one where there is none, and leaves one that is there as it is."""
    folder = make_small_model(tmp_path / "serve", epochs=(1, 1), scenes=40)
    assert RgbdPipeline.from_pretrained(str(folder)).vae.config.out_channels == 6
    assert [file.name for file in (tmp_path / "serve").iterdir()] == ["model"]
    before = (folder / "model_index.json").stat().st_mtime_ns
    assert make_small_model(tmp_path / "serve") == folder
    assert (folder / "model_index.json").stat().st_mtime_ns == before
    recipe = subprocess.run(["make", "-n", "serve"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "jobs.demo --small-model" in recipe
