"""The door: the application that speaks HTTP, behind a gate that looks at headers first."""

from typing import TYPE_CHECKING

from ldm3d.config import ServeConfig
from pipelines.serving.gate import Gate
from pipelines.serving.reception import Reception
from pipelines.serving.token import Token

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle

ABOUT = """Pictures with depth from text.

`POST /v1/rgbd` draws one, as JSON with URLs, as a zip, or as server-sent events while it is drawn, as `Accept` says.
`POST /v1/images/generations` is the OpenAI Images API. A seed draws the same picture again, to the byte where `exact`
is not false. A stream or an answer that nobody waits for any more is cancelled between two steps; with `Prefer:
respond-async`, `POST /v1/rgbd` begins a job instead, which goes on. Whatever is refused is answered with
`{"error": {"message": ..., "type": ..., "param": ..., "code": ...}}`, whose message says what to change."""


def application(config: ServeConfig, token: Token, reception: Reception) -> Gate:
    """Return the application.

    Args:
        config: of the service; its token is not looked at.
        token: what clients have to know.
        reception: desk and studio.
    """
    from fastapi import FastAPI

    from pipelines.serving import kept, native, openai_images, pages
    from pipelines.serving.errors import add_handlers

    app = FastAPI(title="LDM3D on Ray", version="1", description=ABOUT, docs_url=None, redoc_url=None)
    app.state.token = token
    add_handlers(app)
    app.include_router(native.routes(config, reception))
    app.include_router(openai_images.routes(config, reception))
    app.include_router(kept.routes(reception))
    app.include_router(pages.routes(pages.files_of()))
    return Gate(app, token, config.limits.body_bytes)


class Door:
    """A deployment of Ray Serve, after `serve.ingress`: see `pipelines.serve`."""

    def __init__(
        self, config: ServeConfig, token: Token, desk: "DeploymentHandle", studio: "DeploymentHandle"
    ) -> None:
        self.config, self.token, self.reception = config, token, Reception(desk, studio)

    def __serve_build_asgi_app__(self) -> Gate:
        return application(self.config, self.token, self.reception)
