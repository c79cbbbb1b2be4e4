"""A small model of the real kind, with random weights."""

import pytest

from ldm3d.config import ModelConfig
from ldm3d.models.base import load_base
from ldm3d.sampling.pipeline import RgbdPipeline


@pytest.fixture(scope="session")
def loaded(toy_base) -> RgbdPipeline:
    return RgbdPipeline(load_base(ModelConfig(base=str(toy_base), channels=6)))
