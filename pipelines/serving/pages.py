"""The page and its files, read once: no path of a request reaches the file system."""

from collections.abc import Mapping
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import Response

from pipelines.serving.problem import MISSING, Problem, ProblemError

FOLDER = Path(__file__).parent / "page"
INDEX = "index.html"
MEDIA = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
}
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}


def files_of(folder: Path = FOLDER) -> dict[str, bytes]:
    """Read the files of the page, by name."""
    if not folder.is_dir():
        return {}
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.suffix in MEDIA}


def routes(files: Mapping[str, bytes]) -> APIRouter:
    """Return the endpoints of the page."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def index() -> Response:
        return _file(files, INDEX)

    @router.get("/page/{name}")
    async def page(name: str) -> Response:
        return _file(files, name)

    @router.get("/healthz")
    async def healthz() -> Response:
        return Response("ok", media_type="text/plain")

    return router


def _file(files: Mapping[str, bytes], name: str) -> Response:
    if name not in files:
        raise ProblemError(Problem(MISSING, "the page has no such file: open /", "not_found"))
    return Response(files[name], media_type=MEDIA[Path(name).suffix], headers=HEADERS)
