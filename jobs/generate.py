"""Draw pictures with depth: for captions on a cluster, or for one prompt on this machine.

    python -m jobs.generate --prompt "a lemon on a wooden table" --output pictures
    python -m jobs.generate --preset ldm3d --input s3://captions/coco-val2014.json --output s3://samples/coco \\
        --captions.count 30000 --sampling.guidance-scale 3 5 7
    ray job submit --working-dir . -- python -m jobs.generate --input ... --output ...

Kill it at any point and run the same command again: it resumes where it stopped.
"""

from dataclasses import replace
from typing import Any

from jobs.command import run
from ldm3d.config import GenerateConfig
from pipelines.workers.warm.start import expect_cluster


def main(config: GenerateConfig, *, dry_run: bool = False) -> dict[str, Any]:
    """Draw one prompt here, without a cluster or Ray, or captions on a cluster."""
    if config.prompt is not None:
        from pipelines.storage.paths import with_absolute_paths

        placed = with_absolute_paths(config)  # which refuses an output that a submitted job would lose
        from ldm3d.sampling.draw_prompt import draw_prompt

        return draw_prompt(replace(config, model=placed.model), dry_run=dry_run)  # files are named as they were typed
    expect_cluster(config.cluster.address, dry_run=dry_run)
    from pipelines.generate import generate

    return generate(config, dry_run=dry_run)


if __name__ == "__main__":
    run(main, GenerateConfig, __doc__)
