"""The whole model that a stage is given, wherever it is."""

from ldm3d.sampling.pipeline import RgbdPipeline
from pipelines.storage.models import model_copy

PARTS = ("", "vae", "unet", "text_encoder", "tokenizer", "scheduler")


def open_model(model: str, revision: str | None = None) -> RgbdPipeline:
    """A trained model in float32, on the CPU.

    Args:
        model: a folder in diffusers layout, local or s3://, or a hub id.
        revision: of a hub's.

    Raises:
        ValueError: there is none that will do.
    """
    if "://" not in model:
        return RgbdPipeline.from_pretrained(model, revision)
    with model_copy(model, PARTS, "model.model") as folder:
        return RgbdPipeline.from_pretrained(folder)
