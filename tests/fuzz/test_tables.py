"""Of any tables, rows read are rows selected and rejected; or the input is refused before work, with what to do."""

import json
import logging
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldm3d.config import CorpusConfig, LabelConfig, SelectConfig
from ldm3d.reject import Reason
from ldm3d.rows.columns import PUBLISHERS
from pipelines.corpus.candidates import cut_bucket, select_piece, write_bucket
from pipelines.corpus.metadata import MetadataInput, read_input
from pipelines.corpus.tables.parquet import ParquetTable
from pipelines.corpus.unpack import unpack_span
from pipelines.storage.folder import Folder
from tests.fuzz import examples
from tests.fuzz.tables import DEPTH, tables, write, writers

SELECTS = [
    *([{"nsfw": ("any",)}] * 6),
    {"nsfw": ("UNLIKELY", "unsure"), "min_similarity": 0.3, "min_size": 10, "max_caption_chars": 20},
    *({"nsfw": ("any",), "columns": publisher} for publisher in PUBLISHERS),
]
DEPTHS = (None, None, None, DEPTH, DEPTH, "url", "a.b")
REASONS = {
    Reason.INVALID_ROW,
    Reason.NSFW,
    Reason.LOW_SIMILARITY,
    Reason.TOO_SMALL,
    Reason.BAD_ASPECT_RATIO,
    Reason.CAPTION_TOO_SHORT,
    Reason.CAPTION_TOO_LONG,
    Reason.DUPLICATE_URL,
}


@pytest.fixture(autouse=True, scope="module")
def silence():
    """Columns that are passed over are told of, table for table."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("tables")


@given(
    found=tables(),
    options=writers(),
    empty_groups=st.booleans(),
    policy=st.sampled_from(SELECTS),
    depth=st.sampled_from(DEPTHS),
)
@examples()
def test_rows_read_are_rows_selected_and_rejected(scratch, found, options, empty_groups, policy, depth):
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        config = CorpusConfig(
            input=f"{folder}/in",
            output=f"{folder}/out",
            select=SelectConfig(**policy),
            label=LabelConfig(column=depth, predicts="depth"),
        )
        Path(config.input).mkdir()
        for number, table in enumerate(found):
            write(Path(config.input), number, table, options, empty_groups)
        metadata = refusal = None
        try:
            metadata = read_input(config)
        except ValueError as error:
            refusal = error
        if metadata is None:
            assert type(refusal) is ValueError  # its subclasses do not end in the exit code for wrong input
            assert any(flag in str(refusal) for flag in ("--input", "--select", "--label"))
            return
        pieces = [pa.table({"file": [name]}) for name, _, rows in metadata.files if rows]
        judged = pa.concat_tables(
            part for piece in pieces for part in select_piece(piece, metadata, config.select, buckets=1)
        )
        assert judged["damaged"].null_count == judged.num_rows
        (counts,) = write_bucket(judged, config.output, config.select).to_pylist()
        rejected = json.loads(counts["rejected"])
        assert set(rejected) <= REASONS
        read = sum(table.num_rows for table in found)
        assert counts["selected"] + sum(rejected.values()) == judged.num_rows == metadata.rows == read
        if metadata.columns.image and counts["selected"]:
            places = held_by_tables(metadata, config, counts["selected"])
            assert places.num_rows == counts["selected"]


def held_by_tables(metadata: MetadataInput, config: CorpusConfig, selected: int) -> pa.Table:
    """The candidates, once the pictures in the tables are copied out of them. Each has a place, or may not be read."""
    folder = Folder(metadata.url)
    for name, _, _ in metadata.files:
        for number, span in enumerate(ParquetTable(folder, name).spans(metadata.columns.image or "", 50)):
            item = pa.Table.from_pylist([{"name": name, "number": number, **span._asdict()}])
            assert unpack_span(item, metadata, config.select, config.output, 2**64 - 1).to_pylist() == [
                {"damaged": ""}
            ]
    cut_bucket(pa.table({"bucket": [0], "cut": [selected]}), config.output, shard_rows=8)
    rows = pq.read_table(f"{config.output}/_state/candidates/00000.parquet")
    assert all((row["part"] is None) == (row["length"] is None) for row in rows.to_pylist())
    return rows
