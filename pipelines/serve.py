"""The service: models that draw, a desk that knows every request, and a door that speaks HTTP, on Ray Serve."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import ray

from ldm3d.config import ServeConfig
from pipelines.serving.arguments import config_of
from pipelines.serving.token import Token
from pipelines.storage.models import open_model
from pipelines.storage.paths import with_absolute_paths
from pipelines.workers.session import connect

if TYPE_CHECKING:
    from ray import serve

logger = logging.getLogger(__name__)

NAME = "ldm3d"
TOKEN = "LDM3D_TOKEN"  # of the environment
LOCAL = ("127.0.0.1", "::1", "localhost")
SPARE = 16  # requests beyond those of an engine, which refuses them itself, with when to come again
OPEN = 4_096  # requests that wait at door and desk, which they cost little
DOOR, DESK, STUDIO, MODEL = "door", "desk", "studio", "model"  # names of deployments; of several models, `model-NAME`


def build(arguments: dict[str, Any]) -> "serve.Application":
    """Build the application of a Serve config file, whose `args` are settings of `serve` without the dashes:
    `model: {model: [s3://models/ldm3d]}`. The token is LDM3D_TOKEN in the environment.

    Raises:
        ValueError: a setting is not known, or out of its range.
    """
    return application(config_of(arguments))


def application(config: ServeConfig) -> "serve.Application":
    """Build the application, for the cluster that this process is connected to."""
    from ray import serve

    from pipelines.serving.app import Door
    from pipelines.serving.desk import Desk
    from pipelines.serving.replica import Replica
    from pipelines.serving.studio import Studio

    deployment: Any = serve.deployment  # whose types know no dictionary of options
    token, config = Token.of(token_of(config)), replace(config, token=None)
    names = [name for name, _ in config.model.named()]
    common = {
        "graceful_shutdown_timeout_s": config.drain_s,
        "graceful_shutdown_wait_loop_s": 0.2,
        "logging_config": {"encoding": "JSON"},
    }
    model = deployment(
        Replica,
        num_replicas=config.cluster.replicas,
        ray_actor_options=_needs(config),
        max_ongoing_requests=config.engine.max_requests + SPARE,
        max_queued_requests=config.engine.max_requests,
        max_constructor_retry_count=2,
        **common,
    )
    copies = {
        name: model.options(name=MODEL if len(names) == 1 else f"{MODEL}-{name}").bind(name, config) for name in names
    }
    # No CPU is asked for: those of a small cluster are all taken by models.
    light = {"ray_actor_options": {"num_cpus": 0}, "max_ongoing_requests": OPEN, **common}
    desk = deployment(Desk, name=DESK, num_replicas=1, **light).bind(config, copies)
    studio = deployment(Studio, name=STUDIO, num_replicas=1, **light).bind()
    door = deployment(serve.ingress()(Door), name=DOOR, num_replicas=config.cluster.doors, **light)
    built: serve.Application = door.bind(config, token, desk, studio)
    return built


def _needs(config: ServeConfig) -> dict[str, float]:
    """Return what a copy of a model takes on this cluster."""
    has_gpu = ray.cluster_resources().get("GPU", 0) > 0
    if has_gpu and config.cluster.gpus:
        return {"num_cpus": 0, "num_gpus": config.cluster.gpus}
    return {"num_cpus": config.cluster.cpus}


def serve_models(config: ServeConfig, *, dry_run: bool = False) -> dict[str, Any]:
    """Serve until this process is interrupted, then let requests end.

    Args:
        config: all settings.
        dry_run: check settings and models, and return the settings.

    Returns:
        address, and how long it was served; for a dry run the settings.

    Raises:
        ValueError: settings, models or the cluster are refused.
    """
    _require_installed()
    config = _placed(config)
    _require_safe(config)
    if dry_run:
        for _, place in config.model.named():
            open_model(place, config.model.revision)
        return {"config": config.shown()}
    connect(config.cluster)
    began = time.monotonic()
    with running(config) as address:
        try:
            _tell(config, address)
            while True:
                time.sleep(3_600)
        except KeyboardInterrupt:
            logger.info("stopping: requests have %g s to end; interrupt again to cut them", config.drain_s)
    return {"address": address, "seconds": round(time.monotonic() - began, 1)}


@contextmanager
def running(config: ServeConfig) -> Iterator[str]:
    """Serve inside the `with`, on the cluster that this process is connected to, and yield the address.

    At the end no request is taken any more, those that are there are drawn, and Serve is shut down.

    Raises:
        ValueError: a model cannot be read, or cannot draw; or Serve runs already, which this would shut down.
    """
    from ray import serve

    _require_alone()
    port = config.port or _free_port(config.host)
    logging.getLogger("ray.serve").setLevel(logging.WARNING)  # of this process; others have their own logs
    serve.start(http_options={"host": config.host, "port": port}, logging_config={"encoding": "JSON"})
    try:
        try:
            serve.run(application(config), name=NAME, route_prefix="/")
        except RuntimeError as error:
            raise _reason(error) from error
        yield f"http://{f'[{config.host}]' if ':' in config.host else config.host}:{port}"
        _drain(config.drain_s)
    finally:
        serve.shutdown()


def token_of(config: ServeConfig) -> str | None:
    """Return the token of the settings, or of the environment."""
    return config.token or os.environ.get(TOKEN) or None


def _drain(seconds: float) -> None:
    """Let requests end: first the desk takes no new ones, then what is idle is deleted. `shutdown` alone cuts them."""
    from ray import serve

    desk = serve.get_deployment_handle(DESK, NAME)
    left = desk.finish.remote(seconds).result()
    if left:
        logger.warning("cut after %g s: %d requests", seconds, left)
    serve.delete(NAME)


def _tell(config: ServeConfig, address: str) -> None:
    token = f" -H 'Authorization: Bearer '${TOKEN}" if token_of(config) else ""
    body = '{"prompt": "a red sphere on a white floor", "seed": 7}'
    logger.info("serving %s at %s", ", ".join(name for name, _ in config.model.named()), address)
    logger.info("the page: %s/", address)
    logger.info(
        "or: curl%s -H 'Content-Type: application/json' -H 'Accept: application/zip' -d '%s' -o rgbd.zip %s/v1/rgbd",
        token,
        body,
        address,
    )
    logger.info("Ctrl-C ends it")


def _placed(config: ServeConfig) -> ServeConfig:
    """Make local places absolute, and keep the names that clients know the models by."""
    placed = with_absolute_paths(config)
    pairs = zip(config.model.named(), placed.model.named(), strict=True)
    models = tuple(f"{name}={place}" for (name, _), (_, place) in pairs)
    return replace(placed, model=replace(placed.model, model=models))


def _require_installed() -> None:
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise ValueError("what serves is not installed: pip install 'ldm3d-on-ray[serve]'")


def _require_safe(config: ServeConfig) -> None:
    if config.host not in LOCAL and token_of(config) is None:
        raise ValueError(
            f"--host is {config.host!r}, which others can reach, and there is no token: set {TOKEN} in the "
            "environment, or give 127.0.0.1"
        )


def _require_alone() -> None:
    try:
        ray.get_actor("SERVE_CONTROLLER_ACTOR", namespace="serve")
    except ValueError:
        return
    raise ValueError(
        "Ray Serve runs on this cluster already: deploy the application there with `serve deploy` and a config file "
        "(docs/serve.md), or give another cluster by --cluster.address"
    )


def _free_port(host: str) -> int:
    import socket

    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as free:
        free.bind((host, 0))
        return int(free.getsockname()[1])


def _reason(error: RuntimeError) -> Exception:
    """Return what a model was refused for, where that is why the application does not start."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line.removeprefix("ValueError: ") for line in lines if line.startswith("ValueError: ")]
    return ValueError(told[-1]) if told else error
