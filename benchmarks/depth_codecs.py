"""Bytes, encoding and decoding time of a 512 x 512 depth map by codec, against Pillow's PNG.

    python -m benchmarks.depth_codecs [--size 8] [--repeats 5]

The maps have the texture of a network's predictions (`stand_ins.network_maps`), as smooth ones would compress well in
any codec. Every codec runs on every map in turn, on one thread, and must restore it exactly.
"""

import io
from collections.abc import Callable
from typing import Any

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.measure import arguments, save, timed
from benchmarks.stand_ins import network_maps
from ldm3d.images import decode_depth, encode_depth
from ldm3d.rgbd import pack_depth, unpack_depth

SIZE = 512
PEER = "PNG, Pillow"
Depth = NDArray[np.uint16]


def _pillow_png(depth: Depth) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(depth).save(buffer, "PNG")
    return buffer.getvalue()


def _from_pillow(encoded: bytes) -> Depth:
    return np.asarray(Image.open(io.BytesIO(encoded))).astype(np.uint16)


def _packed_png(depth: Depth) -> bytes:
    bgr = np.ascontiguousarray(pack_depth(depth)[..., ::-1])
    return cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def _from_packed_png(encoded: bytes) -> Depth:
    decoded: Any = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    return unpack_depth(decoded[..., ::-1])


def _from_zstd(encoded: bytes) -> Depth:
    return np.frombuffer(imagecodecs.zstd_decode(encoded), np.uint16).reshape(SIZE, SIZE)


CODECS: dict[str, tuple[Callable[[Depth], bytes], Callable[[bytes], Depth]]] = {  # encode, decode
    PEER: (_pillow_png, _from_pillow),
    "PNG, ours (OpenCV, level 1)": (lambda depth: encode_depth(depth, "png"), decode_depth),
    "JPEG XL, ours (effort 2)": (lambda depth: encode_depth(depth, "jxl"), decode_depth),
    "RGB-packed PNG (OpenCV, level 1)": (_packed_png, _from_packed_png),
    "raw + zstd 3": (lambda depth: bytes(imagecodecs.zstd_encode(depth.tobytes(), 3)), _from_zstd),
}


def measure(maps: Depth, repeats: int) -> dict[str, dict[str, float]]:
    """Measure KiB and milliseconds of each codec: means over maps, of the best of `repeats` for each.

    Raises:
        RuntimeError: a codec is not lossless.
    """
    costs: dict[str, list[tuple[int, float, float]]] = {name: [] for name in CODECS}
    for depth in maps:
        for name, (encode, decode) in CODECS.items():
            encoding, encoded = _best(encode, depth, repeats)
            decoding, decoded = _best(decode, encoded, repeats)
            if not np.array_equal(decoded, depth):
                raise RuntimeError(f"{name} does not restore the map exactly")
            costs[name].append((len(encoded), encoding, decoding))
    means = {}
    for name, values in costs.items():
        size, encode_s, decode_s = np.mean(values, axis=0)
        means[name] = {"kib": size / 1024, "encode_ms": encode_s * 1e3, "decode_ms": decode_s * 1e3}
    return means


def _best(function: Callable[[Any], Any], value: Any, repeats: int) -> tuple[float, Any]:
    turns = [timed(function, value) for _ in range(repeats)]
    return min(seconds for seconds, _ in turns), turns[-1][1]


def main() -> None:
    asked = arguments(__doc__, size=8, repeats=5)
    cv2.setNumThreads(1)
    costs = measure(network_maps(asked.size, SIZE), asked.repeats)
    peer = costs[PEER]
    ratios = {name: {part: peer[part] / cost[part] for part in peer} for name, cost in costs.items()}
    for name, cost in costs.items():
        line = "  ".join(f"{part} {value:7.2f} ({ratios[name][part]:5.2f} x)" for part, value in cost.items())
        print(f"{name:34} {line}")
    save("depth_codecs", {"maps": asked.size, "costs": costs, "ratio": ratios})


if __name__ == "__main__":
    main()
