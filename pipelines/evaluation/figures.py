"""The pictures of a report: samples side by side, and depth against its reference."""

from collections.abc import Sequence

import ray

from ldm3d.config import EvaluateConfig
from ldm3d.figures.depth_figure import DepthRow, depth_figure
from ldm3d.figures.samples_figure import SamplesRow, Shown, samples_figure
from ldm3d.measures import Batch
from pipelines.evaluation.networks import DEPTH, open_depth
from pipelines.evaluation.plan import EvaluatePlan
from pipelines.shown_pictures import Name, names_to_show, read_named
from pipelines.workers.resources import Pool, hide_other_gpus

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
