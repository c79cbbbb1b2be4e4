"""The figures of a report: samples side by side, and depth beside its reference."""

from collections.abc import Sequence

import numpy as np
import ray

from ldm3d.config import EvaluateConfig
from ldm3d.figures.depth_figure import DepthRow, depth_figure
from ldm3d.figures.samples_figure import SamplesRow, Shown, samples_figure
from ldm3d.keys import rank
from ldm3d.measures import Batch
from pipelines.evaluation.networks import DEPTH, open_depth
from pipelines.evaluation.picture_rows import read_some
from pipelines.evaluation.plan import EvaluatePlan
from pipelines.evaluation.subjects import Subject
from pipelines.workers.resources import Pool, hide_other_gpus

Name = tuple[int, int]
"""Key and number of a picture."""
DEPTH_SHOWN = 3  # samples in the figure of depth


def figures(plan: EvaluatePlan, pool: Pool) -> dict[str, bytes]:
    """Draw PNGs: `samples` of all sets of the input, beside the real pictures of their captions where the reference
    has them, and `depth` of the first set that has depth."""
    subjects, config = plan.role("input"), plan.config.report
    if not subjects:
        return {}
    names = names_to_show(plan, subjects, config.shown, config.seed)
    shown = {each.pictures.name: read_named(plan, each, names) for each in subjects}
    found = {}
    if any(shown.values()):
        found["samples"] = samples_figure(_rows(names, shown | _real(plan, names)))
    with_depth = [each for each in subjects if DEPTH in each.networks and "depth" in each.pictures.columns]
    if with_depth and (batches := list(shown[with_depth[0].pictures.name].values())[:DEPTH_SHOWN]):
        found["depth"] = _depth(batches, plan.config, pool)
    return found


def _real(plan: EvaluatePlan, names: Sequence[Name]) -> dict[str, dict[Name, Batch]]:
    """Read the real pictures that have the keys of samples, which are those of the captions that were drawn."""
    found = {}
    for subject in plan.role("reference"):
        keys, own = (each.tolist() for each in subject.pictures.names())
        numbers: dict[int, int] = dict(zip(keys, own, strict=True))
        wanted = {name: (name[0], numbers[name[0]]) for name in names if name[0] in numbers}
        read = read_named(plan, subject, list(wanted.values()))
        if read:
            found[subject.label] = {name: read[real] for name, real in wanted.items() if real in read}
    return found


def _rows(names: Sequence[Name], shown: dict[str, dict[Name, Batch]]) -> list[SamplesRow]:
    rows = []
    for name in names:
        found = {label: batches[name] for label, batches in shown.items() if name in batches}
        captions = [batch.captions[0] for batch in found.values() if batch.captions]
        samples = {
            label: Shown(batch.images[0], batch.depths[0] if batch.depths else None) for label, batch in found.items()
        }
        if samples:
            rows.append(SamplesRow(captions[0] if captions else "", samples))
    return rows


def _depth(batches: Sequence[Batch], config: EvaluateConfig, pool: Pool) -> bytes:
    """Draw the maps that a worker computes, as it may have a GPU while the driver has none."""
    task = ray.remote(_maps).options(num_cpus=pool.cpus, num_gpus=pool.gpus, max_retries=3)
    rows: list[DepthRow] = ray.get(task.remote(list(batches), config))
    return depth_figure(rows, peer=_short(config.depth.peer or ""), reference=_short(config.depth.reference))


def _maps(batches: list[Batch], config: EvaluateConfig) -> list[DepthRow]:
    hide_other_gpus()
    network = open_depth(config)
    rows = []
    for batch in batches:
        (maps,) = network.maps(batch)
        caption = batch.captions[0] if batch.captions else ""
        rows.append(DepthRow(caption, batch.images[0], maps.reference, maps.own, maps.peer))
    return rows


def _short(model: str) -> str:
    """Return the name of a model without its location."""
    return model.rstrip("/").rpartition("/")[2]


def names_to_show(plan: EvaluatePlan, subjects: Sequence[Subject], count: int, seed: int) -> list[Name]:
    """Draw pictures that count from those that all subjects have, or from the first subject if there are none."""
    chosen = [plan.chosen(each) for each in subjects]
    found = [list(zip(each.keys.tolist(), each.numbers.tolist(), strict=True)) for each in chosen]
    common = sorted(set(found[0]).intersection(*found[1:]) or found[0])
    order = np.argsort(rank(np.array([key for key, _ in common], np.int64), seed), kind="stable")
    return [common[place] for place in order[:count]]


def read_named(plan: EvaluatePlan, subject: Subject, names: Sequence[Name]) -> dict[Name, Batch]:
    """Read those of some pictures that a subject has, each as a batch of one; unreadable ones are left out."""
    found: dict[Name, Batch] = {}
    for part in subject.pictures.parts:
        own = list(zip(part.keys.tolist(), part.numbers.tolist(), strict=True))
        for place in [place for place, name in enumerate(own) if name in names]:
            batch = read_some(plan.rows_of(subject, part), [place])
            if len(batch):
                found[own[place]] = batch
    return found
