"""Rebuild the RGBD corpus: metadata -> images -> depth labels -> packed parquet.

    python -m jobs.rebuild_corpus --preset ldm3d --input s3://laion/part-00 --output s3://corpora/laion-rgbd
    ray job submit --working-dir . -- python -m jobs.rebuild_corpus --input ... --output ...

Killed or finished, run it again: it does what is left, or nothing. An existing corpus as input is labelled anew.
"""

from jobs.command import run
from ldm3d.config import CorpusConfig
from pipelines.rebuild_corpus import rebuild_corpus

if __name__ == "__main__":
    run(rebuild_corpus, CorpusConfig, __doc__)
