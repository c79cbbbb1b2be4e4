"""An autoencoder that gives nothing is refused before anything is encoded."""

import pytest
import torch

from ldm3d.config import EncodeConfig, ModelConfig
from ldm3d.models.base import load_autoencoder
from pipelines.latents.plan import try_encoder


def test_an_autoencoder_that_gives_nan_is_refused(toy_base):
    vae, config = load_autoencoder(ModelConfig(base=str(toy_base))), EncodeConfig(batch_size=1)
    assert try_encoder(vae, config, 16)["device"] == "cpu"
    torch.nn.init.constant_(vae.encoder.conv_out.bias, torch.nan)
    with pytest.raises(ValueError, match="gives NaN or infinity for a black picture"):
        try_encoder(vae, config, 16)
