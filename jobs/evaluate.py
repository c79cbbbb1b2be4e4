"""Measure pictures, depth and autoencoders, and write a report.

    python -m jobs.evaluate --preset ldm3d --input s3://samples/coco --reference s3://coco/val2014 \\
        --output s3://evaluations/coco
    python -m jobs.evaluate --input samples/ours sd=samples/sd-v1-4 --reference coco/val2014 --output evaluation \\
        --metrics fid inception_score clip
    ray job submit --working-dir . -- python -m jobs.evaluate --input ... --output ...

Killed anywhere, run it again: it does what is left. Exit code 4: done, and a metric got worse than in the run before.
"""

from jobs.command import run
from ldm3d.config import EvaluateConfig
from pipelines.evaluate import evaluate

if __name__ == "__main__":
    run(evaluate, EvaluateConfig, __doc__)
