"""The one-file page of a panorama against SuperSplat's one-file page of splats: bytes, moved views, the first frame.

    PYTHONPATH=. python -m benchmarks.viewer_page [--repeats 5] [--peers ../peers]

Ours holds a panorama of 1024 x 512 of the exact room with what it hides; SuperSplat's a splat for each pixel of one of
512 x 256, a quarter of them: our own PLY, turned into HTML by splat-transform with its defaults. Each turn opens both
pages anew in a headless Chromium without a GPU, from files, and looks from another place. The first frame counts from
the navigation; SuperSplat draws by WebGL, as ours does. PSNR is against the exact room. Needs chromium and npm;
splat-transform is installed with npm, and asks for node 22, but works with node 20.
"""

import base64
import io
import json
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.measure import Ratio, arguments, in_order, save
from benchmarks.peers import npm_packages
from ldm3d.immersive.background import flood
from ldm3d.immersive.camera import PerspectiveCamera
from ldm3d.immersive.splats import splat_ply, splats_of
from ldm3d.immersive.surface import panorama_surface
from ldm3d.immersive.viewer.page import viewer_html
from ldm3d.toy import room
from tests.builders.browser import DRAWS, Browser

HEIGHTS = {"ours": 512, "SuperSplat": 256}
PEERS = ("@playcanvas/splat-transform@3.7.0", "playcanvas@2.23.3")
VIEW, FOV = 480, 75.0
BOX = 0.08  # metres: what our page lets the eye move in this room is a little more
SEEN = {  # notes when the first frame was drawn
    "ours": "const wait = () => window.viewer?.ready ? viewer.ready.then(() => { window.seenAt = performance.now(); })"
    " : setTimeout(wait, 1); wait();",
    "SuperSplat": "window.firstFrame = () => { window.seenAt ??= performance.now(); };",
}
EYE = '"cameras":[{"initial":{"position":[2,2,-2],"target":[0,0,0],"fov":85}}]'  # of SuperSplat's page
TURN = np.array([-1, 1, -1])  # SuperSplat turns a PLY by 180 degrees around z, so what is ahead of us is behind it
PIXELS = (
    "(() => { const { width, height, data } = viewer.screenshot(); let text = '';"
    "for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));"
    "return [width, height, btoa(text)]; })()"
)
PATIENCE = 120.0  # seconds


def make_pages(folder: Path, modules: Path) -> dict[str, str]:
    """Return the page of each side."""
    picture, distance = room.panorama(HEIGHTS["SuperSplat"])
    (folder / "room.ply").write_bytes(splat_ply(splats_of(panorama_surface(picture, distance))))
    program = modules / "node_modules/@playcanvas/splat-transform/bin/cli.mjs"
    command = ["node", program, "--quiet", "--gpu", "cpu", "room.ply", "room.html"]
    subprocess.run(command, cwd=folder, check=True)
    theirs = (folder / "room.html").read_text("utf-8")
    if theirs.count(EYE) != 1:
        raise RuntimeError("the page of splat-transform has another first camera: change EYE to what it has")
    picture, distance = room.panorama(HEIGHTS["ours"])
    return {"ours": viewer_html(picture, distance, background=flood(picture, distance)), "SuperSplat": theirs}


def look(side: str, page: str, folder: Path, camera: PerspectiveCamera) -> tuple[float, Any]:
    """Open a page and look. Returns the milliseconds until its first frame, and what is seen, (h, w, 3)."""
    file = folder / "page.html"
    if side == "SuperSplat":
        position = np.array(camera.position)
        first = {"position": (position * TURN).tolist(), "target": ((position - camera.axes[2]) * TURN).tolist()}
        page = page.replace(EYE, '"cameras":' + json.dumps([{"initial": first | {"fov": camera.fov}}]))
    file.write_text(page, "utf-8")
    with Browser(*DRAWS, size=(camera.width, camera.height)) as browser:
        browser.call("Page.addScriptToEvaluateOnNewDocument", source="window.seenAt = null;" + SEEN[side])
        browser.call("Page.navigate", url=file.as_uri() + ("" if side == "ours" else "?webgl&noui&noanim"))
        end = time.monotonic() + PATIENCE
        while (milliseconds := browser.ask("window.seenAt")) is None:
            if time.monotonic() > end:
                raise RuntimeError(f"{side} drew nothing for {PATIENCE:.0f} s: {browser.complaints}")
            time.sleep(0.05)
        if side == "ours":
            pose = {"position": camera.position, "yaw": camera.yaw, "pitch": camera.pitch, "fov": camera.fov}
            browser.ask(f"viewer.setPose({json.dumps(pose)})")
            width, height, data = browser.ask(PIXELS)
            return milliseconds, np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)[..., :3]
        time.sleep(1)  # it fades in
        with Image.open(io.BytesIO(browser.screenshot())) as image:
            return milliseconds, np.asarray(image.convert("RGB"))


def measure(folder: Path, modules: Path, repeats: int) -> dict[str, Any]:
    """Compare both pages."""
    pages = make_pages(folder, modules)
    found: dict[str, Any] = {side: {"bytes": len(page.encode()), "ms": [], "psnr": []} for side, page in pages.items()}
    random = np.random.default_rng(0)
    for turn in range(repeats):
        position, yaw = tuple(random.uniform(-BOX, BOX, 3).tolist()), float(random.uniform(-180, 180))
        camera = PerspectiveCamera(VIEW, VIEW, FOV, position, yaw, float(random.uniform(-30, 30)))
        truth, _ = room.look(np.array(position), camera.rays())
        for side in in_order(pages, turn):
            milliseconds, image = look(side, pages[side], folder, camera)
            found[side]["ms"].append(milliseconds)
            error = np.mean((image.astype(np.float64) - truth) ** 2)
            found[side]["psnr"].append(float(10 * np.log10(255**2 / error)))
    ours, theirs = found["ours"], found["SuperSplat"]
    found["bytes_ratio"] = ours["bytes"] / theirs["bytes"]
    found["first_frame_ratio"] = Ratio.of(theirs["ms"], ours["ms"])
    return found


def main() -> None:
    asked = arguments(__doc__, repeats=5, peers="")
    with npm_packages(asked.peers, *PEERS) as modules, tempfile.TemporaryDirectory() as name:
        found = measure(Path(name), modules, asked.repeats)
    for side, height in HEIGHTS.items():
        each = found[side]
        levels = f"{median(each['psnr']):.1f} ({min(each['psnr']):.1f} to {max(each['psnr']):.1f}) dB"
        print(f"{side}: {2 * height**2:,} texels, {each['bytes']:,} bytes, {levels}, {median(each['ms']):.0f} ms")
    print(
        f"ours has {found['bytes_ratio']:.3f} of the bytes; its first frame is {found['first_frame_ratio']} as early"
    )
    save("viewer_page", {**vars(asked), **found})


if __name__ == "__main__":
    main()
