"""Pictures as files: of results, and of previews."""

import numpy as np
from numpy.typing import NDArray

from ldm3d.images import decode_rgb, encode_depth, encode_rgb
from ldm3d.immersive.layout import Layout
from ldm3d.immersive.sphere import is_panorama
from ldm3d.immersive.still import Provenance, SourceType, png
from ldm3d.serving.events import Done, Picture, Step
from pipelines.serving.messages import Order, Result, Stepped

DRAWN: SourceType = "trainedAlgorithmicMedia"


def result_of(order: Order, done: Done, *, provenance: bool) -> Result:
    """Encode what was drawn.

    Args:
        provenance: whether the picture says inside how it was made.
    """
    sample, request = done.sample, order.request
    height, width = sample.image.shape[:2]
    if provenance:
        around = request.panorama and is_panorama(height, width)
        image = png(sample.image, Layout("360" if around else "flat"), Provenance(DRAWN, order.model, request.seed))
    else:
        image = encode_rgb(sample.image)
    depth = None if sample.depth is None else encode_depth(sample.depth, "png")
    return Result(
        order.identity, order.model, request.prompt, request.panorama, width, height, image, depth, done.facts
    )


def stepped_of(step: Step) -> Stepped:
    """Encode what a step is told with."""
    if step.preview is None:
        return Stepped(step.step, step.steps)
    return Stepped(step.step, step.steps, encode_rgb(step.preview.image), _grey(step.preview))


def _grey(preview: Picture) -> bytes | None:
    import cv2

    if preview.depth is None:
        return None
    grey: NDArray[np.uint8] = (preview.depth >> 8).astype(np.uint8)
    return bytes(cv2.imencode(".png", grey)[1])


def enlarged(preview: bytes, width: int, height: int) -> bytes:
    """Return a preview, a PNG, at the size of its picture, as clients of the OpenAI API expect it."""
    import cv2

    image = decode_rgb(preview)
    return encode_rgb(np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8))
