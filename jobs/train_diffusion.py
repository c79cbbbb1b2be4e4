"""Fine-tune the U-Net on the latents of a trained autoencoder, on Ray Train: the second of the paper's two stages.

    python -m jobs.train_diffusion --preset ldm3d --input s3://corpora/laion-latents --output s3://runs/diffusion
    ray job submit --working-dir . -- python -m jobs.train_diffusion --input ... --output ...

Kill or stop it at any point and run the same command again: it resumes from its last checkpoint, or, if
finished, does nothing.
"""

from typing import Any

from jobs.command import run
from ldm3d.config import DiffusionConfig
from pipelines.workers.warm.start import expect_cluster


def main(config: DiffusionConfig, *, dry_run: bool = False) -> dict[str, Any]:
    expect_cluster(config.workers.address, dry_run=dry_run)
    from pipelines.train_diffusion import (
        train_diffusion,  # seconds of imports, which --help and a wrong flag do not wait for
    )

    return train_diffusion(config, dry_run=dry_run)


if __name__ == "__main__":
    run(main, DiffusionConfig, __doc__)
