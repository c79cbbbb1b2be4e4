"""Run every stage for real on two cores, without a download.

A web on loopback serves procedural scenes, real photographs and faults. The job that rebuilds LAION's corpus rebuilds
theirs; a model is trained on the scenes, draws held-out captions, and is measured; panoramas become places. Everything
is under runs/demo/ afterwards and replaces what an earlier demo left there. summary.json holds the figures.
"""

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Any

from jobs.cli.program import program
from jobs.demo.folder import begin_afresh, claim
from jobs.demo.packages import require_packages
from jobs.demo.parts import PARTS, TRAIN_NETWORKS, Countdown
from jobs.demo.to_try import to_try
from jobs.demo.toy_models import make_models

ROOT = Path("runs/demo")
SMALL = Path("runs/serve")
REFUSED = 2  # as of the stages
REPORT = """
depth labels against exact depth: mean absolute error {labels[depth_l1]:.4f} of a range of 1
autoencoder, validation scenes:   PSNR {autoencoder[psnr_db]:.1f} dB, depth error {autoencoder[depth_l1]:.4f}
samples of held-out captions, and (in brackets) with the captions shuffled, which is chance:
  sky as the caption says     {samples[sky_accuracy]:.1%} ({samples[sky_accuracy_shuffled]:.1%})
  floor                       {samples[floor_accuracy]:.1%} ({samples[floor_accuracy_shuffled]:.1%})
  colour of objects           {samples[object_accuracy]:.1%} ({samples[object_accuracy_shuffled]:.1%})
  depth, against what the depth model sees in the sample: {samples[depth_l1]:.4f} ({samples[depth_l1_shuffled]:.4f})
an exact panorama as a place: views from 10 cm beside its middle have a PSNR of {fusion[psnr_moved_view_db]:.1f} dB,
  stereo panoramas {fusion[psnr_ods_db]:.1f} dB
the panorama that the model drew: the step across its seam is {fusion[seam_ratio_rgb]:.2f} of that between other
  columns, in depth {fusion[seam_ratio_depth]:.2f}
The evaluation also ranks it above a model that was trained briefly: {root}/evaluation/report.html

look at  {root}/samples.png                  captions, generated images, generated depth
         {root}/evaluation/report.html       all metrics with their errors, figures, protocol
         {root}/scenes/corpus/contact_sheet.png, {root}/photographs/corpus/contact_sheet.png
         {root}/autoencoder/pictures/, {root}/latents/latents.png, {root}/diffusion/losses.png
         {root}/places/plain/index.html      an exact panorama: a page to look around in, views, films, meshes, splats
         {root}/places/plain_at_dusk/index.html    the same as the model draws it, as fine as its pictures
         {root}/summary.json                 all figures of this demo
(the photographs went the same way, but their labels mean nothing: the depth model only knows cubes and spheres)

how long it took, of {minutes:.1f} min in all:
  {times}

to try ({first}the next demo deletes {root}, so your own outputs go elsewhere in runs/):
{commands}
"""


def demo(root: Path, countdown: Countdown) -> dict[str, Any]:
    """Run every stage into a fresh `root`. Returns what summary.json holds."""
    begin_afresh(root)
    countdown.announce()
    # Seconds of imports, which the announcement does not wait for.
    from jobs.demo.corpus import rebuild
    from jobs.demo.evaluation import measure
    from jobs.demo.networks import train_networks
    from jobs.demo.place import make_places
    from jobs.demo.training import train

    labeller = train_networks(root / "models", countdown)
    made = {**rebuild(root, countdown), **train(root, countdown), **measure(root, countdown)}
    made |= make_places(root, countdown)
    made["labels"] |= labeller
    seconds = {name: round(taken, 1) for name, taken in countdown.taken.items()}
    summary = {"seconds_total": round(sum(seconds.values()), 1), "seconds": seconds, **made}
    (root / "summary.json").write_text(json.dumps(summary, indent=2))
    return summary


def closing(root: Path, summary: dict[str, Any], times: list[str]) -> str:
    """Return the last words: figures, what to look at, how long each part took, and three commands to try."""
    commands = "\n".join(f"  {about}\n    {line}" for about, line in to_try(root).items())
    first = "`source $(make -s activate)` first; " if program("demo").startswith("python ") else ""
    about = {"root": root, "first": first, "minutes": summary["seconds_total"] / 60, "times": "\n  ".join(times)}
    return REPORT.format(**about, commands=commands, **summary)


def main() -> None:
    parser = argparse.ArgumentParser(prog=program("demo"), description=__doc__)
    parser.add_argument("--models", action="store_true", help="make only the networks that the preset toy begins with")
    parser.add_argument("--small-model", action="store_true", help="train only a small model to serve, in runs/serve")
    arguments = parser.parse_args()
    only_models = arguments.models
    if arguments.small_model:
        _make_small_model()
        return
    try:
        if not only_models:
            require_packages()
        claim(ROOT)
    except ValueError as refusal:
        print(f"error: {refusal}", file=sys.stderr)
        sys.exit(REFUSED)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    if only_models:
        parts = {name: PARTS[name] for name in (TRAIN_NETWORKS,)}
        made = make_models(ROOT, Countdown(parts))
        print(f"{ROOT}/models: made {', '.join(made)}" if made else f"{ROOT}/models is complete")
        return
    print(f"The demo runs every stage for real and downloads nothing. Results go to {ROOT}/.", flush=True)
    countdown = Countdown()
    summary = demo(ROOT, countdown)
    print(closing(ROOT, summary, countdown.times()))


def _make_small_model() -> None:
    from jobs.demo.small_model import make_small_model  # seconds of imports

    print("There is no model of the demo: a small one is trained, briefly, in about two minutes.", flush=True)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    print(f"{make_small_model(SMALL)} is the model; `make demo` trains a better one")


if __name__ == "__main__":
    main()
