"""Views of a panorama with depth: ours against VTK and Embree, which draw the same triangles.

    PYTHONPATH=. python -m benchmarks.panorama_views [--repeats 3] [--peers ../peers]

Perspective views of 512 x 512 from random eyes in the head box, and stereo panoramas (ODS) of 1024 x 512, of the
exact room's panorama with what it hides. Every side is given the surfaces, in a process of its own: from them to the
first view is its time to prepare. PSNR is against the exact room, pixel centre by pixel centre. VTK has no camera for
stereo panoramas. pyvista, VTK and embreex (0.9 GB) are installed with pip; without a GPU, VTK needs Debian's libegl1
and libgl1-mesa-dri, or the like.
"""

import os
import sys
import time
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.measure import Ratio, alone, arguments, in_turns, save
from benchmarks.peers import python_packages
from benchmarks.renderers import embree, ours, pyvista, rays_of
from ldm3d.immersive.background import flood
from ldm3d.immersive.camera import Camera, PerspectiveCamera, SphericalCamera, stereo
from ldm3d.immersive.surface import Surface, panorama_surface
from ldm3d.toy import room

HEIGHTS = (512, 2_048)  # of the panoramas
BOX = 0.1  # metres from the middle along each axis
VIEW, STEREO = 512, 512  # rows
PEERS = ("pyvista==0.49.1", "vtk==9.7.2", "embreex==4.4.0.post1")
SIDES = {"ours": ours, "pyvista": pyvista, "embree": embree}
FIGURES = ("views", "stereo", "prepare")


def eyes_of(views: int, view: int = VIEW, pair: int = STEREO) -> dict[str, list[Camera]]:
    """Return eyes in the head box, which look anywhere, and both of a stereo panorama."""
    random = np.random.default_rng(0)
    anywhere: list[Camera] = [
        PerspectiveCamera(
            view, view, 90, tuple(random.uniform(-BOX, BOX, 3)), random.uniform(-180, 180), random.uniform(-60, 60)
        )
        for _ in range(views)
    ]
    return {"views": anywhere, "stereo": list(stereo(SphericalCamera(2 * pair, pair)))}


def write_scene(file: Path, height: int, eyes: dict[str, list[Camera]]) -> None:
    """Write a panorama, and what is really seen, (n, h, w, 3) each. To make them takes longer than to draw views."""
    picture, distance = room.panorama(height)
    seen = {figure: [room.look(*rays_of(camera))[0] for camera in each] for figure, each in eyes.items()}
    shapes = {figure: (-1, each[0].height, each[0].width, 3) for figure, each in eyes.items()}
    truths = {figure: np.reshape(each, shapes[figure]) for figure, each in seen.items()}
    np.savez(file, picture=picture, distance=distance, **truths)


def measure(side: str, peers: str, scene: Path, eyes: dict[str, list[Camera]]) -> dict[str, Any]:
    """Draw all views. Returns seconds of wall clock and of CPU to prepare, for a view and for a stereo pair; PSNR."""
    if peers:
        sys.path.append(peers)
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    SIDES[side](_surfaces(*room.panorama(16)))(PerspectiveCamera(8, 8))  # imports and compiles
    with np.load(scene) as stored:
        surfaces = _surfaces(stored["picture"], stored["distance"])
        truths = {figure: stored[figure] for figure in eyes}
    began = _clocks()
    draw = SIDES[side](surfaces)
    draw(PerspectiveCamera(8, 8))
    found: dict[str, Any] = {"prepare": _clocks() - began}
    for figure, each in eyes.items():
        if figure == "stereo" and side == "pyvista":
            continue
        began = _clocks()
        images = [draw(eye) for eye in each]
        found[figure] = (_clocks() - began) / (len(each) if figure == "views" else 1)
        levels = [_psnr(*both) for both in zip(images, truths[figure], strict=True)]
        found[f"{figure}_psnr"] = float(np.mean(levels))
    return found


def _surfaces(picture: Any, distance: Any) -> list[Surface]:
    front = panorama_surface(picture, distance)
    return [front, flood(picture, distance).surface(front)]


def _clocks() -> Any:
    return np.array([time.perf_counter(), time.process_time()])


def _psnr(found: Any, truth: Any) -> float:
    return float(10 * np.log10(255**2 / np.mean((found.astype(np.float64) - truth) ** 2)))


def compare(turns: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, dict[str, Ratio]]]:
    """Return how many times as fast ours is, by peer and figure, per second and per CPU-second."""
    found: dict[str, dict[str, dict[str, Ratio]]] = {}
    for side in [side for side in turns if side != "ours"]:
        for figure in [figure for figure in FIGURES if figure in turns[side][0]]:
            rates = [
                [[1 / turn[figure][clock] for turn in turns[each]] for each in ("ours", side)] for clock in (0, 1)
            ]
            found.setdefault(side, {})[figure] = {
                name: Ratio.of(*both) for name, both in zip(("per_s", "per_cpu_s"), rates, strict=True)
            }
    return found


def main() -> None:
    asked = arguments(__doc__, views=64, repeats=3, peers="")
    records = {}
    with python_packages(asked.peers, *PEERS) as folder, TemporaryDirectory() as name:
        eyes, scene = eyes_of(asked.views), Path(name, "scene.npz")
        for height in HEIGHTS:
            write_scene(scene, height, eyes)
            sides = {side: partial(alone, measure, side, str(folder), scene, eyes) for side in SIDES}
            turns = in_turns(sides, asked.repeats)
            print(f"{2 * height} x {height}:", flush=True)
            for side, each in turns.items():
                figures = {name: median(turn[name][0] for turn in each) for name in FIGURES if name in each[0]}
                levels = {name: value for name, value in each[0].items() if name.endswith("psnr")}
                print(f"  {side}:", *(f"{name} {value:.3g}" for name, value in (figures | levels).items()), flush=True)
            ratio = compare(turns)
            for side, each in ratio.items():
                for figure, both in each.items():
                    print(
                        f"  against {side}, {figure}: {both['per_s']}; per CPU-second {both['per_cpu_s']}", flush=True
                    )
            records[height] = {"turns": {side: [_plain(turn) for turn in each] for side, each in turns.items()}}
            records[height] |= {"ratio": ratio}
    growth = median(t["views"][1] for t in records[HEIGHTS[-1]]["turns"]["ours"]) / median(
        t["views"][1] for t in records[HEIGHTS[0]]["turns"]["ours"]
    )
    times = (HEIGHTS[-1] / HEIGHTS[0]) ** 2
    print(f"ours takes {growth:.2f} times the CPU for a view of {times:.0f} times the pixels")
    save("panorama_views", {**vars(asked), "heights": records, "growth": growth})


def _plain(turn: dict[str, Any]) -> dict[str, Any]:
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in turn.items()}


if __name__ == "__main__":
    main()
