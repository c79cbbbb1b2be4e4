"""An existing corpus as input: its shards, read back as images to be labelled anew. Nothing is downloaded."""

import json
from typing import Any

import pyarrow as pa

from pipelines.candidates import Plan
from pipelines.commit import MARKERS, Record, Shard
from pipelines.preflight import SUCCESS
from pipelines.storage import Folder


def is_corpus(url: str) -> bool:
    """Whether a folder holds a corpus of ours, finished or not, rather than foreign metadata."""
    return Folder(url).exists("_state/plan.json")


def check_finished(corpus: Folder) -> dict[str, Any]:
    """The success marker of a corpus that is to be relabelled.

    Raises:
        ValueError: the corpus is not finished.
    """
    if not corpus.exists(SUCCESS):
        raise ValueError(f"--input {corpus.url!r} is a corpus that is not finished; finish it, then relabel it")
    return dict(json.loads(corpus.read(SUCCESS)))


def relabel_plan(corpus: Folder) -> Plan:
    """A finished corpus -> the same shards again, each of the rows that were kept."""
    records = [Record(**json.loads(content)) for content in corpus.read_many(list(corpus.sizes(MARKERS, ".json")))]
    shards = [Shard(record.name, _file(record), None, record.kept) for record in records if record.kept]
    shards.sort(key=lambda shard: shard.name)
    return Plan(shards, sum(shard.rows for shard in shards), {})


class CorpusReader:
    """Reads a shard of a corpus.

    INPUT   one shard: name, source
    OUTPUT  its rows, as `pipelines.download.Downloader` gives them
    Fan-out 1 shard : its rows
    """

    def __init__(self, corpus: str) -> None:
        self.corpus = Folder(corpus)

    def __call__(self, shard: pa.Table) -> pa.Table:
        rows = self.corpus.read_table(shard["source"][0].as_py()).replace_schema_metadata(None)
        rows = rows.drop_columns(["depth", "depth_min", "depth_max"])
        image = rows["image"].combine_chunks().field("bytes")
        rows = rows.set_column(rows.column_names.index("image"), "image", image)
        for name in ("stage", "reason", "detail"):
            rows = rows.append_column(name, pa.array([""] * rows.num_rows))
        return rows.append_column("shard", pa.array([shard["name"][0].as_py()] * rows.num_rows))


def _file(record: Record) -> str:
    return next(name for name in record.sizes if name.startswith("rgbd/"))
