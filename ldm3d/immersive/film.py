"""The frames of a film, drawn one after the other when they are asked for."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ldm3d.immersive.camera import IPD, Camera, SphericalCamera, stereo
from ldm3d.immersive.layout import Layout
from ldm3d.immersive.packing import anaglyph, front, side_by_side, top_bottom
from ldm3d.immersive.surface import Surface
from ldm3d.immersive.view import render


def film(
    surfaces: Sequence[Surface], cameras: Iterable[Camera], layout: Layout, ipd: float = IPD, samples: int = 1
) -> Iterator[NDArray[np.uint8]]:
    """Yield what cameras see of surfaces, (H, W, 3) uint8 each.

    Args:
        surfaces: see `ldm3d.immersive.view.render`, as for `samples`.
        cameras: spherical ones for 360 and 180 degrees, perspective ones for flat pictures.
        layout: of the frames. One of 180 degrees is the front half of what a camera of 360 degrees sees.
        ipd: metres between the eyes, where both see something.

    Raises:
        ValueError: a camera is not of the layout's kind.
    """
    for camera in cameras:
        if isinstance(camera, SphericalCamera) == (layout.projection == "flat"):
            raise ValueError(
                f"a {type(camera).__name__} does not see what is {layout.projection}: wanted a SphericalCamera for "
                "360 and 180, a PerspectiveCamera for flat"
            )
        yield frame(surfaces, camera, layout, ipd, samples)


def frame(
    surfaces: Sequence[Surface], camera: Camera, layout: Layout, ipd: float = IPD, samples: int = 1
) -> NDArray[np.uint8]:
    """Return one frame, (H, W, 3) uint8: see `film`."""
    eyes = (camera,) if layout.packing == "mono" else stereo(camera, ipd)
    views = [render(surfaces, eye, samples).image for eye in eyes]
    if layout.projection == "180":
        views = [front(view) for view in views]
    if layout.packing == "mono":
        return views[0]
    return {"side-by-side": side_by_side, "top-bottom": top_bottom, "anaglyph": anaglyph}[layout.packing](*views)
