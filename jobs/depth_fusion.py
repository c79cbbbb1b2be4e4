"""Make places to look around in of panoramas and flat pictures with depth: one on this machine, or many on a cluster.

    python -m jobs.depth_fusion --input panorama.png --depth.source depth.exr --depth.kind distance --output place
    python -m jobs.depth_fusion --input panorama.png --depth.model Intel/dpt-large --output place
    python -m jobs.depth_fusion --input photo.jpg --depth.model Intel/dpt-large --output place  # a flat picture
    python -m jobs.depth_fusion --input pictures/000.png --output place  # what `generate --prompt` wrote
    python -m jobs.depth_fusion --input panorama.png --prompt "the same at night" --output place
    python -m jobs.depth_fusion --prompt "a forest in autumn" --output place
    python -m jobs.depth_fusion --input s3://samples/panoramas --output s3://places/panoramas
    ray job submit --working-dir . -- python -m jobs.depth_fusion --input ... --output ...

Kill it at any point and run the same command again: it resumes where it stopped.
"""

from dataclasses import replace
from typing import Any

from jobs.command import run
from ldm3d.config import DepthFusionConfig
from pipelines.workers.warm.start import expect_cluster


def main(config: DepthFusionConfig, *, dry_run: bool = False) -> dict[str, Any]:
    """Make a place of one picture here, without a cluster or Ray, or of many on a cluster."""
    if config.is_one:
        from pipelines.storage.paths import with_absolute_paths

        placed = with_absolute_paths(config)  # which refuses an output that a submitted job would lose
        from ldm3d.fusion.fuse import fuse

        return fuse(replace(config, model=placed.model), dry_run=dry_run)  # files are named as they were typed
    expect_cluster(config.cluster.address, dry_run=dry_run)
    from pipelines.depth_fusion import depth_fusion

    return depth_fusion(config, dry_run=dry_run)


if __name__ == "__main__":
    run(main, DepthFusionConfig, __doc__)
