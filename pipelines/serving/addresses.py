"""Where jobs and results are found."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pipelines.serving.messages import Result
from pipelines.serving.token import Token

if TYPE_CHECKING:
    from fastapi import Request

FILES = {
    "image": "image.png",
    "depth": "depth.png",
    "depth_raw": "depth.bin",
    "viewer": "viewer.html",
    "glb": "scene.glb",
    "splats": "splats.ply",
}


@dataclass(frozen=True)
class Addresses:
    """Paths of this service."""

    root: str
    """What all of them begin with."""
    token: Token

    @classmethod
    def of(cls, request: "Request") -> Self:
        """Return those that a client has to use."""
        return cls(request.scope.get("root_path", ""), request.app.state.token)

    def job(self, identity: str) -> dict[str, str]:
        """Return where a job is asked about."""
        job = f"{self.root}/v1/jobs/{identity}"
        return {"status": job, "events": f"{job}/events", "result": f"{job}/result", "cancel": job}

    def result(self, result: Result) -> dict[str, str]:
        """Return where the files of a result are."""
        paths = {kind: f"{self.root}/v1/results/{result.identity}/{name}" for kind, name in FILES.items()}
        paths["viewer"] = self.viewer(result.identity)
        return {kind: path for kind, path in paths.items() if kind == "image" or result.depth is not None}

    def viewer(self, identity: str) -> str:
        """Return where the viewer of a result is. A browser that opens it in a frame, or from a link, sends no token,
        so the address has a key of its own."""
        key = self.token.key_of(identity)
        return f"{self.root}/v1/results/{identity}/viewer.html" + (f"?key={key}" if key else "")
