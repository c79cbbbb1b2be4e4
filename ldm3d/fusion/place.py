"""A picture as a folder: pictures, exports, what is known of them, and a page that shows all."""

import io
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldm3d.config import DepthFusionConfig
from ldm3d.figures.contact_sheet import colour_depth
from ldm3d.fusion.behind import Behind
from ldm3d.fusion.exports import EXPORTS
from ldm3d.fusion.pages import place_page
from ldm3d.fusion.panorama import Panorama
from ldm3d.fusion.scene import Scene
from ldm3d.immersive.layout import Layout
from ldm3d.immersive.still import png

logger = logging.getLogger(__name__)

FACTS, INDEX = "place.json", "index.html"
PREVIEW, DEPTH_PREVIEW = "preview.jpg", "preview-depth.jpg"
WIDE = 1_024  # pixels of a preview


def write_place(
    panorama: Panorama, config: DepthFusionConfig, folder: Path, behind: Behind | None = None
) -> dict[str, Any]:
    """Write the files of a place. The same panorama and settings give the same bytes.

    Args:
        panorama: what is shown; it may be a flat picture.
        config: says which files are written, and how.
        folder: a local one, which is there. What it holds is replaced where names are equal.
        behind: draws what the panorama hides, where the settings ask for that.

    Returns:
        What is in `place.json`: title, depth (what it means, as `Scene.facts`), and what each of the files is.

    Raises:
        ValueError: the picture is too large for a format, or a flat one has not what is asked for.
        NotFiniteError: the model that draws what is hidden gave NaN or infinity.
    """
    formats = config.formats_for(is_flat=panorama.is_flat)
    scene = Scene(panorama, config, behind)
    files = _write_panorama(scene, folder)
    for name in formats:
        logger.info("writing %s", name)
        files |= EXPORTS[name](scene, folder)
    facts = {
        "title": panorama.title,
        "width": panorama.picture.shape[1],
        "height": panorama.picture.shape[0],
        "depth": scene.facts(),
        "files": files,
    }
    (folder / FACTS).write_text(json.dumps(facts, indent=2), encoding="utf-8")
    sizes = {name: (folder / name).stat().st_size for name in files}
    (folder / INDEX).write_text(place_page(facts, sizes), encoding="utf-8")
    return facts


def _write_panorama(scene: Scene, folder: Path) -> dict[str, str]:
    panorama = scene.panorama
    picture, depth = f"{panorama.name}.png", f"{panorama.name}-depth.png"
    layout = Layout("flat" if panorama.is_flat else "360")
    (folder / picture).write_bytes(png(panorama.picture, layout, panorama.provenance))
    (folder / depth).write_bytes(_depth_png(panorama.depth, scene.facts()))
    (folder / PREVIEW).write_bytes(_preview(panorama.picture))
    (folder / DEPTH_PREVIEW).write_bytes(_preview(colour_depth(panorama.depth)))
    return {
        picture: "the picture" if panorama.is_flat else "the panorama, 360 by 180 degrees",
        depth: "its relative depth, 16 bits, larger is nearer; what it means is in its texts",
        PREVIEW: f"the {panorama.name}, small",
        DEPTH_PREVIEW: "its depth, small, in colours: near is bright",
    }


def _depth_png(depth: NDArray[np.uint16], facts: dict[str, Any]) -> bytes:
    """Return a 16-bit PNG that says what its numbers mean."""
    from PIL import Image, PngImagePlugin

    texts = PngImagePlugin.PngInfo()
    for name, fact in facts.items():
        texts.add_itxt(name, fact if isinstance(fact, str) else json.dumps(fact))
    file = io.BytesIO()
    Image.fromarray(depth).save(file, "PNG", pnginfo=texts)
    return file.getvalue()


def _preview(picture: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    small = Image.fromarray(picture)
    small.thumbnail((WIDE, WIDE))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=85)
    return file.getvalue()
