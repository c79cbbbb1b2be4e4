"""The page: a template, its style and script, and a picture with depth."""

import base64
import hashlib
import html
import json
import re
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldm3d.immersive.background import Background
from ldm3d.immersive.projection import EQUIRECTANGULAR, Perspective, Projection
from ldm3d.immersive.surface import check_pictures
from ldm3d.immersive.viewer.payload import only_around, pack_distances, picture_uri

GRID = 512
LARGEST = 65_535  # pixels on each side of a JPEG
AROUND = {
    "kind": "panorama",
    "turn": '<option value="turn">Turn</option>',
    "help": "Drag or arrow keys look around; W A S D, or Shift with arrows, move; R and F rise and sink; + and \u2212 "
    "zoom; 0 returns. Fingers: one looks, two move and zoom.",
}
BEFORE = {
    "kind": "picture",
    "turn": "",
    "help": "Drag or arrow keys move before the picture; W and S, or Shift with arrows, go nearer and back; + and "
    "\u2212 zoom; 0 returns. Fingers: one moves, two move and zoom.",
}
"""What a page says of a panorama, and of a flat picture."""


def viewer_html(
    picture: NDArray[np.uint8],
    distance: NDArray[np.floating],
    *,
    background: Background | None = None,
    title: str = "",
    facts: dict[str, Any] | None = None,
    quality: int = 80,
    grid: int = GRID,
    projection: Projection = EQUIRECTANGULAR,
) -> str:
    """Return a page, to be written as UTF-8, in which a panorama, or a flat picture, is looked at in space.

    It opens from a file and asks no network for anything; its policy (CSP) lets no script run but its own. It needs
    WebGL 2, and shows the flat picture without. `window.viewer` drives it (viewer/src/main.js).

    Distances travel as 16 bits of inverse distance, between the nearest and the farthest, and are drawn on a grid,
    whose vertices hold them as 32-bit floats. A cell that holds both near and far is near. The eye can move by 0.15
    of the nearest distance.

    Args:
        picture: (H, W, 3) uint8, sRGB; a panorama has twice as many columns as rows.
        distance: (H, W), metres, above 0: along the ray of a panorama, along the axis of a flat picture. NaN where
            there is no surface.
        background: what the picture hides (`ldm3d.immersive.background.flood`), to be seen behind the edges.
        title: what is shown above it. Text: none of it is markup.
        facts: what should be known of it, shown under About: names and what JSON can hold. The range of distances is
            added, unless there are `Distances`.
        quality: of the JPEGs, 1 to 100.
        grid: columns of the grid, an even number; rows are half as many, or as a flat picture's shape has it. More
            than the picture has are not used.
        projection: of the picture.

    Raises:
        ValueError: picture and distance are not those of such a picture, or of another size than the background;
            quality or grid is out of range; facts are not JSON.
    """
    check_pictures(picture, distance)
    height, width = distance.shape
    projection.check(height, width)
    _check_settings(max(height, width), quality, grid)
    known = distance[~np.isnan(distance)]
    near, far = float(known.min()), float(known.max())
    description: dict[str, Any] = {"width": width, "height": height, "near": near, "far": far, "grid": grid}
    texts, name = AROUND, "Panorama"
    if isinstance(projection, Perspective):
        texts, name = BEFORE, "Picture"
        description["fov"] = projection.fov
    description["depth"] = pack_distances(distance, near, far)
    behind = ""
    if background is not None:
        hidden = _distances_behind(background, picture)
        description["far"] = far = max(far, float(np.nanmax(hidden, initial=far)))
        description["depth"] = pack_distances(distance, near, far)
        description["hidden"] = pack_distances(np.maximum(hidden, near), near, far)
        uri = picture_uri(only_around(background.picture, ~np.isnan(hidden)), quality)
        behind = f'<img id="behind" alt="" hidden src="{uri}">'
    style, script = _part("page.css"), _part("dist/viewer.js")
    return _filled(
        _part("page.html"),
        {
            "policy": _policy(style, script),
            "title": _text(title) or name,
            "caption": f"<h1>{_text(title)}</h1>" if title else "",
            "style": style,
            "picture": picture_uri(picture, quality),
            "behind": behind,
            "facts": _facts_list(_with_range(facts or {}, near, far)),
            "description": _json(description),
            "script": script,
            **texts,
        },
    )


def _check_settings(largest: int, quality: int, grid: int) -> None:
    if largest > LARGEST:
        raise ValueError(
            f"the picture is {largest} pixels wide or high, wanted at most {LARGEST:,}, as a JPEG holds: resize it"
        )
    if not 1 <= quality <= 100:
        raise ValueError(f"quality is {quality}, wanted 1 (coarse) to 100 (fine)")
    if grid < 4 or grid % 2:
        raise ValueError(f"grid is {grid}, wanted an even number of columns from 4 on; {GRID} is usual")


def _distances_behind(background: Background, picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    if background.picture.shape != picture.shape or background.distance.shape != picture.shape[:2]:
        raise ValueError(
            f"the background is {background.picture.shape}, the picture {picture.shape}: make it of this picture"
        )
    return background.distance


def _policy(style: str, script: str) -> str:
    """Return the policy of a page in which nothing runs but this script, and nothing is loaded."""
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _with_range(facts: dict[str, Any], near: float, far: float) -> dict[str, Any]:
    return facts if "Distances" in facts else {**facts, "distances": f"{near:.3g} to {far:.3g} m"}


def _facts_list(facts: dict[str, Any]) -> str:
    """Return facts as rows of a list."""
    rows = []
    for name, fact in facts.items():
        try:
            shown = fact if isinstance(fact, str) else json.dumps(fact, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"the fact {name!r} is {fact!r}, wanted what JSON can hold: {error}") from error
        rows.append(f"<dt>{_text(str(name))}</dt><dd>{_text(shown)}</dd>")
    return "".join(rows)


def _text(text: str) -> str:
    """Return text as markup that shows it, without what no file in UTF-8 and no page can hold."""
    whole = text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    return html.escape(whole)


def _json(value: Any) -> str:
    """Return JSON that no parser of pages takes for markup."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _filled(template: str, parts: dict[str, str]) -> str:
    """Return a template with its places filled, at once: what fills one is not searched for others."""
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], template)
