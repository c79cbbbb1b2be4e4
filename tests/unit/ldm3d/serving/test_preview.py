"""A preview is a linear map of latents that is as near to the decoder's picture as one can be."""

import numpy as np
import pytest
import torch

from ldm3d.sampling.decode import decode_latents
from ldm3d.serving.preview import PreviewMap

pytestmark = pytest.mark.usefixtures("one_thread")


class LinearDecoder(torch.nn.Module):
    """An autoencoder whose pictures are a linear map of latents, twice as large."""

    class Config(dict):
        __getattr__ = dict.__getitem__

    def __init__(self, weights: torch.Tensor) -> None:
        super().__init__()
        self.weights, self.dtype = weights, torch.float32
        self.config = self.Config(scaling_factor=0.5, block_out_channels=(1, 1), out_channels=4)

    def decode(self, latents, return_dict):
        planes = torch.einsum("pc,nchw->nphw", self.weights, latents)
        return (planes.repeat_interleave(2, 2).repeat_interleave(2, 3),)


def test_it_finds_the_map_of_a_linear_decoder():
    random = torch.Generator().manual_seed(0)
    model = type("Model", (), {"vae": LinearDecoder(torch.randn(4, 4, generator=random) / 8)})
    latents = torch.randn(8, 4, 6, 5, generator=random) / 2
    preview = PreviewMap.fitted(model, latents)
    picture = preview(latents[:1])
    decoded = decode_latents(model.vae, latents[:1])
    assert (picture.image.shape, picture.image.dtype) == ((6, 5, 3), np.uint8)
    assert np.abs(picture.image.astype(int) - decoded.image[0, ::2, ::2]).max() <= 1  # both are rounded
    assert np.abs(picture.depth.astype(int) - decoded.depth[0, ::2, ::2]).max() <= 200  # of 65,535: rounded colours


def test_it_is_fitted_to_a_model_and_survives_what_is_not_finite(loaded):
    preview = PreviewMap.fit(loaded)
    channels = loaded.unet.config["in_channels"]
    assert preview.weights.shape == (channels + 1, 4)
    assert np.isfinite(preview.weights).all()
    picture = preview(torch.full((1, channels, 4, 6), torch.nan))
    assert (picture.image.shape, picture.depth.shape, picture.depth.dtype) == ((4, 6, 3), (4, 6), np.uint16)
