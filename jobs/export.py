"""Export the model of a training run, at any of its checkpoints, as a folder in diffusers layout.

    python -m jobs.export --input s3://runs/diffusion --step 40000 --output s3://models/ldm3d-40000

Another training can start from it: --model.base and --model.autoencoder take such folders.
"""

from typing import Any

from jobs.command import run
from ldm3d.config import ExportConfig


def main(config: ExportConfig, *, dry_run: bool = False) -> dict[str, Any]:
    from pipelines.export import export_run  # seconds of imports, which --help and a wrong flag do not wait for

    return export_run(config, dry_run=dry_run)


if __name__ == "__main__":
    run(main, ExportConfig, __doc__)
