"""How each number was made, in full."""

import json
from collections.abc import Iterator, Sequence

from ldm3d.config import flat
from ldm3d.report.blocks import Block, Fold, Paragraph, Table, row
from ldm3d.results.evaluation import Evaluation, Result
from ldm3d.results.grouped import grouped
from ldm3d.results.notation import plain, title
from ldm3d.results.protocol import protocol_of

MOST = 5  # metrics that a heading names


def protocols(evaluation: Evaluation) -> Iterator[Block]:
    """Yield a fold per metric of the settings: what its protocols share, then where they differ."""
    by_metric = grouped(evaluation.results, lambda each: plain(protocol_of(each).get("metric", each.metric)))
    for some in by_metric.values():
        found = grouped(some, lambda each: each.protocol)
        in_order = (each for results in found.values() for each in results)
        titles = (title(each.metric, surrogate=each.metric in evaluation.surrogate) for each in in_order)
        yield Fold(_listed(list(dict.fromkeys(titles))), tuple(_of_metric(found)))


def _listed(names: list[str]) -> str:
    if len(names) > MOST:
        names = [*names[: MOST - 1], f"{len(names) - MOST + 1} more"]
    return ", ".join(names)


def _of_metric(found: dict[str, list[Result]]) -> Iterator[Block]:
    """Tabulate the protocols of one metric, given its results by protocol."""
    settings = {protocol: flat(protocol_of(results[0])) for protocol, results in found.items()}
    names = list(dict.fromkeys(name for each in settings.values() for name in each))
    first = next(iter(settings.values()))
    shared = [name for name in names if all(_equal(each, first, name) for each in settings.values())]
    if shared:
        yield Table(("Setting", "Value"), tuple(row(name, plain(first[name])) for name in shared), labels=2)
    own = [name for name in names if name not in shared]
    if own:
        rows = [
            row(_sets(found[protocol]), protocol, *(plain(each.get(name)) for name in own))
            for protocol, each in settings.items()
        ]
        yield Table(("Pictures", "Protocol", *own), tuple(rows), labels=len(own) + 2)
    else:
        for protocol, results in found.items():
            yield Paragraph(f"Protocol {protocol}, for {_sets(results)}.")


def _equal(one: dict[str, object], other: dict[str, object], name: str) -> bool:
    return name in one and name in other and json.dumps(one[name]) == json.dumps(other[name])


def _sets(results: Sequence[Result]) -> str:
    return ", ".join(dict.fromkeys(each.pictures for each in results))
