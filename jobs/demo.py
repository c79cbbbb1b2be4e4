"""Every stage for real on two cores, without a download: `make demo`.

A small web of procedural scenes (and of faults) and one of real photographs are served on loopback; their corpora are
rebuilt by the job that rebuilds LAION's. Everything lies under runs/demo/ afterwards; summary.json holds the figures.
"""

import argparse
import dataclasses
import json
import logging
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from ldm3d.config import PRESETS, CorpusConfig
from ldm3d.images import decode_depth
from ldm3d.toy.depth_model import train_depth_model
from ldm3d.toy.gallery import build_gallery
from ldm3d.toy.scenes import Scene, exact_depth, render
from ldm3d.toy.web import ToyWeb
from ldm3d.toy.world import World, build_world
from pipelines.rebuild_corpus import rebuild_corpus

ROOT = Path("runs/demo")
SCENES = 512
LABEL_STEPS = 1_000  # of 8 scenes each
PHOTOGRAPH_SIZE = 256  # pixels


def demo(root: Path = ROOT, scenes: int = SCENES, label_steps: int = LABEL_STEPS) -> dict[str, Any]:
    """Run every stage into a fresh `root`. Returns what summary.json holds."""
    began = time.monotonic()
    shutil.rmtree(root, ignore_errors=True)
    labeller = _train_labeller(root / "models/depth", label_steps)
    with ToyWeb() as web:
        world = build_world(root / "scenes/metadata", web.base_url, scenes)
        gallery = build_gallery(root / "photographs/metadata", web.base_url)
        web.pages.update(world.pages | gallery.pages)
        corpus = rebuild_corpus(_config(root, "scenes"))
        photographs = rebuild_corpus(_config(root, "photographs", image_size=PHOTOGRAPH_SIZE))
    labels = {"depth_l1": depth_error(root / "scenes/corpus", world.scenes), **labeller}
    counts = ("rows_read", "rows_kept", "rows_rejected")
    summary = {
        "seconds_total": round(time.monotonic() - began, 1),
        "corpus": {name: corpus[name] for name in counts},
        "photographs": {name: photographs[name] for name in counts},
        "labels": labels,
    }
    _check_outcomes(world, corpus)
    (root / "summary.json").write_text(json.dumps(summary, indent=2))
    return summary


def depth_error(corpus: Path, scenes: dict[str, Scene]) -> float:
    """Mean absolute error of a corpus's labels against exact depth, both in [0, 1] within an image."""
    errors = []
    for file in sorted(corpus.glob("rgbd/*/*.parquet")):
        for row in pq.read_table(file, columns=["url", "depth"]).to_pylist():
            if scene := scenes.get(row["url"]):
                depth = decode_depth(row["depth"]["bytes"]) / 65_535
                errors.append(np.abs(depth - exact_depth(render(scene, len(depth)).inverse_depth)).mean())
    return round(float(np.mean(errors)), 4)


def _train_labeller(folder: Path, steps: int) -> dict[str, Any]:
    print("training a small DPT on scenes with exact depth (about a minute)", flush=True)
    report = train_depth_model(folder, steps)
    print(f"  {report.parameters:,} parameters, error on held-out scenes {report.l1:.4f}, {report.seconds:.0f} s")
    return {"model_parameters": report.parameters, "model_l1_held_out": round(report.l1, 4)}


def _config(root: Path, name: str, image_size: int | None = None) -> CorpusConfig:
    """The toy preset, told that loopback may be contacted, which nothing but tests and this demo may say."""
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
    """The world says what should become of each of its rows.

    Raises:
        RuntimeError: something else became of them.
    """
    expected = {str(reason): count for reason, count in sorted(world.counts.items()) if reason}
    if expected != corpus["rows_rejected"]:
        raise RuntimeError(f"rejects by reason were {corpus['rows_rejected']}, wanted {expected}")


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    summary = demo()
    print(json.dumps(summary, indent=2))
    print(f"\npictures: {ROOT}/scenes/corpus/contact_sheet.png and {ROOT}/photographs/corpus/contact_sheet.png")
    error = summary["labels"]["depth_l1"]
    print(f"depth labels of the scenes against exact depth: mean absolute error {error:.4f} of a range of 1")
    print("(the photographs took the same way, but their labels mean nothing: the model knows cubes and spheres only)")


if __name__ == "__main__":
    main()
