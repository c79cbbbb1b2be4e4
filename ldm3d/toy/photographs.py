"""The real photographs in scikit-image's wheel, with captions: pictures of the world without a download."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CAPTIONS = {  # function in skimage.data -> what its picture shows
    "astronaut": "an astronaut in an orange space suit smiling in front of a flag and a model of a space shuttle",
    "brick": "long bricks in rows with pale joints, in black and white",
    "camera": "a man in a dark coat looking through a camera on a tripod, in black and white",
    "cat": "a close-up of the face of a tabby cat with green eyes",
    "cell": "a bright round cell on a dark grey background under a microscope",
    "coffee": "a cup of espresso on a red saucer with a spoon, on a wooden table",
    "coins": "twenty-four ancient coins in four rows on a dark background",
    "grass": "grass seen from above in black and white",
    "gravel": "gravel seen from above in black and white",
    "hubble_deep_field": "hundreds of distant galaxies against black space",
    "immunohistochemistry": "brown and blue stained tissue with glands under a microscope",
    "microaneurysms": "thin dark blood vessels in a grey close-up of a retina",
    "moon": "craters on the grey surface of the moon",
    "page": "a printed page of text about region-based segmentation",
    "retina": "a red human retina with branching blood vessels on a black background",
    "rocket": "a white rocket on its launch pad between steel towers under a dark blue sky",
    "stereo_motorcycle": "a red motorcycle parked in a garage in front of shelves",
    "text": "handwritten formulas on lined paper in black and white",
}


class Photograph(NamedTuple):
    """A picture of the real world."""

    name: str
    """Name of its function in `skimage.data`."""
    caption: str
    image: NDArray[np.uint8]
    """(H, W, 3) uint8 [0, 255], RGB; black and white ones have three equal channels."""


def photographs() -> Iterator[Photograph]:
    """Yield all of them, in alphabetical order.

    Raises:
        ImportError: scikit-image, which the extra `toy` brings, is not installed.
    """
    try:
        from skimage import data
    except ImportError as error:
        raise ImportError("the photographs come with scikit-image: pip install 'ldm3d-on-ray[toy]'") from error
    for name, caption in CAPTIONS.items():
        loaded = getattr(data, name)()
        image = loaded[0] if isinstance(loaded, tuple) else loaded  # the left one of the stereo pair
        if image.ndim == 2:
            image = np.dstack([image] * 3)
        yield Photograph(name, caption, image)
