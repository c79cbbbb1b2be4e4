"""Every stage for real on two cores, without a download: `make demo`.

A small web of procedural scenes (and of faults) and one of real photographs are served on loopback; their corpora are
rebuilt by the job that rebuilds LAION's. Everything lies under runs/demo/ afterwards, in the place of what an earlier
demo left there; summary.json holds the figures.
"""

import argparse
import dataclasses
import json
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from jobs.demo.evaluation import measure
from jobs.demo.folder import begin_afresh
from jobs.demo.training import train
from ldm3d.config import PRESETS, CorpusConfig
from ldm3d.images import decode_depth
from ldm3d.toy.depth_model import train_depth_model
from ldm3d.toy.gallery import build_gallery
from ldm3d.toy.scenes import Scene, exact_depth, render
from ldm3d.toy.web import ToyWeb
from ldm3d.toy.world import World, build_world
from pipelines.rebuild_corpus import rebuild_corpus

ROOT = Path("runs/demo")
SCENES = 1_024
LABEL_STEPS = 1_000  # of 8 scenes each
PHOTOGRAPH_SIZE = 256  # pixels
REPORT = """
depth labels against exact depth: mean absolute error {labels[depth_l1]:.4f} of a range of 1
autoencoder, validation scenes:   PSNR {autoencoder[psnr_db]:.1f} dB, depth error {autoencoder[depth_l1]:.4f}
samples of held-out captions, and (in brackets) with the captions shuffled, which is chance:
  sky as the caption says     {samples[sky_accuracy]:.1%} ({samples[sky_accuracy_shuffled]:.1%})
  floor                       {samples[floor_accuracy]:.1%} ({samples[floor_accuracy_shuffled]:.1%})
  colour of objects           {samples[object_accuracy]:.1%} ({samples[object_accuracy_shuffled]:.1%})
  depth, against what the depth model sees in the sample: {samples[depth_l1]:.4f} ({samples[depth_l1_shuffled]:.4f})
and as the evaluation ranks it before a model that was trained for a few epochs only: {root}/evaluation/report.html

look at  {root}/samples.png                  captions, generated images, generated depth
         {root}/evaluation/report.html       all metrics with their errors, figures, protocol
         {root}/scenes/corpus/contact_sheet.png, {root}/photographs/corpus/contact_sheet.png
         {root}/autoencoder/pictures/, {root}/latents/latents.png, {root}/diffusion/losses.png
(the photographs took the same way, but their labels mean nothing: the depth model knows cubes and spheres only)
"""


def demo(root: Path) -> dict[str, Any]:
    """Run every stage into a fresh `root`. Returns what summary.json holds."""
    began = time.monotonic()
    begin_afresh(root)
    labeller = _train_labeller(root / "models/depth")
    with ToyWeb() as web:
        world = build_world(root / "scenes/metadata", web.base_url, SCENES)
        gallery = build_gallery(root / "photographs/metadata", web.base_url)
        web.pages.update(world.pages | gallery.pages)
        corpus = rebuild_corpus(_config(root, "scenes"))
        photographs = rebuild_corpus(_config(root, "photographs", image_size=PHOTOGRAPH_SIZE))
    labels = {"depth_l1": depth_error(root / "scenes/corpus", world.scenes), **labeller}
    counts = ("rows_read", "rows_kept", "rows_rejected")
    _check_outcomes(world, corpus)
    made = {
        "corpus": {name: corpus[name] for name in counts},
        "photographs": {name: photographs[name] for name in counts},
        "labels": labels,
        **train(root),
        **measure(root),
    }
    summary = {"seconds_total": round(time.monotonic() - began, 1), **made}
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


def _train_labeller(folder: Path) -> dict[str, Any]:
    print("training a small DPT on scenes with exact depth (about a minute)", flush=True)
    report = train_depth_model(folder, LABEL_STEPS)
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
    summary = demo(ROOT)
    print(json.dumps(summary, indent=2))
    print(REPORT.format(root=ROOT, **summary))


if __name__ == "__main__":
    main()
