"""Encode an RGBD corpus once with the frozen autoencoder: the U-Net is trained on the result.

    python -m jobs.encode_latents --preset ldm3d --input s3://corpora/laion-rgbd --output s3://corpora/laion-latents \\
        --model.autoencoder s3://runs/autoencoder
    ray job submit --working-dir . -- python -m jobs.encode_latents --input ... --output ...

Kill it at any point and run the same command again: it resumes where it stopped.
"""

from typing import Any

from jobs.command import run
from ldm3d.config import LatentsConfig
from pipelines.workers.warm.start import expect_cluster


def main(config: LatentsConfig, *, dry_run: bool = False) -> dict[str, Any]:
    expect_cluster(config.cluster.address, dry_run=dry_run)
    from pipelines.encode_latents import (
        encode_latents,  # seconds of imports, which --help and a wrong flag do not wait for
    )

    return encode_latents(config, dry_run=dry_run)


if __name__ == "__main__":
    run(main, LatentsConfig, __doc__)
