"""Rows of an RGBD corpus of scenes, with exact depth instead of labels, to train and measure without a download."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from ldm3d.images import encode_depth
from ldm3d.keys import make_key
from ldm3d.schema import conform
from ldm3d.toy.pictures import jpeg
from ldm3d.toy.scenes import Scene, exact_depth, render


def scene_rows(seeds: Iterable[int], split: str, size: int = 32, quality: int = 95) -> pa.Table:
    """Render scenes as rows of `rgbd/v1`, `size` x `size` pixels, in the order of their seeds.

    Args:
        split: of all rows.
        quality: of the JPEGs, 1 to 100.
    """
    rows = []
    for seed in seeds:
        scene = Scene.from_seed(seed)
        picture = render(scene, size)
        depth = np.rint(exact_depth(picture.inverse_depth) * 65_535).astype(np.uint16)
        url = url_of(seed)
        rows.append(
            {
                "key": make_key(url),
                "url": url,
                "caption": scene.caption,
                "image": {"bytes": jpeg(picture.image, quality), "path": f"{seed}.jpg"},
                "depth": {"bytes": encode_depth(depth, "png"), "path": f"{seed}.png"},
                "depth_min": 0.0,
                "depth_max": float(picture.inverse_depth.max()),
                "original_width": size,
                "original_height": size,
                "sha256": "",
                "perceptual_hash": 0,
                "similarity": None,
                "nsfw": None,
                "split": split,
            }
        )
    return conform(pa.Table.from_pylist(rows), "rgbd/v1", {"producer": "ldm3d.toy.corpus"})


def url_of(seed: int) -> str:
    """Return the URL of a scene; there is nothing at it."""
    return f"https://scenes.example.invalid/{seed}.jpg"
