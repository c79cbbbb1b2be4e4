"""Samples of a grid, a corpus, foreign parquet and picture files open as sets; anything else is refused."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ldm3d.images import encode_depth, encode_rgb
from ldm3d.keys import make_key
from ldm3d.schema import IMAGE
from pipelines.evaluation.picture_set import PictureSet
from pipelines.evaluation.picture_sets import open_sets, without_pictures
from pipelines.storage.folder import Folder

SETTINGS = {"captions": {"seed": 3}, "sampling": {"eta": 0.5, "scheduler": "ddim"}, "precision": "fp32"}
SAMPLING = {"eta": 0.5, "precision": "fp32"}  # what decides samples beside the point
POINT = {"scheduler": "ddim", "guidance_scale": 5.0, "num_inference_steps": 50}


def picture(value: int) -> bytes:
    return encode_rgb(np.full((4, 4, 3), value, np.uint8))


def table(values: range, **columns: object) -> pa.Table:
    images = pa.array([{"bytes": picture(value), "path": f"{value}.png"} for value in values], IMAGE)
    return pa.table({"image": images, **columns})


def samples(root: Path, rows: int = 3, checkpoint: str = "abc") -> Path:
    """Write the output of a finished `generate` with a grid of two points, one of them empty."""
    output = Folder(str(root))
    depth = pa.array([{"bytes": encode_depth(np.zeros((4, 4), np.uint16), "png"), "path": "d"}] * rows, IMAGE)
    columns = {"key": pa.array([7] * rows), "number": pa.array(range(rows)), "caption": ["a cube"] * rows}
    output.write_tables("samples/ddim-s5-n50/00000.parquet", [table(range(rows), depth=depth, **columns)])
    points = {"ddim-s5-n50": POINT | {"rows": rows}, "ddim-s5-n9": POINT | {"rows": 0}}
    marker = {"points": points, "settings": SETTINGS, "model": {"fingerprint": checkpoint}}
    output.write("_SUCCESS.json", json.dumps(marker).encode())
    return root


def only(path: object, shard_pictures: int = 64) -> PictureSet:
    (found,) = open_sets(str(path), shard_pictures, "--input")
    return found


def test_samples_are_a_set_for_each_point_that_has_any(tmp_path):
    found = only(samples(tmp_path / "ours"))
    assert (found.name, found.rows) == ("ours/ddim-s5-n50", 3)
    assert found.columns == {"image": "image", "caption": "caption", "depth": "depth"}
    assert found.about == {"checkpoint": "abc", "training_step": None, "seed": 3, "sampling": SAMPLING, **POINT}
    assert found.parts[0].numbers.tolist() == [0, 1, 2]


def test_each_picture_of_a_prompt_counts_once(tmp_path, caplog):
    """Depth, and both in one, lie beside it: they are no pictures."""
    for name in ("000.png", "000-depth.png", "000-both.png", "sub/001.png", "sub/001-depth.png", "photo-both.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(picture(0))
    with caplog.at_level("INFO"):
        found = only(tmp_path)
    assert [file for part in found.parts for file in part.files] == ["000.png", "photo-both.png", "sub/001.png"]
    assert "left out 3 files that show the depth of a picture beside them (000-both.png first)" in caplog.text


def test_a_point_whose_samples_were_all_rejected_is_named(tmp_path):
    assert without_pictures(f"ours={samples(tmp_path / 'x')}") == ["ours/ddim-s5-n9"]
    assert without_pictures(str(tmp_path)) == []


def test_of_several_models_each_point_has_its_own_checkpoint_and_step(tmp_path):
    root = samples(tmp_path / "ours")
    (root / "samples/ddim-s5-n50").rename(root / "samples/late-ddim-s5-n50")
    marker = json.loads((root / "_SUCCESS.json").read_text())
    marker["models"] = {"late": {"fingerprint": "def"}}
    del marker["model"]
    point = POINT | {"checkpoint": "def", "training_step": 400, "rows": 3}
    (root / "_SUCCESS.json").write_text(json.dumps(marker | {"points": {"late-ddim-s5-n50": point}}))
    found = only(root)
    assert found.name == "ours/late-ddim-s5-n50"
    assert (found.about["checkpoint"], found.about["training_step"]) == ("def", 400)


def test_a_name_may_be_given(tmp_path):
    assert only(f"best={samples(tmp_path / 'ours')}").name == "best/ddim-s5-n50"


def test_picture_files_are_cut_into_parts_in_the_order_of_their_names(tmp_path):
    for name in ("b.png", "a.JPG", "deep/c.webp", ".hidden.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(picture(1))
    found = only(tmp_path, shard_pictures=2)
    assert [part.files for part in found.parts] == [("a.JPG", "b.png"), ("deep/c.webp",)]
    assert found.parts[1].keys.tolist() == [make_key("deep/c.webp")]


def test_foreign_parquet_needs_no_more_than_pictures(tmp_path):
    pq.write_table(table(range(3), text=["a", "b", "c"]), tmp_path / "x.parquet")
    found = only(tmp_path)
    assert found.columns == {"image": "image", "caption": "text"}
    assert len(set(found.parts[0].keys.tolist())) == 3


def test_depth_that_is_nowhere_is_no_depth(tmp_path):
    pq.write_table(table(range(2), depth=pa.array([None, None], IMAGE)), tmp_path / "x.parquet")
    assert "depth" not in only(tmp_path).columns


def test_a_set_is_known_by_its_content_wherever_it_lies(tmp_path):
    one, other = (only(samples(tmp_path / name / "x")) for name in ("one", "other"))
    assert one.fingerprint == other.fingerprint
    assert only(samples(tmp_path / "third", rows=4)).fingerprint != one.fingerprint


def test_a_set_is_the_same_however_it_is_cut_and_a_part_keeps_its_name(tmp_path):
    """Numbers of the same pictures are comparable, and features of a part are found again."""
    for value in range(5):
        (tmp_path / f"{value}.png").write_bytes(picture(value))
    whole, cut, single = (only(tmp_path, shard_pictures=each) for each in (5, 2, 1))
    assert [len(each.parts) for each in (whole, cut, single)] == [1, 3, 5]
    assert whole.fingerprint == cut.fingerprint == single.fingerprint
    assert whole.parts[0].fingerprint == whole.fingerprint
    assert cut.parts[2].fingerprint == single.parts[4].fingerprint
    (tmp_path / "4.png").rename(tmp_path / "a.png")  # the same pictures in the same order, with another key
    assert only(tmp_path, shard_pictures=2).fingerprint != whole.fingerprint


def test_a_changed_picture_changes_the_fingerprint(tmp_path):
    prints = set()
    for value in (1, 2):
        (tmp_path / "a.png").write_bytes(picture(value))
        prints.add(only(tmp_path).fingerprint)
    assert len(prints) == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: None, "given.* not a folder"),
        (lambda root: root.mkdir(), "holds no .parquet file and no .jpg"),
        (lambda root: Folder(str(root)).write("config.json", b"{}"), "is not finished"),
        (lambda root: Folder(str(root)).write_tables("a.parquet", [pa.table({"x": [1]})]), "wanted `image`"),
        (lambda root: Folder(str(root)).write("a.parquet", b"PAR1"), "--input"),
        (lambda root: Folder(str(root)).write_tables("a.parquet", [table(range(2), key=[5, 5])]), "the key 5 twice"),
        (
            lambda root: Folder(str(root)).write_tables("a.parquet", [table(range(2), key=["a", "b"])]),
            "`key` of type string",
        ),
        (lambda root: Folder(str(root)).write_tables("a.parquet", [table(range(0))]), "holds no row"),
    ],
)
def test_what_cannot_be_measured_is_refused(tmp_path, make, message):
    make(tmp_path / "given")
    with pytest.raises(ValueError, match=message) as caught:
        open_sets(str(tmp_path / "given"), 64, "--input")
    assert type(caught.value) is ValueError
    assert "--input" in str(caught.value)


def test_pictures_that_change_places_in_a_file_of_the_same_size_change_it(tmp_path):
    """That is the control for every metric of captions: the same pictures with swapped captions."""
    prints = set()
    for captions in (["a", "b", "c"], ["b", "a", "c"]):
        pq.write_table(table(range(3), caption=captions), tmp_path / "x.parquet", compression="none")
        prints.add((only(tmp_path).fingerprint, (tmp_path / "x.parquet").stat().st_size))
    assert len({size for _, size in prints}) == 1
    assert len(prints) == 2


def test_a_folder_with_an_equals_sign_further_down_has_no_name(tmp_path):
    assert only(samples(tmp_path / "lr=1e-4" / "ours")).name == "ours/ddim-s5-n50"


def test_files_with_different_columns_are_two_sets(tmp_path):
    pq.write_table(table(range(2)), tmp_path / "a.parquet")
    pq.write_table(table(range(2), caption=["a", "b"]), tmp_path / "b.parquet")
    with pytest.raises(ValueError, match=r"b\.parquet has other columns than a\.parquet"):
        only(tmp_path)
