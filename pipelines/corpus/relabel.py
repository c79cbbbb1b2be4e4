"""An existing corpus as input: its shards are read back as images and labelled again. Nothing is downloaded."""

from dataclasses import replace

import pyarrow as pa

from ldm3d.config import CorpusConfig, DownloadConfig, SelectConfig, from_json
from pipelines.corpus.plan import FOLDERS, PLAN, Plan, load_plan
from pipelines.storage.folder import DamagedError, Folder
from pipelines.storage.inputs import CORPUS, require_finished
from pipelines.storage.parquet import with_columns
from pipelines.storage.run import CONFIG, SUCCESS
from pipelines.storage.shards import Record, Shard, finished


def is_corpus(url: str) -> bool:
    """Tell a corpus of ours, finished or not, from foreign metadata."""
    folder = Folder(url)
    return folder.exists(PLAN) or folder.exists(SUCCESS)


def with_source_settings(config: CorpusConfig) -> CorpusConfig:
    """Take the settings of selection and download from the corpus, in place of those of the command line.

    Raises:
        ValueError: the settings of the corpus cannot be read.
    """
    try:
        source = Folder(config.input).read_json(CONFIG).get("config", {})
    except (FileNotFoundError, DamagedError) as error:
        raise ValueError(f"--input: {error}: a corpus has a {CONFIG} beside it; restore it") from error
    if not {"select", "download"} <= source.keys():
        raise ValueError(f"--input {config.input!r} was made by another stage than rebuild_corpus: give a corpus")
    where = f"--input {config.input!r}: its {CONFIG}"
    select = from_json(SelectConfig, source["select"], where)
    download = from_json(DownloadConfig, source["download"], where)
    return replace(config, select=select, download=download)


def relabel_plan(corpus: Folder) -> Plan:
    """Plan the shards of a finished corpus again, each with its kept rows.

    Raises:
        ValueError: files of the corpus are missing or changed.
    """
    plan = load_plan(corpus)
    if plan is None:
        raise ValueError(f"--input {corpus.url!r} has no {PLAN}, which lists its shards: restore its _state/")
    records = finished(corpus, plan.shards, FOLDERS).values()
    kept, wanted = (
        sum(record.kept for record in records),
        require_finished(corpus.url, CORPUS)["rows_kept"],
    )
    if kept != wanted:
        raise ValueError(
            f"--input {corpus.url!r} should hold {wanted} rows, but its whole shards hold {kept}; "
            "repair it by running the command that made it again"
        )
    shards = [Shard(record.name, _file(record), None, record.kept) for record in records if record.kept]
    shards.sort(key=lambda shard: shard.name)
    return Plan(shards, sum(shard.rows for shard in shards), {})


class CorpusReader:
    """Reads a shard of a corpus.

    INPUT   one shard: name, source
    OUTPUT  its rows, in the columns of `pipelines.corpus.download.Downloader`
    Fan-out 1 shard : its rows
    """

    def __init__(self, corpus: str) -> None:
        self.corpus = Folder(corpus)

    def __call__(self, shard: pa.Table) -> pa.Table:
        rows = self.corpus.read_table(shard["source"][0].as_py()).replace_schema_metadata(None)
        rows = rows.drop_columns(["depth", "depth_min", "depth_max"])
        image, nothing = rows["image"].combine_chunks().field("bytes"), pa.array([""] * rows.num_rows)
        names = pa.array([shard["name"][0].as_py()] * rows.num_rows)
        return with_columns(rows, image=image, stage=nothing, reason=nothing, detail=nothing, shard=names)


def _file(record: Record) -> str:
    return next(name for name in record.sizes if name.startswith("rgbd/"))
