"""What has to be known before one trusts the metres of places, in sentences for the end of a run and for pages."""

from collections.abc import Mapping
from typing import Any

REACH = "--depth.near and --depth.far, in metres, say how near and far it reaches"
MILLIMETRES = "where these are millimetres, give --depth.scale 0.001"


def sentences(depth: Mapping[str, Any]) -> list[str]:
    """Return what is assumed or unknown of one place: nothing where all its metres were given.

    Args:
        depth: its facts, as `place.json` has them under `depth`. Those of earlier versions say less.
    """
    said = []
    if depth.get("metres_assumed"):
        said.append(f"Its metres are assumed, as its depth is relative: {REACH}.")
    if share := depth.get("unknown_share"):
        said.append(f"Depth is unknown in {percent(share)} of the picture: nothing is seen there.")
    if share := depth.get("redrawn", {}).get("unknown_share_before"):
        said.append(f"Depth was unknown in {percent(share)} of the picture: there it is what the model drew.")
    if depth.get("perhaps_millimetres"):
        nearest = f"nearer than {depth['nearest_m']:g} m"
        said.append(f"Nothing is {nearest}, and its map holds whole numbers: {MILLIMETRES}.")
    return said


def sentences_of_many(depth: Mapping[str, Any]) -> list[str]:
    """Return the same of many places.

    Args:
        depth: their sums (`pipelines.views.depth_sum`); empty for an output of an earlier version.
    """
    said = []
    if count := depth.get("metres_assumed"):
        said.append(f"The metres of {_places(count)} are assumed, as depth is relative: {REACH}.")
    for name, there in (("unknown", "nothing is seen there"), ("redrawn", "there it is what the model drew")):
        if count := depth.get(name):
            share = percent(depth[f"{name}_share"])
            said.append(f"Depth was not given in {share} of all pixels, in {_places(count)}: {there}.")
    if count := depth.get("perhaps_millimetres"):
        said.append(
            f"In {_places(count)} nothing is nearer than 100 m, and the map holds whole numbers: {MILLIMETRES}."
        )
    return said


def percent(share: float) -> str:
    """Write a share from 0 to 1 in percent, with three digits at most."""
    return f"{100 * share:.3g} %" if share >= 0.0001 else "less than 0.01 %"


def _places(count: int) -> str:
    return f"{count:,} place{'' if count == 1 else 's'}"
