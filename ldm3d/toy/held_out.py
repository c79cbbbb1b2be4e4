"""Held-out scenes, which no training sees: real pictures to compare with, captions to draw, and the samples drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ldm3d.config import LabelConfig
from ldm3d.depth.relative import DepthEstimator
from ldm3d.keys import make_key
from ldm3d.rgbd import DEPTH_MAX
from ldm3d.sampling import Sample
from ldm3d.toy.caption_following import agreement
from ldm3d.toy.corpus import scene_rows, url_of
from ldm3d.toy.scenes import Scene

FIRST_SEED = 3 * 10**12  # of the held-out scenes; used nowhere else
FILE_ROWS = 64


def write_scenes(folder: Path, first: int, count: int) -> None:
    """Write held-out scenes as parquet files with the columns of `rgbd/v1`, JPEG as in a corpus, with exact depth.

    Args:
        first: number of the first held-out scene, from 0.
        count: how many scenes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    end = first + count
    for place, start in enumerate(range(first, end, FILE_ROWS)):
        seeds = range(FIRST_SEED + start, FIRST_SEED + min(start + FILE_ROWS, end))
        pq.write_table(scene_rows(seeds, "test"), folder / f"{place:05d}.parquet")


@dataclass(frozen=True)
class HeldOut:
    """N held-out scenes, and the samples that a model drew from their captions."""

    scenes: list[Scene]
    samples: list[Sample]

    @classmethod
    def read(cls, folder: Path, count: int) -> Self:
        """Read samples of the stage `generate`, one for each caption of the first `count` scenes.

        Raises:
            KeyError: a scene has no sample.
        """
        by_key: dict[int, dict[str, Any]] = {}
        for file in sorted(folder.glob("*.parquet")):
            by_key |= {row["key"]: row for row in pq.read_table(file).to_pylist()}
        seeds = range(FIRST_SEED, FIRST_SEED + count)
        samples = [Sample.of_row(by_key[make_key(url_of(seed))]) for seed in seeds]
        return cls([Scene.from_seed(seed) for seed in seeds], samples)

    def figures(self) -> dict[str, float]:
        """Return the shares of samples, and of objects in them, that match their captions.

        Names ending in `_shuffled` have the same for captions of other samples, the level of chance.
        """
        images = [sample.image for sample in self.samples]
        own = agreement(images, self.scenes)
        others = agreement(images, _shuffled(self.scenes))
        found: dict[str, float] = {}
        for name, part in (("sky", "sky"), ("floor", "floor"), ("object", "objects")):
            found[f"{name}_accuracy"] = round(getattr(own, part), 4)
            found[f"{name}_accuracy_shuffled"] = round(getattr(others, part), 4)
        return found

    def depth_figures(self, depth_model: Path) -> dict[str, float]:
        """Return the mean absolute difference between samples' depth and a depth model's, both scaled to [0, 1].

        `depth_l1` takes the model's depth of the same sample, `depth_l1_shuffled` that of another.
        """
        estimator: Any = DepthEstimator.from_pretrained(LabelConfig(depth_model=str(depth_model)))
        seen = _unit(estimator(np.stack([sample.image for sample in self.samples])).depth)
        drawn = _unit(np.stack([sample.depth for sample in self.samples if sample.depth is not None]))
        return {
            "depth_l1": round(float(np.abs(drawn - seen).mean()), 4),
            "depth_l1_shuffled": round(float(np.abs(drawn - np.stack(_shuffled(seen))).mean()), 4),
        }


def _shuffled(items: "Sequence[Any] | NDArray[Any]") -> list[Any]:
    return [items[index] for index in np.random.default_rng(0).permutation(len(items))]


def _unit(depth: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Scale depth to [0, 1] within each image, like labels."""
    values = depth.astype(np.float64) / DEPTH_MAX
    low, high = values.min((1, 2), keepdims=True), values.max((1, 2), keepdims=True)
    return np.asarray((values - low) / np.where(high > low, high - low, 1))
