"""What a dry run suggests for data of this size: the paper's training, carried over to it."""

import math
from typing import Any

from ldm3d.config import LoopConfig, WorkersConfig
from ldm3d.results.paper import TRAININGS, Training
from pipelines.training.weights import Weights

GIB = 2**30


def suggestion(stage: str, rows: int, loop: LoopConfig, workers: WorkersConfig, count: int, weights: Weights) -> Any:
    """Suggest epochs and a batch, and compute what follows from them. Nothing here was measured, and it says so.

    Args:
        stage: of the two trainings.
        rows: of the training split.
        count: workers.
        weights: of the networks.

    Returns:
        JSON values: the settings by their flags, steps, GiB on each worker, hours for each second that a step takes,
        and the formula of each.
    """
    paper = TRAININGS[stage]
    batch = _batch(paper, rows, loop.lanes)
    epochs = max(1, min(paper.epochs, round(paper.samples / rows)))
    steps = epochs * (rows // batch)
    sharded = count if workers.strategy == "fsdp" else 1
    return {
        "rows": rows,
        "--loop.epochs": epochs,
        "--loop.batch-size": batch,
        **_discriminator(paper, steps),
        "steps": steps,
        "why": f"for fine-tuning Stable Diffusion: the paper's batch ({paper.batch_size}), its number of samples "
        f"({paper.epochs} epochs of {paper.rows:,} pictures = {paper.samples:,}) and at most its epochs; computed, "
        "not tried on this data",
        "computed": {
            "gib_per_worker_without_activations": round(weights.bytes_on(sharded) / GIB, 2),
            "gib_formula": f"4 bytes x ((4 x {weights.trained:,} trained + {weights.averaged:,} averaged) / {sharded} "
            f"+ {weights.frozen:,} frozen); activations come on top, and the network of LPIPS "
            "where one is used: memory/peak_gib of a short run (--loop.max-steps 50) shows all of it",
            "hours_for_each_second_of_a_step": round(steps / 3_600, 1),
            "hours_formula": f"{steps:,} steps / 3,600; a short run shows how long a step takes (speed/step_s)",
        },
    }


def _batch(paper: Training, rows: int, lanes: int) -> int:
    """Return the paper's batch, or what the data fills of it, as a multiple of the lanes."""
    return lanes * max(1, math.floor(min(paper.batch_size, rows) / lanes))


def _discriminator(paper: Training, steps: int) -> dict[str, int]:
    """Return when the discriminator should take part: after the same share of the steps as in the paper."""
    if paper.discriminator_start is None:
        return {}
    return {"--loss.discriminator-start": round(steps * paper.discriminator_start / paper.steps)}
