"""Panoramas are listed once each, with their maps, and nobody guesses what these mean."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ldm3d.config import DepthFusionConfig, DepthMeaningConfig, SurfaceConfig
from ldm3d.fusion.unmeasured import Unmeasured
from ldm3d.images import encode_depth
from ldm3d.immersive.layout import Layout
from ldm3d.immersive.still import Provenance, png
from ldm3d.keys import make_key
from ldm3d.reject import Rejected
from pipelines.storage.folder import Folder
from pipelines.views.panoramas import Panoramas
from pipelines.views.plan import FusionPlan, fit_renderers
from pipelines.views.read_panorama import read_panorama

PNG = png(np.zeros((4, 8, 3), np.uint8), Layout("360"), Provenance(None))
PNG_DEPTH = encode_depth(np.full((4, 8), 3, np.uint16), "png")


def config(folder: Path, **changes: object) -> DepthFusionConfig:
    depth = DepthMeaningConfig(**changes.pop("depth", {"kind": "distance"}))
    return DepthFusionConfig(input=str(folder), output=f"{folder}-out", depth=depth, **changes)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two panoramas with maps, one without, and files that are none of them."""
    names = ["a/one.png", "a/one-depth.npy", "a/one-both.png", "two.jpg", "two-depth.exr", "three.webp", "notes.txt"]
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(name.encode())
    return tmp_path / "in"


def test_pictures_are_listed_with_the_maps_beside_them(folder):
    (rows,) = Panoramas.of(config(folder)).groups.values()
    found = {row["file"]: row for row in rows.to_pylist()}
    assert {name: row["depth"] for name, row in found.items()} == {
        "a/one.png": "a/one-depth.npy",
        "three.webp": None,
        "two.jpg": "two-depth.exr",
    }
    assert all(row["key"] == make_key(name) for name, row in found.items())
    assert len({row["seed"] for row in found.values()}) == 3


def test_maps_may_be_in_a_folder_of_their_own(folder, tmp_path):
    for name in ("a/one.exr", "three-depth.pfm"):
        (tmp_path / "maps" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "maps" / name).touch()
    found = Panoramas.of(config(folder, depth={"kind": "inverse", "source": str(tmp_path / "maps")}))
    assert found.groups["panoramas"]["depth"].to_pylist() == ["a/one.exr", "three-depth.pfm", None]
    with pytest.raises(ValueError, match=r"no panorama of .* has a map in .*nowhere"):
        Panoramas.of(config(folder, depth={"kind": "inverse", "source": str(tmp_path / "nowhere")}))


def test_maps_that_generate_did_not_draw_have_to_be_declared(folder):
    with pytest.raises(ValueError, match=r"a/one-depth\.npy, the map of a/one\.png, mean is not known"):
        Panoramas.of(config(folder, depth={}))
    for name in ("a/one-depth.npy", "two-depth.exr"):
        (folder / name).rename((folder / name).with_suffix(".png"))
    with pytest.raises(ValueError, match=r"-depth\.png, the map of .*, mean is not known"):
        Panoramas.of(config(folder, depth={}))
    for name in ("a/one-both.png", "two-both.png"):  # which `generate` writes, too
        (folder / name).write_bytes(b"")
    assert Panoramas.of(config(folder, depth={})).count == 3


def test_a_table_has_a_column_of_depth_that_is_declared(tmp_path):
    table = pa.table({"image": [b"1", b"2", b"3"], "depth": [b"1", b"2", b"3"], "key": [7, 8, 9]})
    Folder(str(tmp_path)).write_tables("rows.parquet", [table.slice(0, 2), table.slice(2)])
    (rows,) = Panoramas.of(config(tmp_path)).groups.values()
    assert [(row["key"], row["row_group"], row["row"]) for row in rows.to_pylist()] == [
        (7, 0, 0),
        (8, 0, 1),
        (9, 1, 0),
    ]
    with pytest.raises(ValueError, match="the column `depth` mean is not known"):
        Panoramas.of(config(tmp_path, depth={}))
    with pytest.raises(ValueError, match=r"--depth\.source .* a column"):
        Panoramas.of(config(tmp_path, depth={"kind": "distance", "source": "maps"}))


def test_what_has_no_map_is_planned_where_a_model_estimates_depth(folder, tmp_path):
    depth = {"model": "a/model", "kind": "distance"}
    for name in ("a/one-depth.npy", "two-depth.exr"):
        (folder / name).unlink()
    (rows,) = Panoramas.of(config(folder, depth=depth)).groups.values()
    assert rows["depth"].null_count == rows.num_rows == 3
    tables = Folder(str(tmp_path / "tables"))
    tables.write_tables("rows.parquet", [pa.table({"image": [PNG, PNG], "depth": [None, b"no map"]})])
    tables.write_tables("without.parquet", [pa.table({"image": [PNG]})])
    given = config(tmp_path / "tables", depth=depth)
    with pytest.raises(ValueError, match="the column `depth` mean is not known"):
        Panoramas.of(config(tmp_path / "tables", depth={"model": "a/model"}))
    (rows,) = Panoramas.of(given).groups.values()
    first, second, third = rows.to_pylist()
    for row in (first, third):
        found = read_panorama(row, given, is_drawn=False)
        assert isinstance(found, Unmeasured)
        assert found.picture.shape == (4, 8, 3)
    with pytest.raises(Rejected, match="decode_failed"):
        read_panorama(second, given, is_drawn=False)
    with pytest.raises(Rejected, match="invalid_row: the depth is NoneType"):
        read_panorama(first, config(tmp_path / "tables"), is_drawn=False)


