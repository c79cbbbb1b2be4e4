"""A service over HTTP that draws one picture whatever it is asked, speaks as ours does, and notes what it is asked."""

import base64
import json
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ldm3d.images import encode_depth, encode_rgb
from ldm3d.immersive.camera import PerspectiveCamera
from ldm3d.immersive.glb import mesh_glb
from ldm3d.immersive.mesh import mesh_of
from ldm3d.immersive.projection import Perspective
from ldm3d.immersive.splats import splat_ply, splats_of
from ldm3d.immersive.surface import flat_surface
from ldm3d.immersive.viewer.page import viewer_html
from ldm3d.toy import room
from tests import ROOT

PAGE = ROOT / "pipelines/serving/page"
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript"}
POLICY = "default-src 'self'; img-src 'self' data: blob:"
WIDTH, HEIGHT, FOV, STEPS = 192, 128, 55.0, 4
MODEL = {
    "id": "toy/room",
    "object": "model",
    "ldm3d": {
        "width": WIDTH,
        "height": HEIGHT,
        "has_depth": True,
        "schedulers": ["ddim", "dpmpp", "lcm"],
        "max_steps": 40,
        "examples": ["a room with a ball", "a room with <b>pillars</b>"],
    },
}


class CannedService(ThreadingHTTPServer):
    """Serves the page and answers it, on loopback. Its fields say what it does next."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Door)
        self.image, self.depth, files = _result()
        self.results: dict[str, tuple[str, bytes]] = dict(files)
        """Type and content of the files of all results."""
        self.models: list[dict[str, Any]] = [MODEL]
        self.draws_depth = True
        self.token: str | None = None
        self.key = ""
        """What its addresses end in, so that a frame, which sends no token, is let in."""
        self.refusal: tuple[int, str, dict[str, str]] | None = None
        """What the next drawing is answered: status, message, headers."""
        self.failure: str | None = None
        """What the next drawing ends in, after its first steps."""
        self.asked: list[tuple[str, str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.cancelled: list[str] = []
        self.may_begin = threading.Event()
        """Drawings wait for their turn, unanswered, until it is set."""
        self.may_begin.set()
        self.may_end = threading.Event()
        """Drawings wait before their last step until it is set, or until they are cancelled."""
        self.may_end.set()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, *_: object) -> None:
        """Browsers leave as they like."""


@cache
def _result() -> tuple[NDArray[np.uint8], NDArray[np.uint16], dict[str, tuple[str, bytes]]]:
    """A picture, its depth, and the files of both."""
    camera = PerspectiveCamera(WIDTH, HEIGHT, FOV)
    image, distance = room.look(np.zeros(3), camera.rays())
    z = distance / np.linalg.norm(camera.rays(), axis=-1)
    inverse = 1 / z
    share = (inverse - inverse.min()) / (inverse.max() - inverse.min())
    depth = np.round(1_000 + 60_000 * share).astype(np.uint16)
    surface = flat_surface(image, z, FOV)
    page = viewer_html(image, z, title="A room", quality=95, projection=Perspective(FOV))
    files = {
        "image.png": ("image/png", encode_rgb(image)),
        "depth.png": ("image/png", encode_depth(depth, "png")),
        "depth.bin": ("application/octet-stream", depth.astype("<u2").tobytes()),
        "viewer.html": ("text/html; charset=utf-8", page.encode()),
        "scene.glb": ("model/gltf-binary", mesh_glb([mesh_of(surface)], wraps=False)),
        "splats.ply": ("application/octet-stream", splat_ply(splats_of(surface))),
    }
    return image, depth, files


class _Door(BaseHTTPRequestHandler):
    server: CannedService

    def do_GET(self) -> None:
        path = self._note()
        if path == "/" or path.startswith("/page/"):
            file = PAGE / (path.removeprefix("/page/") if path != "/" else "index.html")
            self._send(200, TYPES[file.suffix], file.read_bytes(), {"Content-Security-Policy": POLICY})
        elif self._is_let_in():
            if path == "/v1/models":
                self._send_json(200, {"object": "list", "data": self.server.models})
            elif (name := path.partition("?")[0].rsplit("/", 1)[-1]) in self.server.results:
                self._send(200, *self.server.results[name])
            else:
                self._refuse(404, "nothing is known of it: results are kept for a while only", {})

    def do_DELETE(self) -> None:
        self.server.cancelled.append(self._note().rsplit("/", 1)[-1])
        if self._is_let_in():
            self._send_json(200, {})

    def do_POST(self) -> None:
        self._note()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._is_let_in():
            return
        self.server.bodies.append(body)
        if self.server.refusal:
            refusal, self.server.refusal = self.server.refusal, None
            self._refuse(*refusal)
        else:
            self._draw(body)

    def _draw(self, body: dict[str, Any]) -> None:
        self.server.may_begin.wait()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        identity, seed = f"r{len(self.server.bodies)}", body.get("seed", 1_234)
        self.wfile.write(b": a comment keeps the line open\r\n\r\n")
        self._tell("accepted", {"id": identity, "seed": seed})
        small = cv2.resize(self.server.image, (24, 16), interpolation=cv2.INTER_AREA)
        grey = cv2.resize((self.server.depth >> 8).astype(np.uint8), (24, 16), interpolation=cv2.INTER_AREA)
        for step in range(1, STEPS + 1):
            pictures = {"image": _base64(encode_rgb(small))}
            if self.server.draws_depth:
                pictures["depth"] = _base64(bytes(cv2.imencode(".png", grey)[1]))
            if step == STEPS and not self._goes_on(identity):
                return self._tell("error", {"error": {"message": "the request was cancelled", "code": "cancelled"}})
            if step == 3 and (failure := self.server.failure):
                self.server.failure = None
                return self._tell("error", {"error": {"message": failure}})
            self._tell("step", {"id": identity, "step": step, "steps": STEPS, **(pictures if step < STEPS else {})})
        urls = {"image": "image.png", "depth": "depth.png", "depth_raw": "depth.bin", "viewer": "viewer.html"}
        urls |= {"glb": "scene.glb", "splats": "splats.ply"}
        if not self.server.draws_depth:
            urls = {"image": "image.png"}
        where = {
            kind: f"http://elsewhere.test/v1/results/{identity}/{name}{self.server.key}" for kind, name in urls.items()
        }
        size = {"width": WIDTH, "height": HEIGHT}
        return self._tell("done", {"id": identity, "seed": seed, **size, "seconds": 0.5, "urls": where})

    def _goes_on(self, identity: str) -> bool:
        while not self.server.may_end.wait(0.01):
            if identity in self.server.cancelled:
                return False
        return True

    def _tell(self, kind: str, facts: dict[str, Any]) -> None:
        self.wfile.write(f"event: {kind}\ndata: {json.dumps(facts)}\n\n".encode())
        self.wfile.flush()

    def _is_let_in(self) -> bool:
        fine = self.server.token is None or self.headers["Authorization"] == f"Bearer {self.server.token}"
        fine = fine or bool(self.server.key and self.path.endswith(self.server.key))
        if not fine:
            self._refuse(401, "send the token of this service", {})
        return fine

    def _note(self) -> str:
        self.server.asked.append((self.command, self.path))
        return self.path

    def _refuse(self, status: int, message: str, headers: dict[str, str]) -> None:
        self._send_json(status, {"error": {"message": message}}, headers)

    def _send_json(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
        self._send(status, "application/json", json.dumps(value).encode(), headers)

    def _send(self, status: int, kind: str, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": len(content), **(headers or {})}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing: tests read what was asked."""


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
