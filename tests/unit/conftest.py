"""What many unit tests need: one torch thread, as two are slower than one here, and the small base model."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def toy_base(tmp_path_factory) -> Path:
    """The toy's base model in diffusers layout. Read only."""
    from ldm3d.toy.diffusion_model import make_base_model

    folder = tmp_path_factory.mktemp("toy") / "base"
    make_base_model(folder)
    return folder


@pytest.fixture(scope="module")
def one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
