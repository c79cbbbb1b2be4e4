"""Text to RGBD, as `generate` and the pictures shown during training draw it."""

from ldm3d.config.drawing import PAPER, Drawing
from ldm3d.sampling.decode import pixel_factor
from ldm3d.sampling.denoise import Callback
from ldm3d.sampling.prompts import Prompts
from ldm3d.sampling.samples import Canvas, Model, Sample, draw_samples


def text_to_rgbd(
    model: Model,
    prompts: Prompts,
    drawing: Drawing = PAPER,
    *,
    height: int | None = None,
    width: int | None = None,
    callback: Callback | None = None,
) -> list[Sample]:
    """Draw a sample for each prompt, in their order.

    A sample depends on its own prompt and seed only. With a given `drawing.batch_size` that holds to the bit, whatever
    the order of samples and whichever share a batch (on a CPU; on a GPU as far as its kernels are deterministic).
    Without one, or between batch sizes, it holds to rounding: see `ldm3d.sampling.noise`.

    Args:
        model: the networks and the scheduler.
        prompts: N captions with their embeddings and seeds.
        drawing: how they are drawn.
        height, width: pixels, multiples of the autoencoder's factor; None is what the U-Net was trained at.
        callback: see `Callback`.

    Raises:
        ValueError: shapes or sizes do not match, or a setting does not suit the model.
    """
    return draw_samples(model, prompts, Canvas(latent_shape(model, height, width)), drawing, callback)


def latent_shape(model: Model, height: int | None, width: int | None) -> tuple[int, int, int]:
    """Return the shape (C, h, w) of one latent for a picture of this size in pixels; None is the U-Net's own size.

    Raises:
        ValueError: a side is not a multiple of the autoencoder's factor, or is neither given nor known.
    """
    factor, trained = pixel_factor(model.vae), model.unet.config.sample_size
    if (height is None or width is None) and trained is None:
        raise ValueError("the U-Net does not say what size it was trained at: give height and width, in pixels")
    default = (trained, trained) if isinstance(trained, int) else trained
    height = default[0] * factor if height is None else height
    width = default[1] * factor if width is None else width
    for name, pixels in (("height", height), ("width", width)):
        if pixels < factor or pixels % factor:
            raise ValueError(f"{name} is {pixels} pixels, wanted a multiple of {factor}, the autoencoder's factor")
    return model.unet.config.in_channels, height // factor, width // factor
