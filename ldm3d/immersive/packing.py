"""Two pictures in one: of both eyes, or of colour and depth."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ldm3d.immersive import sphere
from ldm3d.immersive.srgb import levels_of, light_of
from ldm3d.pil import as_depth, as_rgb

Picture = NDArray[np.uint8]
DepthSide = Literal["left", "right", "top", "bottom"]

# What red, green and blue of the left eye (first three) and of the right one give to each channel, in linear light:
# E. Dubois, "A projection method to generate anaglyph stereo images", ICASSP 2001, with the numbers for red and cyan
# glasses at https://www.site.uottawa.ca/~edubois/anaglyph/LeastSquaresHowToPhotoshop.pdf
DUBOIS = np.array(
    [
        [0.456, 0.500, 0.176, -0.043, -0.088, -0.002],
        [-0.040, -0.038, -0.016, 0.378, 0.734, -0.018],
        [-0.015, -0.021, -0.005, -0.072, -0.113, 1.226],
    ],
    np.float32,
)


def side_by_side(left: Picture, right: Picture) -> Picture:
    """Return both eyes' pictures, (H, W, 3) uint8 each, beside each other: (H, 2 W, 3), the left eye left."""
    return np.concatenate(_pair(left, right), axis=1)


def top_bottom(left: Picture, right: Picture) -> Picture:
    """Return both eyes' pictures, (H, W, 3) uint8 each, over each other: (2 H, W, 3), the left eye on top."""
    return np.concatenate(_pair(left, right), axis=0)


def front(panorama: Picture) -> Picture:
    """Return the front half of a panorama: 180 by 180 degrees.

    Of an omni-directional stereo pair, the two beside each other are what is called VR180.

    Args:
        panorama: (H, 2 H, 3) uint8 with an even H.

    Returns:
        (H, H, 3).

    Raises:
        ValueError: it is of another size.
    """
    panorama = as_rgb(panorama)
    height, width = panorama.shape[:2]
    sphere.check_panorama(height, width)
    if height % 2:
        raise ValueError(f"the panorama is {width} x {height}, wanted an even height, so that its half has a middle")
    return panorama[:, width // 4 : width // 4 * 3]


def anaglyph(left: Picture, right: Picture) -> Picture:
    """Return one picture for glasses that are red before the left eye and cyan before the right one.

    The least-squares projection of Dubois: colours are as near to the true ones as such glasses let them be.
    """
    both = np.concatenate(_pair(left, right), axis=2)
    return levels_of(np.clip(light_of(both) @ DUBOIS.T, 0, 1))


def rgbd(picture: Picture, depth: NDArray[np.uint16], side: DepthSide = "right") -> Picture:
    """Return a picture with its depth on one side of it, in grey, white is near: for glasses-free displays.

    Args:
        picture: (H, W, 3) uint8.
        depth: (H, W) uint16, larger is nearer. Eight bits of it are left.
        side: of the picture.

    Returns:
        (H, 2 W, 3) or (2 H, W, 3) uint8.
    """
    check_side(side)
    picture, depth = as_rgb(picture), as_depth(depth)
    if depth.shape != picture.shape[:2]:
        raise ValueError(f"depth is {depth.shape}, the picture {picture.shape[:2]}: resize one to the other's size")
    grey = np.repeat((np.rint(depth / 257)).astype(np.uint8)[..., None], 3, axis=2)
    parts = [grey, picture] if side in ("left", "top") else [picture, grey]
    return np.concatenate(parts, axis=1 if side in ("left", "right") else 0)


def rgbd_suffix(side: DepthSide) -> str:
    """Return the end of the name of such a picture, which says where its depth is: `_rgbd-right`."""
    check_side(side)
    return f"_rgbd-{side}"


def check_side(side: str) -> None:
    """Check that depth may be there.

    Raises:
        ValueError: it is no side of a picture.
    """
    if side not in ("left", "right", "top", "bottom"):
        raise ValueError(f"the side of depth is {side!r}, wanted 'left', 'right', 'top' or 'bottom'")


def _pair(left: Any, right: Any) -> tuple[Picture, Picture]:
    left, right = as_rgb(left), as_rgb(right)
    if left.shape != right.shape:
        raise ValueError(f"the left eye's picture is {left.shape}, the right one's {right.shape}: wanted one size")
    return left, right
