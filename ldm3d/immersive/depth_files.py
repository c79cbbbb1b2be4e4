"""Distances as files that other software opens, and distances from such files.

What is written is in metres along the ray; what is unknown is NaN in EXR, NPY and PFM, and 0 in KITTI's PNG.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldm3d.immersive.srgb import light_of

KITTI = 256  # levels a metre
KITTI_FAR = 65_535 / KITTI  # metres, which is as far as such a file reaches
_LAYERS = ("Z", "depth.Z", "distance.Z", "depth.V", "Y", "V")  # what renderers and networks call it


def exr(
    picture: NDArray[np.uint8], distance: NDArray[np.floating], file: Path, facts: dict[str, str] | None = None
) -> None:
    """Write an OpenEXR file: R, G, B half-precision, linear (scene-referred, of sRGB), and Z float, metres.

    Args:
        picture: (H, W, 3) uint8, sRGB.
        distance: (H, W).
        facts: text for its header.

    Raises:
        ValueError: OpenEXR is not installed.
    """
    openexr = _openexr()
    light = light_of(picture).astype(np.float16)
    channels = {name: np.ascontiguousarray(light[..., place]) for place, name in enumerate("RGB")}
    channels["Z"] = np.ascontiguousarray(distance, np.float32)
    header = {
        "compression": openexr.ZIP_COMPRESSION,
        "type": openexr.scanlineimage,
        "worldToCamera": np.eye(4, dtype=np.float32),
        "depthMeaning": "metres along the ray",
        **(facts or {}),
    }
    with openexr.File(header, channels) as made:
        made.write(str(file))


def npy(distance: NDArray[np.floating]) -> bytes:
    """Return a .npy file of (H, W) float32, metres."""
    file = io.BytesIO()
    np.save(file, distance.astype(np.float32))
    return file.getvalue()


def kitti_png(distance: NDArray[np.floating]) -> bytes:
    """Return a 16-bit PNG as KITTI's depth benchmark has them: metres times 256, 0 where unknown.

    What is beyond 255.99 metres is written as that.
    """
    import cv2

    levels = np.clip(np.round(np.nan_to_num(distance, nan=0.0, posinf=KITTI_FAR) * KITTI), 0, 65_535)
    return bytes(cv2.imencode(".png", levels.astype(np.uint16))[1])


def pfm(distance: NDArray[np.floating]) -> bytes:
    """Return a PFM file of one channel, metres: rows from the bottom up, as the format has them."""
    height, width = distance.shape
    return f"Pf\n{width} {height}\n-1.0\n".encode() + np.flipud(distance).astype("<f4").tobytes()


def read_numbers(file: Path) -> NDArray[np.float64]:
    """Read the numbers of a map as floats, (H, W). Of integers they are the values themselves; see `read_map`."""
    return read_map(file).astype(np.float64)


def read_map(file: Path) -> NDArray[Any]:
    """Read the numbers of a map, as they are: the caller knows what they mean.

    Args:
        file: EXR (a channel called Z, or its only one), NPY, PFM, or PNG or TIFF of one channel.

    Returns:
        (H, W), integers or floats, as the file has them: a 16-bit PNG has uint16, 0 to 65,535.

    Raises:
        ValueError: it cannot be read, or does not hold a map of one channel.
    """
    readers: dict[str, Callable[[Path], NDArray[Any]]] = {".exr": _read_exr, ".npy": _read_npy, ".pfm": _read_pfm}
    if not file.is_file():
        raise ValueError(f"{str(file)!r} is not a file: give the map of distances")
    try:
        values = readers.get(file.suffix.lower(), _read_picture)(file)
    except Exception as error:  # a malformed file makes each library raise its own
        raise ValueError(f"{str(file)!r} cannot be read: {type(error).__name__}: {error}") from error
    if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "uif":
        raise ValueError(f"{str(file)!r} holds {values.shape} {values.dtype}, wanted a map of one number a pixel")
    return values


def _read_exr(file: Path) -> NDArray[Any]:
    with _openexr().File(str(file), separate_channels=True) as opened:
        channels = opened.channels()
        names = [name for name in _LAYERS if name in channels] or (list(channels) if len(channels) == 1 else [])
        if not names:
            raise ValueError(
                f"its channels are {', '.join(sorted(channels))}, and none of them is known to be depth: "
                f"wanted {' or '.join(_LAYERS)}, or one channel only"
            )
        return np.array(channels[names[0]].pixels)


def _read_npy(file: Path) -> NDArray[Any]:
    values: NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    return values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values


def _read_pfm(file: Path) -> NDArray[Any]:
    """Read the values as they are. OpenCV, which reads the format too, divides them by the scale in its header."""
    content = file.read_bytes()
    kind, size, scale, values = content.split(b"\n", 3)
    if kind.strip() != b"Pf":
        raise ValueError(f"it begins with {kind[:4]!r}, wanted Pf, a PFM of one channel")
    width, height = map(int, size.split())
    order = "<" if float(scale) < 0 else ">"
    if len(values) < width * height * 4 or width < 1 or height < 1:
        raise ValueError(f"it declares {width} x {height} pixels and holds {len(values) // 4}")
    return np.flipud(np.frombuffer(values, f"{order}f4", width * height).reshape(height, width))


def _read_picture(file: Path) -> NDArray[Any]:
    import cv2

    values = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None:
        raise ValueError("it does not decode: wanted EXR, NPY, PFM, PNG or TIFF")
    return values


def _openexr() -> Any:
    try:
        import OpenEXR
    except ImportError as error:
        raise ValueError("OpenEXR is not installed: pip install 'ldm3d-on-ray[immersive]'") from error
    return OpenEXR
