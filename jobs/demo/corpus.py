"""The first part of the demo: a depth model, and two corpora from a web on loopback that it labels."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from jobs.demo.parts import Countdown
from ldm3d.config import PRESETS, CorpusConfig
from ldm3d.images import decode_depth
from ldm3d.toy.depth_model import train_depth_model
from ldm3d.toy.gallery import build_gallery
from ldm3d.toy.scenes import Scene, exact_depth, render
from ldm3d.toy.web import ToyWeb
from ldm3d.toy.world import World, build_world
from pipelines.rebuild_corpus import rebuild_corpus

SCENES = 1_024
LABEL_STEPS = 1_000  # of 8 scenes each
PHOTOGRAPH_SIZE = 256  # pixels
COUNTS = ("rows_read", "rows_kept", "rows_rejected")


def rebuild(root: Path, countdown: Countdown) -> dict[str, Any]:
    """Train the labeller and rebuild the corpora of scenes and of photographs. Returns their part of summary.json.

    Raises:
        RuntimeError: a row was kept or rejected against what its page deserves.
    """
    with countdown.part("train a small depth model on scenes with exact depth"):
        labeller = _train_labeller(root / "models/depth")
    with countdown.part("rebuild a corpus of scenes and one of photographs"), ToyWeb() as web:
        world = build_world(root / "scenes/metadata", web.base_url, SCENES)
        gallery = build_gallery(root / "photographs/metadata", web.base_url)
        web.pages.update(world.pages | gallery.pages)
        corpus = rebuild_corpus(_config(root, "scenes"))
        photographs = rebuild_corpus(_config(root, "photographs", image_size=PHOTOGRAPH_SIZE))
    _check_outcomes(world, corpus)
    return {
        "corpus": {name: corpus[name] for name in COUNTS},
        "photographs": {name: photographs[name] for name in COUNTS},
        "labels": {"depth_l1": depth_error(root / "scenes/corpus", world.scenes), **labeller},
    }


def depth_error(corpus: Path, scenes: dict[str, Scene]) -> float:
    """Return the mean absolute error of a corpus's labels against exact depth, both scaled to [0, 1] in each image."""
    errors = []
    for file in sorted(corpus.glob("rgbd/*/*.parquet")):
        for row in pq.read_table(file, columns=["url", "depth"]).to_pylist():
            if scene := scenes.get(row["url"]):
                depth = decode_depth(row["depth"]["bytes"]) / 65_535
                errors.append(np.abs(depth - exact_depth(render(scene, len(depth)).inverse_depth)).mean())
    return round(float(np.mean(errors)), 4)


def _train_labeller(folder: Path) -> dict[str, Any]:
    report = train_depth_model(folder, LABEL_STEPS)
    print(f"  {report.parameters:,} parameters, error on held-out scenes {report.l1:.4f}")
    return {"model_parameters": report.parameters, "model_l1_held_out": round(report.l1, 4)}


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
