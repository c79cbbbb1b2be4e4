"""A few pictures of sets that were measured, for figures."""

from collections.abc import Sequence

import numpy as np

from ldm3d.keys import rank
from ldm3d.measures import Batch
from pipelines.evaluation.measured import Measured
from pipelines.evaluation.picture_rows import read_some
from pipelines.evaluation.plan import EvaluatePlan

Name = tuple[int, int]
"""Key and number of a picture."""


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
