"""Text or pictures to RGBD: seeded noise, guided denoising, decoding."""

from ldm3d.config.drawing import Drawing
from ldm3d.sampling.decode import Decoded, decode_latents
from ldm3d.sampling.denoise import denoise
from ldm3d.sampling.depth_to_rgbd import depth_to_rgbd
from ldm3d.sampling.image_to_rgbd import image_to_rgbd
from ldm3d.sampling.noise import initial_noise, seeded_generators
from ldm3d.sampling.prompts import Prompts
from ldm3d.sampling.samples import Model, Sample
from ldm3d.sampling.start import Start
from ldm3d.sampling.text_to_rgbd import text_to_rgbd

__all__ = [
    "Decoded",
    "Drawing",
    "Model",
    "Prompts",
    "Sample",
    "Start",
    "decode_latents",
    "denoise",
    "depth_to_rgbd",
    "image_to_rgbd",
    "initial_noise",
    "seeded_generators",
    "text_to_rgbd",
]
