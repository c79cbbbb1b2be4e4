"""Whether a picture is a panorama or flat: by its size, unless it is said."""

from ldm3d.config.picture import PictureConfig
from ldm3d.immersive.projection import EQUIRECTANGULAR, Perspective, Projection
from ldm3d.immersive.sphere import is_panorama


def projection_of(config: PictureConfig, height: int, width: int) -> Projection:
    """Return how a picture of this size shows space.

    Raises:
        ValueError: it is said to be a panorama, and is none.
    """
    if config.projection == "flat" or (config.projection == "auto" and not is_panorama(height, width)):
        return Perspective(config.fov)
    EQUIRECTANGULAR.check(height, width)
    return EQUIRECTANGULAR
