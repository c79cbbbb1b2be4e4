"""Pictures in tables come out of them once, batch by batch, and each is read from its place."""

import io
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ldm3d.config import CorpusConfig, DownloadConfig, SelectConfig
from ldm3d.schema import IMAGE
from pipelines.corpus import unpack
from pipelines.corpus.candidates import cut_bucket, select_piece, write_bucket
from pipelines.corpus.metadata import MetadataInput, read_input
from pipelines.corpus.picture_files import PictureFile, PictureReader
from pipelines.corpus.plan import PICTURES, Plan, is_whole, planned_files
from pipelines.corpus.tables.parquet import ParquetTable, Span
from pipelines.corpus.unpack import unpack_span, with_places
from pipelines.storage.folder import Folder
from pipelines.storage.shards import LostRowsError

ROWS = 120
SELECT = SelectConfig(nsfw=("any",), min_caption_chars=3)
END = 2**64 - 1


def content(number: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + np.random.default_rng(number).bytes(2_000)


def cell(number: int) -> dict | None:
    """A picture; every 15th row names a file, every 40th is empty."""
    if number % 40 == 7:
        return None
    if number % 15 == 1:
        return {"bytes": None, "path": f"p/{number}.png"}
    return {"bytes": content(number), "path": "all the same.png"}


@pytest.fixture
def metadata(tmp_path) -> MetadataInput:
    """A file of row groups of 10 rows, one in a folder; every 7th caption is too short."""
    (tmp_path / "in/more").mkdir(parents=True)
    for name, numbers in (("a.parquet", range(ROWS)), ("more/b.parquet", range(ROWS, 2 * ROWS))):
        texts = ["x" if number % 7 == 0 else f"picture {number}" for number in numbers]
        table = pa.table({"text": texts, "image": pa.array([cell(number) for number in numbers], IMAGE)})
        pq.write_table(table, tmp_path / "in" / name, row_group_size=10, compression="snappy")
    return read_input(CorpusConfig(input=str(tmp_path / "in"), output="out", select=SELECT))


def spans(metadata: MetadataInput, most: int) -> list[dict]:
    folder = Folder(metadata.url)
    return [
        {"name": name, "number": number, **span._asdict()}
        for name, _, _ in metadata.files
        for number, span in enumerate(ParquetTable(folder, name).spans("image", most))
    ]


def copied(metadata: MetadataInput, output: str, last: int = END, most: int = 2**30) -> list[str]:
    """Copy all pictures; what is damaged."""
    items = [pa.Table.from_pylist([item]) for item in spans(metadata, most)]
    done = [unpack_span(item, metadata, SELECT, output, last)["damaged"][0].as_py() for item in items]
    return [line for line in done if line]


def planned(metadata: MetadataInput, output: str, cut: int | None = None) -> pa.Table:
    """The candidates of one bucket, as a run plans them."""
    pieces = [pa.table({"file": [name]}) for name, _, _ in metadata.files]
    rows = pa.concat_tables(part for piece in pieces for part in select_piece(piece, metadata, SELECT, 1))
    assert "image" not in rows.column_names
    (counts,) = write_bucket(rows, output, SELECT).to_pylist()
    bucket = pq.read_table(f"{output}/_state/buckets/00000.parquet")
    cut = cut or counts["selected"]
    assert copied(metadata, output, bucket["rank"][cut - 1].as_py()) == []
    cut_bucket(pa.table({"bucket": [0], "cut": [cut]}), output, shard_rows=16)
    return pq.read_table(f"{output}/_state/candidates/00000.parquet")


def contents_of(rows: pa.Table, metadata: MetadataInput, output: str) -> dict[str, bytes | str]:
    """What is read for each row, by URL; a reason where it is rejected."""
    reader = PictureReader(metadata.url, DownloadConfig(), f"{output}/{PICTURES}")
    names = ("file", "offset", "length", "part")
    places = zip(*(rows[name].to_pylist() for name in names), strict=True)
    files = [PictureFile(number, *place) for number, place in enumerate(places)]
    urls = rows["url"].to_pylist()
    return {urls[each.index]: each.reason or each.content for each in reader.read_all(files)}


def number_of(url: str) -> int:
    table, _, row = url.rpartition("/")
    return int(row) + (ROWS if table == "more/b.parquet" else 0)


def test_each_picture_is_read_from_its_place_a_named_file_is_found_and_an_empty_cell_is_no_picture(metadata, tmp_path):
    (tmp_path / "in/p").mkdir()
    for number in range(1, 2 * ROWS, 15):
        (tmp_path / f"in/p/{number}.png").write_bytes(b"a file")
    found = contents_of(planned(metadata, str(tmp_path / "out")), metadata, str(tmp_path / "out"))
    assert {number_of(url) for url in found} == {number for number in range(2 * ROWS) if number % 7}
    for url, read in found.items():
        wanted = cell(number_of(url))
        assert read == ("not_an_image" if wanted is None else wanted["bytes"] or b"a file")


def test_of_a_sample_only_its_own_pictures_are_copied(metadata, tmp_path):
    rows = planned(metadata, str(tmp_path / "out"), cut=12)
    assert rows.num_rows == 12
    held = sum(length or 0 for length in rows["length"].to_pylist())
    assert held > 0
    assert sum(file.stat().st_size for file in (tmp_path / "out").rglob("*.bin")) == held
    found = contents_of(rows, metadata, str(tmp_path / "out"))
    everything = planned(metadata, str(tmp_path / "all"))
    assert found.items() <= contents_of(everything, metadata, str(tmp_path / "all")).items()


def test_however_the_tables_are_cut_the_same_pictures_are_read(metadata, tmp_path, monkeypatch):
    whole = planned(metadata, str(tmp_path / "whole"))
    of_whole = contents_of(whole, metadata, str(tmp_path / "whole"))
    monkeypatch.setattr(unpack, "BATCH_BYTES", 5_000)
    read, sizes = ParquetTable.batches, []

    def batches(self, columns, rows, reading):
        for batch in read(self, columns, rows, reading):
            sizes.append(batch.num_rows if "image" in columns else 0)
            yield batch

    monkeypatch.setattr(ParquetTable, "batches", batches)
    out = str(tmp_path / "small")
    assert copied(metadata, out, most=70_000) == []
    assert 0 < max(sizes) <= 3  # a batch of 5,000 bytes of pictures of 2,000, some of them empty
    assert {span["rows"] for span in spans(metadata, 70_000)} == {30}
    rows = with_places(places_dropped(whole, metadata), Folder(out))
    assert contents_of(rows, metadata, out) == of_whole
    before = {file: file.read_bytes() for file in (tmp_path / "small").rglob("*.*") if file.is_file()}
    copied(metadata, out, most=70_000)  # as a task that is tried again does
    assert {file: file.read_bytes() for file in (tmp_path / "small").rglob("*.*") if file.is_file()} == before


def places_dropped(rows: pa.Table, metadata: MetadataInput) -> pa.Table:
    """Candidates as they were before they had places."""
    rows = rows.drop_columns(["file", "offset", "length", "part"])
    tables, numbers = zip(*(url.rsplit("/", 1) for url in rows["url"].to_pylist()), strict=True)
    return rows.append_column("table", [list(tables)]).append_column("row", [[int(number) for number in numbers]])


def test_a_plan_without_one_of_its_pictures_is_not_whole(metadata, tmp_path):
    planned(metadata, str(tmp_path / "out"))
    output = Folder(str(tmp_path / "out"))
    plan = Plan([], 0, {}, planned_files(output))
    assert is_whole(plan, output)
    next((tmp_path / "out").rglob("*.bin")).write_bytes(b"")
    assert not is_whole(plan, output)


def test_a_row_without_a_place_ends_the_run(metadata, tmp_path):
    rows = places_dropped(planned(metadata, str(tmp_path / "out")), metadata)
    with pytest.raises(LostRowsError, match=r"pictures of a\.parquet are missing: the input changed"):
        with_places(rows, Folder(str(tmp_path / "nothing")))
    (tmp_path / "out/_state/pictures/more/b.parquet.pictures/00000.parquet").unlink()
    with pytest.raises(LostRowsError, match=r"pictures of more/b\.parquet are missing"):
        with_places(rows, Folder(str(tmp_path / "out")))


def test_what_a_cell_names_is_read_only_where_it_may(metadata, tmp_path):
    paths = ["p/1.png", "/data/1.png", "/etc/hostname", "../1.png", "http://a.example/1.png", "", "~/1.png"]
    image = pa.array([{"bytes": None, "path": path} for path in paths], IMAGE)
    pq.write_table(pa.table({"text": ["a picture"] * len(paths), "image": image}), tmp_path / "in/a.parquet")
    (tmp_path / "in/more/b.parquet").unlink()
    config = CorpusConfig(input=metadata.url, output="out", select=SELECT)
    found = read_input(replace(config, download=DownloadConfig(files_under=("/data",))))
    rows = planned(found, str(tmp_path / "out"))
    places = {paths[number_of(row["url"])]: (row["file"], row["part"], row["length"]) for row in rows.to_pylist()}
    nowhere = (None, None, None)
    assert places == {
        **{path: (path, None, None) for path in paths[:2]},
        **dict.fromkeys((*paths[2:5], "~/1.png"), nowhere),
        "": (None, "a.parquet.pictures/00000-00000.bin", 0),
    }


def test_a_file_whose_pictures_are_damaged_is_named(metadata, tmp_path):
    file = tmp_path / "in/more/b.parquet"
    column = pq.read_metadata(file).row_group(5).column(1)
    broken = bytearray(file.read_bytes())
    start = column.data_page_offset
    broken[start : start + column.total_compressed_size] = bytes([0xAB] * column.total_compressed_size)
    file.write_bytes(broken)
    (line,) = copied(metadata, str(tmp_path / "out"))
    assert line.startswith(f"{file} (")


def test_a_file_is_cut_between_row_groups_and_empty_ones_are_passed_over(tmp_path):
    sink = io.BytesIO()
    table = pa.table({"image": pa.array([b"x" * 100] * 5, pa.binary())})
    with pq.ParquetWriter(sink, table.schema, compression="none", use_dictionary=False) as writer:
        for rows in (0, 2, 5, 0, 1):
            writer.write_table(table.slice(0, rows))
    (tmp_path / "a.parquet").write_bytes(sink.getvalue())
    file = ParquetTable(Folder(str(tmp_path)), "a.parquet")
    every = file.spans("image", 10**9)
    assert [(span.first, span.rows) for span in every] == [(0, 8)]
    few = file.spans("image", 300)
    assert [(span.first, span.rows) for span in few] == [(0, 2), (2, 5), (7, 1)]
    assert sum(span.size for span in few) == every[0].size
    for span in few:
        assert isinstance(span, Span)
        read = file.batches(["image"], 100, {"groups": span.groups})
        assert sum(batch.num_rows for batch in read) == span.rows
