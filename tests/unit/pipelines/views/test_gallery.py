"""The page of many places shows each by its own name, and each picture that is none with the reason."""

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ldm3d.reject import Reason
from ldm3d.schema import PLACES, conform, reject_rows
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Record, Shard
from pipelines.views.depth_sum import depth_sum
from pipelines.views.gallery import LEFT_OUT, WHY, gallery
from tests import ROOT


def place(number: int, **changes: Any) -> dict[str, Any]:
    row = {"key": number, "number": 0, "title": f"room {number}", "source": f"room {number}.png"}
    row |= {"folder": f"places/panoramas/{number:016x}-0", "width": 4, "height": 2, "nearest": 1.25, "farthest": 7.0}
    return row | {"files": "{}", "depth": "{}"} | changes


def written(
    folder: Path, places: list[dict[str, Any]], left_out: list[tuple[str, str]]
) -> tuple[Folder, list[Shard], dict[str, Record]]:
    """An output of two shards: one of places, one of pictures that are none."""
    output, shards = Folder(str(folder)), [Shard("rooms-00000", "", None, 0), Shard("rooms-00001", "", None, 0)]
    output.write_tables(shards[0].file("facts"), [conform(pa.Table.from_pylist(places, PLACES), "places/v1")])
    reasons, details = zip(*left_out, strict=True) if left_out else ((), ())
    rows = reject_rows(pa.array(range(len(left_out)), pa.int64()), "depth_fusion", reasons, details)
    output.write_tables(shards[1].file("rejects"), [rows])
    records = [
        Record.of("rooms-00000", len(places), len(places), []),
        Record.of("rooms-00001", len(left_out), 0, reasons),
    ]
    return output, shards, {record.name: record for record in records}


def test_a_place_is_shown_by_its_title_and_its_file_where_that_says_more(tmp_path):
    places = [
        place(1),
        place(2, source="attic/room 2.png"),
        place(3, title="a kitchen", source="rows.parquet:0:3"),
        place(4, title="rows.parquet:0:4", source="rows.parquet:0:4"),
    ]
    page = gallery(*written(tmp_path, places, []), {})
    assert re.findall(r"<figcaption>(.*?)</figcaption>", page) == [
        "room 1<br>1.25 to 7 m",
        "room 2<br>1.25 to 7 m, attic/room 2.png",
        "a kitchen<br>1.25 to 7 m, rows.parquet:0:3",
        "rows.parquet:0:4<br>1.25 to 7 m",
    ]
    assert "Places: 4, of 4 pictures." in page
    assert "Left out" not in page


def test_pictures_that_are_no_places_are_shown_with_the_reason_in_words(tmp_path):
    left_out = [
        (Reason.FILE_NOT_FOUND, "gone.png: gone.png"),
        (Reason.INVALID_ROW, "a <b>.png: no map of its depth"),
        (Reason.NEAR_DUPLICATE, "other.png: of another stage: who knows"),
    ]
    page = gallery(*written(tmp_path, [place(1)], left_out), {})
    assert re.findall(r"<td>(.*?)</td><td>(.*?)</td><td>(.*?)</td>", page) == [
        ("gone.png", "The file is not there", "gone.png"),
        ("a &lt;b&gt;.png", "It has no depth, or not of its size", "no map of its depth"),
        ("other.png", "Near duplicate", "of another stage: who knows"),
    ]
    assert "Places: 1, of 4 pictures." in page


def test_of_very_many_the_first_are_shown_and_it_is_said(tmp_path):
    left_out = [(Reason.NOT_AN_IMAGE, f"{number}.png: what") for number in range(LEFT_OUT + 5)]
    page = gallery(*written(tmp_path, [place(1)], left_out), {})
    assert page.count("It is no picture") == LEFT_OUT
    assert f"The first {LEFT_OUT} of {LEFT_OUT + 5}. All are in the folder rejects" in page


def test_every_reason_that_the_stage_has_is_in_words():
    """The reference lists them."""
    reference = (ROOT / "docs/corpus-reference.md").read_text()
    (line,) = re.findall(r"^\| depth_fusion \|(.*)\|$", reference, re.MULTILINE)
    assert {str(reason) for reason in WHY} == set(re.findall(r"`(\w+)`", line))


def test_an_output_of_an_earlier_version_says_nothing_of_depth(tmp_path):
    output, (shard, _), _ = written(tmp_path, [place(1)], [])
    older = output.read_table(shard.file("facts")).drop_columns(["depth"])
    output.write_tables("facts/older.parquet", [older])
    assert set(depth_sum(output, ["facts/older.parquet"]).values()) == {0}


def test_shares_are_of_the_pixels_of_all_places(tmp_path):
    depths = [{"unknown_share": 0.5}, {"unknown_share": 0.0, "redrawn": {"unknown_share_before": 0.25}}]
    places = [place(number, depth=json.dumps(depth), width=4 + 4 * number) for number, depth in enumerate(depths)]
    output, (shard, _), _ = written(tmp_path, places, [])
    found = depth_sum(output, [shard.file("facts")])
    assert (found["unknown"], found["redrawn"]) == (1, 1)
    assert (found["unknown_share"], found["redrawn_share"]) == pytest.approx((4 / 24, 4 / 24), abs=1e-6)
