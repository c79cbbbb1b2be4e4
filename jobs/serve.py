"""Draw pictures with depth over HTTP: an API, the OpenAI Images API, and a page.

    python -m jobs.serve --model.model runs/demo/diffusion/model
    LDM3D_TOKEN=... python -m jobs.serve --preset ldm3d --host 0.0.0.0 --cluster.replicas 4

Ctrl-C ends it: requests that are being drawn are answered first.
"""

from typing import Any

from jobs.command import run
from ldm3d.config import ServeConfig
from pipelines.workers.warm.start import expect_cluster


def main(config: ServeConfig, *, dry_run: bool = False) -> dict[str, Any]:
    expect_cluster(config.cluster.address, dry_run=dry_run)
    from pipelines.serve import serve_models  # seconds of imports, which --help and a wrong flag do not wait for

    return serve_models(config, dry_run=dry_run)


if __name__ == "__main__":
    run(main, ServeConfig, __doc__)
