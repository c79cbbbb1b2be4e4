"""Photographs of any size, and a web server on loopback that serves them from its own process."""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ldm3d.schema import conform
from ldm3d.toy.faults import Content, Slow
from ldm3d.toy.pictures import jpeg
from ldm3d.toy.web import ToyWeb

DISTINCT = 48


def make_photos(width: int, height: int, count: int = DISTINCT, quality: int = 90) -> list[bytes]:
    """Make `count` different JPEGs, enlarged at most about 1.5 times, so that they have the texture of photographs.

    Each is a random crop of one of scikit-image's photographs; larger canvases are tiled with several.
    """
    from ldm3d.toy.photographs import photographs

    sources = [photo.image for photo in photographs() if min(photo.image.shape[:2]) >= 300]
    rng = np.random.Generator(np.random.PCG64(0))
    return [jpeg(_mosaic(sources, width, height, rng), quality) for _ in range(count)]


def photo_rows(keys: range, images: list[bytes], depths: list[bytes], pixels: int) -> pa.Table:
    """Make rows of `rgbd/v1`, one for each key, which take images and depth maps in turn."""
    constants: dict[str, Any] = {
        "caption": "a stand-in for a caption of ordinary length",
        "depth_min": 0.0,
        "depth_max": 1.0,
        "original_width": pixels,
        "original_height": pixels,
        "sha256": "0" * 64,
        "similarity": None,
        "nsfw": None,
        "split": "train",
    }
    columns = {
        "key": keys,
        "perceptual_hash": keys,
        "url": [f"https://example.invalid/{key}" for key in keys],
        "image": [{"bytes": images[key % len(images)], "path": ""} for key in keys],
        "depth": [{"bytes": depths[key % len(depths)], "path": ""} for key in keys],
    }
    return conform(pa.table(columns | {name: [value] * len(keys) for name, value in constants.items()}), "rgbd/v1")


@contextmanager
def serve(files: list[bytes], count: int, latency_s: float = 0.0) -> Iterator[list[str]]:
    """Serve `files` in turn at `count` URLs on loopback. The server's CPU time does not count as the caller's."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=_serve, args=(there, files, count, latency_s))
    server.start()
    try:
        base = here.recv()
        yield [f"{base}/{index}.jpg" for index in range(count)]
    finally:
        here.send("stop")
        server.join()


def _serve(pipe: Any, files: list[bytes], count: int, latency_s: float) -> None:
    contents = [Content(file) for file in files]
    answers = [Slow(latency_s, content) for content in contents] if latency_s else contents
    with ToyWeb({f"/{index}.jpg": answers[index % len(answers)] for index in range(count)}) as web:
        pipe.send(web.base_url)
        pipe.recv()


def _mosaic(sources: list[NDArray[np.uint8]], width: int, height: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    canvas = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, 600):
        for left in range(0, width, 800):
            tile = canvas[top : top + 600, left : left + 800]
            tile[:] = _crop(sources[rng.integers(len(sources))], tile.shape[1], tile.shape[0], rng)
    return canvas


def _crop(source: NDArray[np.uint8], width: int, height: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    scale = max(width / source.shape[1], height / source.shape[0]) * rng.uniform(1.0, 1.2)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized = cv2.resize(source, None, fx=scale, fy=scale, interpolation=interpolation)
    if rng.random() < 0.5:
        resized = resized[:, ::-1]
    y, x = rng.integers(resized.shape[0] - height + 1), rng.integers(resized.shape[1] - width + 1)
    return np.asarray(resized[y : y + height, x : x + width], np.uint8)
