"""Rebuild the RGBD corpus: metadata -> images -> depth labels -> packed parquet.

    python -m jobs.rebuild_corpus --preset ldm3d --input s3://laion/part-00 --output s3://corpora/laion-rgbd
    ray job submit --working-dir . -- python -m jobs.rebuild_corpus --input ... --output ...

Kill it at any point and run the same command again: it resumes where it stopped. Given an existing corpus as input, it
labels its images again.
"""

from typing import Any

from jobs.command import run
from ldm3d.config import CorpusConfig
from pipelines.workers.warm.start import expect_cluster


def main(config: CorpusConfig, *, dry_run: bool = False) -> dict[str, Any]:
    expect_cluster(config.cluster.address, dry_run=dry_run)
    from pipelines.rebuild_corpus import (
        rebuild_corpus,  # seconds of imports, which --help and a wrong flag do not wait for
    )

    return rebuild_corpus(config, dry_run=dry_run)


if __name__ == "__main__":
    run(main, CorpusConfig, __doc__)
