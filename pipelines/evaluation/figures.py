"""The pictures of a report: samples side by side, and depth against its reference."""

from collections.abc import Sequence

import numpy as np
import ray

from ldm3d.config import EvaluateConfig
from ldm3d.figures.depth_figure import DepthRow, depth_figure
from ldm3d.figures.samples_figure import SamplesRow, Shown, samples_figure
from ldm3d.keys import rank
from ldm3d.measures import Batch
from pipelines.evaluation.measured import Measured
from pipelines.evaluation.networks import DEPTH, open_depth
from pipelines.evaluation.picture_rows import read_some
from pipelines.evaluation.plan import EvaluatePlan
from pipelines.workers.resources import Pool, hide_other_gpus

Name = tuple[int, int]
"""Key and number of a picture."""
DEPTH_SHOWN = 3  # samples


def figures(plan: EvaluatePlan, pool: Pool) -> dict[str, bytes]:
    """PNGs: `samples`, of the sets that were measured, and `depth`, of the first that has any."""
    sets, config = plan.role("input"), plan.config.report
    if not sets:
        return {}
    names = names_to_show(plan, sets, config.shown, config.seed)
    shown = {each.pictures.name: read_named(plan, each, names) for each in sets}
    found = {"samples": samples_figure(_rows(names, shown))} if any(shown.values()) else {}
    for each in sets:
        if DEPTH in each.measures and "depth" in each.pictures.columns:
            batches = list(shown[each.pictures.name].values())[:DEPTH_SHOWN]
            if batches:
                found["depth"] = _depth(batches, plan.config, pool)
            break
    return found


def _rows(names: Sequence[Name], shown: dict[str, dict[Name, Batch]]) -> list[SamplesRow]:
    rows = []
    for name in names:
        found = {label: batches[name] for label, batches in shown.items() if name in batches}
        captions = [batch.captions[0] for batch in found.values() if batch.captions]
        each = {
            label: Shown(batch.images[0], batch.depths[0] if batch.depths else None) for label, batch in found.items()
        }
        if each:
            rows.append(SamplesRow(captions[0] if captions else "", each))
    return rows


def _depth(batches: Sequence[Batch], config: EvaluateConfig, pool: Pool) -> bytes:
    """Drawn of what a worker sees, which may have a GPU where the driver has none."""
    task = ray.remote(_maps).options(num_cpus=pool.cpus, num_gpus=pool.gpus, max_retries=3)
    rows: list[DepthRow] = ray.get(task.remote(list(batches), config))
    return depth_figure(rows, peer=_short(config.depth.peer or ""), reference=_short(config.depth.reference))


def _maps(batches: list[Batch], config: EvaluateConfig) -> list[DepthRow]:
    hide_other_gpus()
    measure = open_depth(config)
    rows = []
    for batch in batches:
        (maps,) = measure.maps(batch)
        caption = batch.captions[0] if batch.captions else ""
        rows.append(DepthRow(caption, batch.images[0], maps.reference, maps.own, maps.peer))
    return rows


def _short(model: str) -> str:
    """A model's name without where it is."""
    return model.rstrip("/").rpartition("/")[2]


def names_to_show(plan: EvaluatePlan, sets: Sequence[Measured], count: int, seed: int) -> list[Name]:
    """Some pictures that count, of those that all sets have; of the first set where there are none such."""
    chosen = [plan.chosen(each) for each in sets]
    found = [list(zip(each.keys.tolist(), each.numbers.tolist(), strict=True)) for each in chosen]
    common = sorted(set(found[0]).intersection(*found[1:]) or found[0])
    order = np.argsort(rank(np.array([key for key, _ in common], np.int64), seed), kind="stable")
    return [common[place] for place in order[:count]]


def read_named(plan: EvaluatePlan, measured: Measured, names: Sequence[Name]) -> dict[Name, Batch]:
    """Those of some pictures that a set has and that can be read, a batch of one each."""
    found: dict[Name, Batch] = {}
    for part in measured.pictures.parts:
        own = list(zip(part.keys.tolist(), part.numbers.tolist(), strict=True))
        for place in [place for place, name in enumerate(own) if name in names]:
            batch = read_some(plan.rows_of(measured, part), [place])
            if len(batch):
                found[own[place]] = batch
    return found
