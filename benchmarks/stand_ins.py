"""Stand-ins for real parts: a small depth model, an accelerator that sleeps, workers that do nothing."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldm3d.config import CorpusConfig, LabelConfig
from ldm3d.depth.relative import DepthEstimator, DepthLabels
from ldm3d.keys import make_key
from ldm3d.toy.depth_model import dpt_processor, save, small_dpt
from ldm3d.toy.pictures import jpeg
from pipelines.corpus.download import Downloader
from pipelines.corpus.label_depth import DepthLabeler, Estimator
from pipelines.storage.folder import Folder

DPT_PIXELS = 128


def save_small_dpt(folder: Path) -> None:
    """Save a DPT with random weights and its processor: DPT-Large's architecture with 2.6 M parameters."""
    import torch

    torch.manual_seed(0)
    model = small_dpt(DPT_PIXELS, hidden_size=192, necks=(24, 48, 96, 192), mlp_ratio=4, fusion_size=32)
    save(model, dpt_processor(DPT_PIXELS), folder)


class Diary:
    """Wraps an estimator and writes a line per batch to diary.txt beside its model: began, ended, rows."""

    def __init__(self, estimate: Estimator, config: LabelConfig) -> None:
        self.estimate = estimate
        self.file = Path(config.depth_model, "diary.txt")

    def __call__(self, images: NDArray[np.uint8]) -> DepthLabels:
        began = time.time()
        labels = self.estimate(images)
        with self.file.open("a") as file:
            file.write(f"{began!r} {time.time()!r} {len(images)}\n")
        return labels


class Accelerator:
    """An estimator that takes no CPU time: it sleeps for each image, and returns maps like a network's."""

    def __init__(self, rows_per_s: float) -> None:
        self.rows_per_s = rows_per_s
        self.maps: NDArray[np.uint16] | None = None

    def __call__(self, images: NDArray[np.uint8]) -> DepthLabels:
        began, count = time.perf_counter(), len(images)
        if self.maps is None or len(self.maps) < count:
            self.maps = network_maps(count, images.shape[1])
        ends, finite = np.zeros(count, np.float32), np.ones(count, bool)
        time.sleep(max(0.0, count / self.rows_per_s - (time.perf_counter() - began)))
        return DepthLabels(self.maps[:count], ends, ends + 1, finite)


class DiaryLabeler(DepthLabeler):
    """The labelling stage with a diary."""

    def __init__(self, config: LabelConfig, cpus: float) -> None:
        super().__init__(config, cpus, lambda config: Diary(DepthEstimator.from_pretrained(config), config))


class FastLabeler(DepthLabeler):
    """The labelling stage on an emulated accelerator: 200 rows/s, like DPT-Large on a good GPU."""

    def __init__(self, config: LabelConfig, cpus: float) -> None:
        super().__init__(config, cpus, lambda config: Diary(Accelerator(200), config))


class SlowLabeler(DepthLabeler):
    """The same at 50 rows/s."""

    def __init__(self, config: LabelConfig, cpus: float) -> None:
        super().__init__(config, cpus, lambda config: Diary(Accelerator(50), config))


def flat_labels(images: NDArray[np.uint8]) -> DepthLabels:
    """Return flat labels at once."""
    zeros = np.zeros(len(images), np.float32)
    return DepthLabels(np.zeros(images.shape[:3], np.uint16), zeros, zeros, np.ones(len(images), bool))


class FlatLabeler(DepthLabeler):
    def __init__(self, config: LabelConfig, cpus: float) -> None:
        super().__init__(config, cpus, lambda _: flat_labels)


class EmptyDownloader(Downloader):
    """Downloads nothing: every row gets the same grey square, and its own hashes."""

    def __init__(self, config: CorpusConfig, actors: int, cpus: float, calls: int) -> None:
        size = config.download.image_size
        self.candidates = Folder(config.output)
        self.square = jpeg(np.full((size, size, 3), 128, np.uint8))

    def images(self, urls: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        for index, url in enumerate(urls):
            hashes = {"sha256": hashlib.sha256(url.encode()).hexdigest(), "perceptual_hash": make_key(url)}
            yield index, {"image": self.square, "original_width": 640, "original_height": 480, **hashes}


def network_maps(count: int, size: int, seed: int = 0) -> NDArray[np.uint16]:
    """Return depth like a network's, (N, size, size) uint16: textured scenes at 384 x 384, resized bicubically.

    The texture makes them as hard to compress as real labels: noise of 1/300 of the range, smoothed over three pixels.
    """
    import cv2
    import torch

    from ldm3d.depth.relative import quantise
    from ldm3d.toy.scenes import Scene, render

    rng = np.random.Generator(np.random.PCG64(seed))
    maps = np.empty((count, 384, 384), np.float32)
    for index in range(count):
        exact = render(Scene.from_seed(index % 8), 384, samples=1).inverse_depth
        soft = cv2.GaussianBlur(exact / exact.max(), (0, 0), 2.0)
        texture = cv2.GaussianBlur(rng.standard_normal((384, 384), dtype=np.float32), (0, 0), 1.0)
        maps[index] = soft + texture / 100
    resized = torch.nn.functional.interpolate(torch.from_numpy(maps)[:, None], (size, size), mode="bicubic")
    return quantise(resized[:, 0]).depth
