"""Where pages, meshes and splats are made of results, away from the processes that answer and draw."""

import asyncio
import logging
import threading

import numpy as np

from ldm3d.images import encode_depth, encode_rgb
from pipelines.serving.exports import MEDIA, make
from pipelines.serving.messages import Result

logger = logging.getLogger("ray.serve")

AT_ONCE = 2  # each takes a CPU, and memory


class Studio:
    """A deployment of Ray Serve."""

    def __init__(self) -> None:
        self.turns = asyncio.Semaphore(AT_ONCE)
        threading.Thread(target=_warm, name="warm", daemon=True).start()

    async def make(self, result: Result, name: str) -> bytes:
        """Make one of `MEDIA` of a result with depth."""
        async with self.turns:
            return await asyncio.to_thread(make, result, name)


def _warm() -> None:
    """Make each of a small picture, so that nobody waits for imports and compilers later."""
    image, depth = encode_rgb(np.zeros((8, 8, 3), np.uint8)), encode_depth(np.zeros((8, 8), np.uint16), "png")
    small = Result("", "", "", panorama=False, width=8, height=8, image=image, depth=depth, facts={"seed": 0})
    try:
        for name in MEDIA:
            make(small, name)
    except Exception:
        logger.exception("nothing can be made of results")
