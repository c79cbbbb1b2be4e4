"""What depth means and how a place was made, by labels and in words, for pages.

The facts are those of `ldm3d.fusion.scene.Scene.facts`, which `place.json` has under `depth`.
"""

import json
from collections.abc import Mapping
from typing import Any

from ldm3d.fusion.sentences import REACH, percent

GIVEN = {
    "distance": "distance: metres along the ray",
    "z": "z: metres along the camera's axis",
    "inverse": "inverse: 1 / metre",
    "relative": "relative: larger is nearer, without a unit",
    "estimated": "no map: a depth model estimated it",
}
BEHIND = {"flood": "the far sides of edges, continued", "inpaint": "what a model draws there", "none": "nothing"}
MADE = {
    "estimated": "Estimated by",
    "redrawn": "Redrawn by",
    "drawn": "Drawn by",
    "inpainted": "Drawn behind edges by",
    "checkpoint": "Drawn by the model",
    "source": "Picture from",
    "depth_source": "Depth from",
}


def labelled(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return what is known of a place, by labels in words, with units. A fact that has no words keeps its name."""
    rest = dict(facts)
    made = _picture(rest) | _metres(rest) | _relative(rest) | _surface(rest)
    for name, fact in rest.items():
        if fact is not None:
            label = MADE.get(name, name.replace("_", " ").capitalize())
            made[label] = _listed(fact) if isinstance(fact, Mapping) else _shown(fact)
    return made


def _picture(rest: dict[str, Any]) -> dict[str, str]:
    is_flat, angle, given = (rest.pop(name, None) for name in ("projection", "fov_degrees", "given_as"))
    seen = f"flat, {angle:g} degrees from top to bottom" if is_flat else "a panorama of 360 by 180 degrees"
    return {"Picture": seen, "Depth was given as": GIVEN[given]}


def _metres(rest: dict[str, Any]) -> dict[str, str]:
    near, far, along = (rest.pop(name) for name in ("nearest_m", "farthest_m", "distances"))
    unknown, is_assumed = rest.pop("unknown_share"), rest.pop("metres_assumed")
    rest.pop("perhaps_millimetres", None)  # a sentence says it
    return {
        "Distances": f"{near:g} to {far:g} m: {along}",
        "Metres": f"assumed: {REACH}" if is_assumed else "as the map, the model or the settings give them",
        "Unknown depth": f"{percent(unknown)} of the picture" if unknown else "none",
    }


def _relative(rest: dict[str, Any]) -> dict[str, str]:
    kind, rule, formula = (rest.pop(name) for name in ("relative_depth", "rule", "formula"))
    radius, amount, near, far = (rest.pop(name) for name in ("radius_m", "amount", "near_m", "far_m"))
    return {
        "Relative depth": f"{kind}: d is the number divided by 65,535",
        "Metres from it": f"{formula}, where R is {radius:g} m and s is {amount:g} (the rule {rule}): {near:g} m "
        f"where d is 1, {far:g} m where d is 0",
    }


def _surface(rest: dict[str, Any]) -> dict[str, str]:
    steepest, behind = rest.pop("torn_beyond_degrees"), rest.pop("background")
    return {
        "Edges": f"cut where the surface is steeper than {steepest:g} degrees to the line of sight",
        "Behind edges": BEHIND[behind],
    }


def _listed(about: Mapping[str, Any]) -> str:
    """Write what is known of a model and its work: first what it is called."""
    known = {name: fact for name, fact in about.items() if fact is not None and name != "unknown_share_before"}
    called = [_shown(known.pop("model"))] if "model" in known else []
    return "; ".join(called + [f"{name.replace('_', ' ')}: {_shown(fact)}" for name, fact in known.items()])


def _shown(fact: Any) -> str:
    return fact if isinstance(fact, str) else json.dumps(fact, ensure_ascii=False)
