"""Take a model out of a training run, at any of its checkpoints, as a folder in diffusers layout.

    python -m jobs.export --input s3://runs/diffusion --step 40000 --output s3://models/ldm3d-40000

What comes out starts another training, too: --model.base and --model.autoencoder take such folders.
"""

from jobs.command import run
from ldm3d.config import ExportConfig
from pipelines.export import export_run

if __name__ == "__main__":
    run(export_run, ExportConfig, __doc__)