def test_captions_that_a_prompt_takes_have_to_be_there(folder, tmp_path):
    surface = SurfaceConfig(background="inpaint", prompt="an empty {caption}")
    with pytest.raises(
        ValueError, match=r"--surface\.prompt is 'an empty \{caption\}', and files of pictures have no"
    ):
        Panoramas.of(config(folder, surface=surface))
    tables = Folder(str(tmp_path / "tables"))
    rows = {"image": [PNG] * 2, "depth": [b"1"] * 2}
    tables.write_tables("rows.parquet", [pa.table(rows)])
    with pytest.raises(ValueError, match=r"rows\.parquet has no column caption \(it has image, depth\), which --surf"):
        Panoramas.of(config(tmp_path / "tables", surface=surface))
    tables.write_tables("rows.parquet", [pa.table(rows | {"caption": ["a room", None]})])
    assert Panoramas.of(config(tmp_path / "tables", surface=surface)).count == 2


def test_a_row_is_called_by_its_caption_or_the_name_of_its_picture_or_its_place(tmp_path):
    images = [{"bytes": PNG, "path": "rooms/kitchen.png"}, {"bytes": PNG, "path": "attic.png"}, {"bytes": PNG}]
    columns = {"image": images, "depth": [PNG_DEPTH] * 3, "caption": ["a kitchen", None, None]}
    Folder(str(tmp_path)).write_tables("rows.parquet", [pa.table(columns)])
    given = config(tmp_path)
    (rows,) = Panoramas.of(given).groups.values()
    titles = [read_panorama(row, given, is_drawn=False).title for row in rows.to_pylist()]
    assert titles == ["a kitchen", "attic", "rows.parquet:0:2"]


def test_what_is_no_set_of_panoramas_is_told(tmp_path):
    folder = Folder(str(tmp_path / "in"))
    with pytest.raises(ValueError, match="is not a folder or a picture"):
        Panoramas.of(config(tmp_path / "none"))
    folder.write_tables("rows.parquet", [pa.table({"image": [b"1"]})])
    with pytest.raises(ValueError, match=r"rows\.parquet has no column depth \(it has image\)"):
        Panoramas.of(config(tmp_path / "in"))
    folder.write_tables("rows.parquet", [pa.table({"image": [b"1"] * 2, "depth": [b"1"] * 2, "key": [5, 5]})])
    with pytest.raises(ValueError, match="has the key 5 twice"):
        Panoramas.of(config(tmp_path / "in"))
    folder.write_tables("rows.parquet", [pa.table({"image": [b"1"], "depth": [b"1"], "key": ["a"]})])
    with pytest.raises(ValueError, match="a column `key` of type string with 0 nulls, wanted whole numbers"):
        Panoramas.of(config(tmp_path / "in"))
    folder.write("rows.parquet", b"PAR1 cut short")
    with pytest.raises(ValueError, match=r"rows\.parquet cannot be read as parquet"):
        Panoramas.of(config(tmp_path / "in"))
    folder.write_json("_SUCCESS.json", {"rows_kept": 1})
    with pytest.raises(ValueError, match="holds no samples of `generate`"):
        Panoramas.of(config(tmp_path / "in"))


def test_a_list_chooses_pictures_below_its_folder(folder):
    (folder / "some.txt").write_text("./a/one.png\n\ngone.png\n")
    (rows,) = Panoramas.of(config(folder / "some.txt")).groups.values()
    assert rows["file"].to_pylist() == ["a/one.png", "gone.png"]
    assert rows["depth"].to_pylist() == ["a/one-depth.npy", None]
    for text, told in (("../x.png", "below its own folder"), ("two.jpg\ntwo.jpg", "names 'two.jpg' twice")):
        (folder / "some.txt").write_text(text)
        with pytest.raises(ValueError, match=told):
            Panoramas.of(config(folder / "some.txt"))


def test_a_plan_is_shards_of_rows_that_are_written_alike_each_time(folder):
    plan = FusionPlan.of(config(folder, shard_panoramas=2))
    assert [(shard.name, shard.rows) for shard in plan.shards] == [("panoramas-00000", 2), ("panoramas-00001", 1)]
    output = Folder(plan.config.output)
    plan.save()
    first = output.read(plan.shards[0].source)
    plan.save()
    assert output.read(plan.shards[0].source) == first
    rows = [output.read_table(shard.source, row_group=shard.row_group) for shard in plan.shards]
    assert pa.concat_tables(rows).equals(plan.panoramas.groups["panoramas"])


def test_identity_changes_with_the_panoramas(folder):
    before = FusionPlan.of(config(folder)).identity()
    assert FusionPlan.of(config(folder)).identity() == before
    (folder / "two-depth.exr").write_bytes(b"longer than it was")
    after = FusionPlan.of(config(folder)).identity()
    assert before["input"]["fingerprint"] != after["input"]["fingerprint"]
    assert np.all([before[name] == after[name] for name in before.keys() - {"input"}])


def test_actors_that_hold_a_network_take_gpus(folder):
    plain = config(folder)
    assert str(fit_renderers(plain, 8, 2)) == "render: 8 x (1 CPU)"
    networks = {
        "prompt": replace(plain, prompt="a forest"),
        "background": replace(plain, surface=SurfaceConfig(background="inpaint")),
        "depth": replace(plain, depth=replace(plain.depth, model="a/model")),
    }
    assert {str(fit_renderers(each, 8, 2)) for each in networks.values()} == {"render: 2 x (0 CPU + 1 GPU)"}
