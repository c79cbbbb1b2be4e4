"""Fine-tune the autoencoder on an RGBD corpus, on Ray Train: the first of the paper's two stages.

    python -m jobs.train_autoencoder --preset ldm3d --input s3://corpora/laion-rgbd --output s3://runs/autoencoder
    ray job submit --working-dir . -- python -m jobs.train_autoencoder --input ... --output ...

Kill or stop it at any point and run the same command again: it resumes from its last checkpoint, or, if
finished, does nothing.
"""

from typing import Any

from jobs.command import run
from ldm3d.config import AutoencoderConfig
from pipelines.workers.warm.start import expect_cluster


def main(config: AutoencoderConfig, *, dry_run: bool = False) -> dict[str, Any]:
    expect_cluster(config.workers.address, dry_run=dry_run)
    from pipelines.train_autoencoder import (
        train_autoencoder,  # seconds of imports, which --help and a wrong flag do not wait for
    )

    return train_autoencoder(config, dry_run=dry_run)


if __name__ == "__main__":
    run(main, AutoencoderConfig, __doc__)
