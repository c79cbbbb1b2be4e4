"""A wrong path is told as one, before a base is loaded for it, which may be a large download."""

from dataclasses import replace

import pytest

from ldm3d.config import AutoencoderConfig, DiffusionConfig
from pipelines.train_autoencoder import train_autoencoder
from pipelines.train_diffusion import train_diffusion


@pytest.mark.parametrize(
    ("train", "config"), [(train_autoencoder, AutoencoderConfig), (train_diffusion, DiffusionConfig)]
)
def test_a_mistyped_input_is_refused_before_the_base(train, config, tmp_path):
    made = config(input=str(tmp_path / "corpsu"), output=str(tmp_path / "out"))
    made = replace(made, model=replace(made.model, base="no-such/base"))
    with pytest.raises(ValueError, match=r"--input .*corpsu' does not exist"):
        train(made)
