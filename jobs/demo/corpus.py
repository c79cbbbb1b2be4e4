"""The second part of the demo: two corpora from a web on loopback."""

import dataclasses
import logging
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from jobs.demo.parts import Countdown
from ldm3d.config import PRESETS, CorpusConfig
from ldm3d.images import decode_depth
from ldm3d.toy.gallery import build_gallery
from ldm3d.toy.scenes import Scene, exact_depth, render
from ldm3d.toy.web import ToyWeb
from ldm3d.toy.world import World, build_world
from pipelines.rebuild_corpus import rebuild_corpus

logger = logging.getLogger(__name__)

SCENES = 1_024
PORT = 28_613  # of the web: keys are hashes of URLs, and splits and order follow from keys
PHOTOGRAPH_SIZE = 256  # pixels
COUNTS = ("rows_read", "rows_kept", "rows_rejected")


def rebuild(root: Path, countdown: Countdown) -> dict[str, Any]:
    """Rebuild the corpora of scenes and of photographs. Returns their part of summary.json.

    Raises:
        RuntimeError: a row was kept or rejected against what its page deserves.
    """
    with countdown.part("rebuild a corpus of scenes and one of photographs"), _web() as web:
        world = build_world(root / "scenes/metadata", web.base_url, SCENES)
        gallery = build_gallery(root / "photographs/metadata", web.base_url)
        web.pages.update(world.pages | gallery.pages)
        corpus = rebuild_corpus(_config(root, "scenes"))
        photographs = rebuild_corpus(_config(root, "photographs", image_size=PHOTOGRAPH_SIZE))
    _check_outcomes(world, corpus)
    return {
        "corpus": {name: corpus[name] for name in COUNTS},
        "photographs": {name: photographs[name] for name in COUNTS},
        "labels": {"depth_l1": depth_error(root / "scenes/corpus", world.scenes)},
    }


def _web() -> ToyWeb:
    """Make a web that has the same address in every demo, if it is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            logger.warning("port %d is taken: with other URLs, the figures will differ a little from other runs", PORT)
            return ToyWeb()
    return ToyWeb(port=PORT)


def depth_error(corpus: Path, scenes: dict[str, Scene]) -> float:
    """Return the mean absolute error of a corpus's labels against exact depth, both scaled to [0, 1] in each image."""
    errors = []
    for file in sorted(corpus.glob("rgbd/*/*.parquet")):
        for row in pq.read_table(file, columns=["url", "depth"]).to_pylist():
            if scene := scenes.get(row["url"]):
                depth = decode_depth(row["depth"]["bytes"]) / 65_535
                errors.append(np.abs(depth - exact_depth(render(scene, len(depth)).inverse_depth)).mean())
    return round(float(np.mean(errors)), 4)


def _config(root: Path, name: str, image_size: int | None = None) -> CorpusConfig:
    """Return the toy preset with loopback allowed, which only tests and this demo may do."""
    preset = PRESETS["toy"]
    download = dataclasses.replace(preset["download"], allow_addresses=("127.0.0.1",))
    if image_size:
        download = dataclasses.replace(download, image_size=image_size)
    return CorpusConfig(
        input=str(root / name / "metadata"),
        output=str(root / name / "corpus"),
        **(preset | {"download": download}),
    )


def _check_outcomes(world: World, corpus: dict[str, Any]) -> None:
    """Compare what became of the rows with what the world expects.

    Raises:
        RuntimeError: they differ.
    """
    expected = {str(reason): count for reason, count in sorted(world.counts.items()) if reason}
    if expected != corpus["rows_rejected"]:
        raise RuntimeError(f"rejects by reason were {corpus['rows_rejected']}, wanted {expected}")
