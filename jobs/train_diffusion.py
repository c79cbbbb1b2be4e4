"""Fine-tune the U-Net on the latents of a trained autoencoder, on Ray Train: the second of the paper's two stages.

    python -m jobs.train_diffusion --preset ldm3d --input s3://corpora/laion-latents --output s3://runs/diffusion
    ray job submit --working-dir . -- python -m jobs.train_diffusion --input ... --output ...

Killed, stopped or finished, run it again: it goes on from its last checkpoint, or says that it is done.
"""

from jobs.command import run
from ldm3d.config import DiffusionConfig
from pipelines.train_diffusion import train_diffusion

if __name__ == "__main__":
    run(train_diffusion, DiffusionConfig, __doc__)
