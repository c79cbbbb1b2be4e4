"""Which copies of photographs are found as near-duplicates, and which pictures of other colours with them.

    python -m benchmarks.near_duplicates [--size 80]

The photographs are crops of scikit-image's (`photos.make_photos`). Each is changed in the ways below and goes with its
changed version through the decoder of the corpus. The peer is the perceptual hash alone, without colours.
"""

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from benchmarks.measure import arguments, save
from benchmarks.photos import make_photos
from ldm3d.config import DownloadConfig, DuplicatesConfig, SelectConfig
from ldm3d.decode.square import make_square
from ldm3d.duplicates.colours import coarse_colours, have_colours_of
from ldm3d.duplicates.perceptual_hash import NO_HASH
from ldm3d.images import decode_rgb
from ldm3d.toy.pictures import jpeg

Pixels = NDArray[np.uint8]

DOWNLOAD, SELECT = DownloadConfig(), SelectConfig()
COLOURFUL = 8.0  # mean chroma; without colours there are no other colours


def with_hue_turned(image: Pixels, degrees: float, where: NDArray[np.bool_] | None = None) -> Pixels:
    """Turn the hue of a picture, or of a part of it, and keep its luma.

    Args:
        image: (H, W, 3) uint8 RGB.
        degrees: angle in the plane of Cr and Cb.
        where: (H, W) bool; all of it if None.
    """
    chroma = _chroma(image) * np.exp(1j * np.deg2rad(degrees))
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)[..., 0]
    turned = np.dstack([luma, 128 + chroma.real, 128 + chroma.imag]).round().clip(0, 255).astype(np.uint8)
    changed = np.asarray(cv2.cvtColor(turned, cv2.COLOR_YCrCb2RGB), np.uint8)
    return changed if where is None else np.where(where[..., None], changed, image)


def _chroma(image: Pixels) -> NDArray[np.complex128]:
    levels = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)[..., 1:].astype(np.float64) - 128
    return np.asarray(levels[..., 0] + 1j * levels[..., 1])


def _a_thing(image: Pixels) -> NDArray[np.bool_] | None:
    """Find the pixels of one colour: of five clusters the most colourful of 5 to 60 % of the picture; None without."""
    small = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb), (96, 96), interpolation=cv2.INTER_AREA)
    values = (small.reshape(-1, 3) * [0.3, 1, 1]).astype(np.float32)
    cv2.setRNGSeed(0)
    _, labels, centres = cv2.kmeans(values, 5, None, (3, 20, 1.0), 2, cv2.KMEANS_PP_CENTERS)
    chroma = np.hypot(*(centres[:, 1:] - 128).T)
    share = np.bincount(labels[:, 0], minlength=5) / len(labels)
    fit = np.flatnonzero((chroma >= 15) & (share >= 0.05) & (share <= 0.6))
    if not len(fit):
        return None
    is_thing = (labels == fit[chroma[fit].argmax()]).reshape(96, 96).astype(np.uint8)
    size = (image.shape[1], image.shape[0])
    return np.asarray(cv2.resize(is_thing, size, interpolation=cv2.INTER_NEAREST) > 0)


def _sized(image: Pixels, scale: float) -> Pixels:
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=interpolation), np.uint8)


def _cropped(image: Pixels, share: float) -> Pixels:
    y, x = (round(side * share / 2) for side in image.shape[:2])
    return np.ascontiguousarray(image[y:-y, x:-x])


def _saturated(image: Pixels, factor: float) -> Pixels:
    return np.asarray(ImageEnhance.Color(Image.fromarray(image)).enhance(factor))


COPIES: dict[str, Callable[[Pixels], list[bytes]]] = {
    "JPEG of quality 30 to 95": lambda image: [jpeg(image, quality) for quality in (30, 50, 70, 95)],
    "half to 1.5 times the size": lambda image: [jpeg(_sized(image, scale), 90) for scale in (0.5, 0.75, 1.5)],
    "cropped by 1 %": lambda image: [jpeg(_cropped(image, 0.01), 90)],
    "cropped by 2 %": lambda image: [jpeg(_cropped(image, 0.02), 90)],
    "10 % brighter or darker": lambda image: [
        jpeg((image * factor).clip(0, 255).astype(np.uint8), 90) for factor in (0.9, 1.1)
    ],
    "saturation 0.85 or 1.15": lambda image: [jpeg(_saturated(image, factor), 90) for factor in (0.85, 1.15)],
    "4 % warmer or colder": lambda image: [
        jpeg((image * [1 + share, 1, 1 - share]).clip(0, 255).astype(np.uint8), 90) for share in (-0.04, 0.04)
    ],
}


def recoloured(image: Pixels) -> Iterator[tuple[str, bytes]]:
    """Yield versions of a picture in other colours, as JPEG."""
    if np.abs(_chroma(image)).mean() < COLOURFUL:
        return
    thing = _a_thing(image)
    for degrees in (45, 90, 180):
        yield f"all of it turned by {degrees} degrees", jpeg(with_hue_turned(image, degrees), 90)
        if thing is not None:
            yield f"one thing turned by {degrees} degrees", jpeg(with_hue_turned(image, degrees, thing), 90)


def _looks(content: bytes) -> tuple[int, Pixels]:
    square = make_square(content, DOWNLOAD, SELECT)
    return square.perceptual_hash, coarse_colours(decode_rgb(square.jpeg))


def measure(count: int) -> dict[str, dict[str, float]]:
    """Measure by kind of change: pictures, and shares of them that are found, by hash and by hash and colours."""
    judged: dict[str, list[tuple[bool, bool]]] = {}
    distance = DuplicatesConfig().max_distance
    for content in make_photos(640, 480, count, quality=95):
        image = decode_rgb(content)
        value, colours = _looks(content)
        if value == NO_HASH:
            continue
        versions = [(kind, version) for kind, change in COPIES.items() for version in change(image)]
        for kind, version in [*versions, *recoloured(image)]:
            other, other_colours = _looks(version)
            near = other != NO_HASH and ((value ^ other) & (2**64 - 1)).bit_count() <= distance
            alike = near and bool(have_colours_of(colours, other_colours[None])[0])
            judged.setdefault(kind, []).append((near, alike))
    return {
        kind: {
            "pictures": len(pairs),
            "hash": np.mean(pairs, axis=0)[0],
            "hash_and_colours": np.mean(pairs, axis=0)[1],
        }
        for kind, pairs in judged.items()
    }


def main() -> None:
    asked = arguments(__doc__, size=80)
    shares = measure(asked.size)
    for kind, share in shares.items():
        print(f"{kind:36} {share['pictures']:5}  {share['hash']:6.1%} {share['hash_and_colours']:6.1%}")
    save("near_duplicates", {"photographs": asked.size, "found": shares})


if __name__ == "__main__":
    main()
