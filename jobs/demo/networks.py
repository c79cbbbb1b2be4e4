"""The first part of the demo: small networks in place of real ones, trained on scenes, two at a time."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from jobs.demo.parts import TRAIN_NETWORKS, Countdown
from jobs.demo.step_lines import StepLines, put
from ldm3d.memory import keep_freed_memory
from ldm3d.toy.clip_model import train_clip_model
from ldm3d.toy.depth_model import train_depth_model
from ldm3d.toy.metric_depth_model import train_metric_depth_model

DEPTH_STEPS = 1_000  # of 8 scenes each
METRIC_DEPTH_STEPS = 700  # of 8 scenes each
CLIP_STEPS = 200  # of 64 scenes each
PROCESSES = 2  # each of one thread: a second thread would help such small networks little


def train_networks(models: Path, countdown: Countdown) -> dict[str, Any]:
    """Train the labeller, and stand-ins for CLIP and ZoeDepth. Returns what summary.json says of the labeller."""
    with (
        countdown.part(TRAIN_NETWORKS),
        ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn"), keep_freed_memory) as pool,
    ):
        labeller = pool.submit(train_depth_model, models / "depth", DEPTH_STEPS, show=StepLines("depth model"))
        metric = pool.submit(
            train_metric_depth_model, models / "metric_depth", METRIC_DEPTH_STEPS, show=StepLines("metric depth model")
        )
        clip = pool.submit(train_clip_model, models / "clip", CLIP_STEPS, show=StepLines("CLIP"))
        said: dict[Future[Any], Callable[[Any], str]] = {
            labeller: lambda made: (
                f"depth model: {made.parameters:,} parameters, error on held-out scenes {made.l1:.4f}"
            ),
            metric: lambda made: f"metric depth model: AbsRel on held-out scenes {made.abs_rel:.4f}",
            clip: lambda made: f"CLIP finds the caption of {made.recall:.0%} of 64 held-out scenes",
        }
        put("  three networks, two at a time: lines say how far each is, and when it is done")
        for done in as_completed(said):
            put(f"  {said[done](done.result())}")
        made = labeller.result()
    return {"model_parameters": made.parameters, "model_l1_held_out": round(made.l1, 4)}
