"""The panorama of the demo: an exact plain becomes a place, and another one as the trained model draws it at dusk."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jobs.demo.parts import PLACES, Countdown
from ldm3d.config import DepthFusionConfig, DepthMeaningConfig, GeneratorConfig, presets_of
from ldm3d.fusion.fuse import fuse
from ldm3d.immersive.background import flood
from ldm3d.immersive.camera import PerspectiveCamera, SphericalCamera, stereo
from ldm3d.immersive.depth_files import npy, read_map
from ldm3d.immersive.sphere import directions
from ldm3d.immersive.surface import Surface, panorama_surface
from ldm3d.immersive.view import NOTHING, render
from ldm3d.metrics.seam import seam_ratio
from ldm3d.toy.plain import EXAMPLE

HEIGHT = 512  # of the exact panorama
COARSE = 32  # of the one that the model draws: the height of the pictures that it has learned from
FAR = 30.0  # metres, at which the sky is put
PROMPT, STRENGTH = "a purple sphere next to an orange cube on a green floor at dusk", 0.45
VIEWS, BESIDE = 16, 0.1  # metres from the middle
EYE_HEIGHT = 256  # of a stereo panorama that is compared


def make_places(root: Path, countdown: Countdown) -> dict[str, Any]:
    """Make places of the exact plain and of what the model draws of it. Returns their part of summary.json.

    Args:
        root: of the demo, with its trained model.
    """
    with countdown.part(PLACES):
        exact = _fuse(root, "plain", *_given(root / "panoramas", HEIGHT, "plain"))
        coarse = _given(root / "panoramas", COARSE, "plain-32")
        drawn = _fuse(root, "plain_at_dusk", *coarse, model=root / "diffusion/model")
        return {"fusion": _moved_views(exact) | _seams(drawn) | {"html_bytes": (exact / "viewer.html").stat().st_size}}


def _given(folder: Path, height: int, name: str) -> tuple[Path, Path]:
    """Write the plain as picture and distances. Colours are means over each pixel, distances those of its middle."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = 3  # along each side of a pixel
    picture, distance = EXAMPLE.panorama(parts * height)
    mean = cv2.resize(picture, (2 * height, height), interpolation=cv2.INTER_AREA)
    files = folder / f"{name}.png", folder / f"{name}-depth.npy"
    Image.fromarray(np.asarray(mean, np.uint8)).save(files[0])
    files[1].write_bytes(npy(distance[parts // 2 :: parts, parts // 2 :: parts]))
    return files


def _fuse(root: Path, name: str, picture: Path, depth: Path, model: Path | None = None) -> Path:
    """Make a place, as `depth_fusion` does of one panorama. Returns its folder."""
    preset = presets_of(DepthFusionConfig)["toy"]
    config = DepthFusionConfig(
        input=str(picture),
        output=str(root / "places" / name),
        **preset | {"depth": DepthMeaningConfig(source=str(depth), kind="distance", far=FAR)},
    )
    if model is not None:
        drawn = GeneratorConfig(model=(str(model),))
        config = replace(config, prompt=PROMPT, strength=STRENGTH, model=drawn)
    fuse(config)
    return Path(config.output)


def _moved_views(place: Path) -> dict[str, float]:
    """Compare views of the files of a place, from beside its middle, with what is really seen from there."""
    picture, distance = np.asarray(Image.open(place / "panorama.png")), read_map(place / "distance.npy")
    front = panorama_surface(picture, distance)
    surfaces = [front, flood(picture, distance).surface(front)]
    rng, errors = np.random.default_rng(0), []
    for _ in range(VIEWS):
        aside = rng.normal(size=3)
        x, y, z = aside / np.linalg.norm(aside) * BESIDE
        camera = PerspectiveCamera(256, 192, 70, (x, y, z), rng.uniform(-180, 180), rng.uniform(-20, 20))
        errors.append(_error(surfaces, camera, np.array(camera.position), camera.rays()))
    pair = stereo(SphericalCamera(2 * EYE_HEIGHT, EYE_HEIGHT))
    eyes = [_error(surfaces, eye, eye.origins(), directions(eye.height, eye.width)) for eye in pair
            if isinstance(eye, SphericalCamera)]  # fmt: skip
    return {"psnr_moved_view_db": _psnr(errors), "psnr_ods_db": _psnr(eyes)}


def _error(surfaces: list[Surface], camera: Any, origins: NDArray[Any], rays: NDArray[Any]) -> NDArray[np.float64]:
    view = render(surfaces, camera, samples=2)
    truth, _ = EXAMPLE.look(origins, rays)
    seen = view.layer != NOTHING
    return np.asarray((view.image[seen].astype(np.float64) - truth[seen]) ** 2).ravel()


def _psnr(errors: list[NDArray[np.float64]]) -> float:
    return round(float(10 * np.log10(255**2 / np.concatenate(errors).mean())), 2)


def _seams(place: Path) -> dict[str, float]:
    picture, depth = (np.asarray(Image.open(place / f"panorama{kind}.png")) for kind in ("", "-depth"))
    return {"seam_ratio_rgb": round(seam_ratio(picture), 3), "seam_ratio_depth": round(seam_ratio(depth), 3)}
