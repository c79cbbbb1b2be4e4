"""Measure pictures, depth and autoencoders, and write a report.

    python -m jobs.evaluate --preset ldm3d --input s3://samples/coco --reference s3://coco/val2014 \\
        --output s3://evaluations/coco
    python -m jobs.evaluate --input samples/ours sd=samples/sd-v1-4 --reference coco/val2014 --output evaluation \\
        --metrics fid inception_score clip
    ray job submit --working-dir . -- python -m jobs.evaluate --input ... --output ...

Kill it at any point and run the same command again: it resumes where it stopped. Exit code 4: done, and a metric got
worse than in the previous run, or than in the baseline (`--report.baseline`).
"""

from typing import Any

from jobs.command import run
from ldm3d.config import EvaluateConfig
from pipelines.workers.warm.start import expect_cluster


def main(config: EvaluateConfig, *, dry_run: bool = False) -> dict[str, Any]:
    expect_cluster(config.cluster.address, dry_run=dry_run)
    from pipelines.evaluate import evaluate  # seconds of imports, which --help and a wrong flag do not wait for

    return evaluate(config, dry_run=dry_run)


if __name__ == "__main__":
    run(main, EvaluateConfig, __doc__)
