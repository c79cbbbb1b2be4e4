"""What is measured follows from the metrics asked for and from the input; the rest is reported or refused."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ldm3d.config import (
    ClipConfig,
    DepthConfig,
    EvaluateConfig,
    InceptionConfig,
    PicturesConfig,
    ReconstructionConfig,
    ReportConfig,
)
from ldm3d.images import encode_depth, encode_rgb
from ldm3d.schema import IMAGE
from pipelines.evaluation.plan import EvaluatePlan
from pipelines.evaluation.protocol import protocol_hash, protocol_of
from pipelines.evaluation.task import Task

PRINTS = {"inception": "a" * 64, "clip": "b" * 64, "depth": "c" * 64, "dinov2": "d" * 64}


def make(root: Path, size: int = 8, shade: int = 0, **columns: object) -> str:
    shades = range(shade, shade + 3)
    images = [{"bytes": encode_rgb(np.full((size, size, 3), value, np.uint8)), "path": "p"} for value in shades]
    root.mkdir(parents=True)
    pq.write_table(pa.table({"image": pa.array(images, IMAGE), "key": [1, 2, 3], **columns}), root / "0.parquet")
    return str(root)


def with_everything(root: Path) -> str:
    depth = [{"bytes": encode_depth(np.zeros((8, 8), np.uint16), "png"), "path": "d"}] * 3
    return make(root, caption=["a", "b", "c"], depth=pa.array(depth, IMAGE))


def tasks_of(plan: EvaluatePlan) -> list[Task]:
    return plan.with_networks(PRINTS, PRINTS).tasks()


def config(tmp_path: Path, *given: str, **settings: object) -> EvaluateConfig:
    return EvaluateConfig(input=given, output=str(tmp_path / "out"), **settings)


def test_all_that_a_set_allows_is_measured(tmp_path):
    real = make(tmp_path / "real", size=20)
    plan = EvaluatePlan.of(config(tmp_path, with_everything(tmp_path / "ours"), reference=real))
    (own,), (other,) = plan.role("input"), plan.role("reference")
    assert own.networks == ("inception", "clip", "depth")
    assert (other.networks, other.size) == (("inception",), (8, 8))
    assert plan.left_out == ["Autoencoders: none were given (--reconstruction.models)."]


def test_what_pictures_do_not_allow_is_said(tmp_path):
    plan = EvaluatePlan.of(config(tmp_path, make(tmp_path / "bare"), metrics=("fid", "clip", "depth")))
    assert plan.role("input")[0].networks == ("depth",)  # the peer's
    assert [line.partition(":")[0] for line in plan.left_out] == [
        "FID and KID",
        "CLIP similarity of bare",
        "Depth of bare",
    ]


def test_real_pictures_are_seen_by_the_networks_that_compare_with_them(tmp_path):
    ours, real = with_everything(tmp_path / "ours"), make(tmp_path / "real")
    for metrics, own, others in (
        (("fd_dinov2", "depth"), ("dinov2", "depth"), ("dinov2",)),
        (("cmmd",), ("clip",), ("clip",)),
        (("depth_edges", "kid"), ("inception", "depth"), ("inception",)),
        (("clip", "fid"), ("inception", "clip"), ("inception",)),
        (("precision_recall", "cmmd"), ("inception", "clip"), ("inception", "clip")),
    ):
        plan = EvaluatePlan.of(config(tmp_path, ours, reference=real, metrics=metrics))
        assert plan.role("input")[0].networks == own
        assert [each.networks for each in plan.role("reference")] == [others]


def test_without_real_pictures_what_compares_with_them_is_left_out(tmp_path):
    newer = ("fd_dinov2", "cmmd", "precision_recall")
    plan = EvaluatePlan.of(config(tmp_path, make(tmp_path / "ours"), metrics=("inception_score", *newer)))
    assert plan.role("input")[0].networks == ("inception",)
    found = {line.partition(":")[0] for line in plan.left_out}
    assert found == {"FD-DINOv2", "CMMD", "Precision and recall"}


def panoramas(root: Path) -> str:
    images = [{"bytes": encode_rgb(np.full((8, 16, 3), value, np.uint8)), "path": "p"} for value in range(3)]
    root.mkdir()
    pq.write_table(pa.table({"image": pa.array(images, IMAGE), "key": [1, 2, 3]}), root / "0.parquet")
    return str(root)


def test_panoramas_are_measured_as_such_and_other_pictures_are_said_to_be_none(tmp_path):
    around, flat = panoramas(tmp_path / "around"), make(tmp_path / "flat")
    plan = EvaluatePlan.of(config(tmp_path, around, flat, metrics=("inception_score", "panorama_depth", "seam")))
    assert [each.networks for each in plan.role("input")] == [("inception", "panorama_depth", "seam"), ("inception",)]
    (told,) = [line for line in plan.left_out if line.startswith("Panoramic depth and seams")]
    assert "of flat" in told
    assert "8 x 8" in told
    square = PicturesConfig(size=8)
    with pytest.raises(ValueError, match="twice as wide as high"):
        EvaluatePlan.of(config(tmp_path, around, metrics=("seam",), pictures=square))


def test_a_picture_is_read_once_for_all_networks_and_roles(tmp_path):
    ours = with_everything(tmp_path / "ours")
    seen = PicturesConfig(size=8)
    plan = EvaluatePlan.of(config(tmp_path, ours, f"again={ours}", reference=ours, pictures=seen))
    assert [sorted(task.shards) for task in tasks_of(plan)] == [["clip", "depth", "inception"]]


def test_the_same_pictures_prepared_in_another_way_are_measured_again(tmp_path):
    ours, names = with_everything(tmp_path / "ours"), set()
    for settings in ({}, {"size": 8}, {"size": 4}, {"size": 4, "resize": "box"}, {"count": 2}):
        plan = EvaluatePlan.of(config(tmp_path, ours, pictures=PicturesConfig(**settings)))
        names |= {shard.name for task in tasks_of(plan) for shard in task.shards.values()}
    assert len(names) == 4 * 3  # a count is no other way


def test_what_is_done_is_left_out_of_a_task(tmp_path):
    (task,) = tasks_of(EvaluatePlan.of(config(tmp_path, with_everything(tmp_path / "ours"))))
    done = task.shards["clip"]
    assert sorted(task.without({done.name: None}).shards) == ["depth", "inception"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"input": ("x",), "metrics": ()}, r"metrics is \(\)"),
        ({"input": ("x",), "metrics": ("fid", "fid")}, r"metrics is \('fid', 'fid'\)"),
        ({"input": ("x",), "shard_pictures": 0}, "shard-pictures is 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        EvaluateConfig(output="out", **settings)


@pytest.mark.parametrize(
    ("group", "settings", "message"),
    [
        (ReconstructionConfig, {"models": ("m",)}, r"reconstruction\.corpus is None"),
        (ReconstructionConfig, {"corpus": "c"}, r"reconstruction\.corpus is 'c'"),
        (PicturesConfig, {"count": 1}, r"pictures\.count is 1"),
        (PicturesConfig, {"size": 0}, r"pictures\.size is 0"),
        (ClipConfig, {"model": ""}, r"clip\.model is ''"),
        (DepthConfig, {"max_depth_m": 0.0}, r"depth\.max-depth-m is 0\.0"),
        (InceptionConfig, {"kid_subsets": 1}, r"inception\.kid-subsets is 1"),
        (ReportConfig, {"tolerance": -1.0}, r"report\.tolerance is -1\.0"),
    ],
)
def test_groups_of_settings_that_make_no_sense_are_refused(group, settings, message):
    with pytest.raises(ValueError, match=message):
        group(**settings)


def test_nothing_to_measure_is_refused(tmp_path):
    with pytest.raises(ValueError, match="--input is missing"):
        EvaluatePlan.of(config(tmp_path))


def test_two_sets_of_one_name_are_refused(tmp_path):
    paths = [make(tmp_path / name / "samples") for name in ("one", "other")]
    with pytest.raises(ValueError, match="NAME=PATH"):
        EvaluatePlan.of(config(tmp_path, *paths))


def test_an_output_among_the_pictures_is_refused(tmp_path):
    with pytest.raises(ValueError, match="overlap"):
        EvaluatePlan.of(EvaluateConfig(input=(make(tmp_path / "a"),), output=str(tmp_path / "a" / "out")))


def test_numbers_are_comparable_where_everything_but_the_model_is_equal(tmp_path):
    def hashes(name: str, metric: str = "fid", judge: str = "n", made: dict | None = None, **settings: object) -> str:
        path = tmp_path / name
        given = str(path) if path.exists() else make(path, caption=["a", "b", "c"], **made or {})
        plan = EvaluatePlan.of(config(tmp_path, given, **settings))
        (own,) = plan.role("input")
        return protocol_hash(protocol_of(metric, plan.config, judge, own, plan.chosen(own), None))

    base, clip = hashes("one"), hashes("one", "clip")
    assert hashes("other", made={"shade": 9}) == base  # other pictures of the same keys: what is compared
    assert hashes("other", "clip") == clip
    assert hashes("one", inception=InceptionConfig(kid_subsets=50, batch_size=1)) == base  # of KID alone
    assert hashes("one", "kid", inception=InceptionConfig(kid_subsets=50)) != hashes("one", "kid")
    assert hashes("one", judge="m") != base
    assert hashes("one", pictures=PicturesConfig(count=2)) != base
    assert hashes("one", pictures=PicturesConfig(size=8)) != base
    assert hashes("larger", made={"size": 16}) != base
    make(tmp_path / "told", caption=["b", "a", "c"])
    assert hashes("told") == base
    assert hashes("told", "clip") != clip


def test_shards_are_named_by_what_is_in_them_however_files_are_cut(tmp_path):
    (tmp_path / "files").mkdir()
    for place in range(6):
        (tmp_path / f"files/{place}.png").write_bytes(encode_rgb(np.full((8, 8, 3), place, np.uint8)))

    def shards(cut: int) -> set[str]:
        plan = EvaluatePlan.of(config(tmp_path, str(tmp_path / "files"), shard_pictures=cut))
        return {shard.name for task in tasks_of(plan) for shard in task.shards.values()}

    assert len(shards(4) & shards(2)) == 2  # by depth and Inception, the part of the last two pictures, however cut
    before = shards(2)
    (tmp_path / "files/9.png").write_bytes(encode_rgb(np.full((8, 8, 3), 9, np.uint8)))
    assert len(shards(2) & before) == len(before)  # a picture more leaves what was measured


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metrics": ("clip",)}, "CLIP similarity of bare"),
        ({"pictures": PicturesConfig(keys="none.parquet")}, r"pictures\.keys"),
        ({"pictures": PicturesConfig(keys="strange.parquet")}, "count: 0 of 3"),
    ],
)
def test_what_leaves_nothing_to_do_is_refused(tmp_path, monkeypatch, settings, message):
    monkeypatch.chdir(tmp_path)
    pq.write_table(pa.table({"key": [77]}), "strange.parquet")
    with pytest.raises(ValueError, match=message):
        EvaluatePlan.of(config(tmp_path, make(tmp_path / "bare"), **settings))


def test_real_pictures_need_one_size_of_samples(tmp_path):
    sets = make(tmp_path / "small"), make(tmp_path / "large", size=16)
    real = make(tmp_path / "real", size=20)
    with pytest.raises(ValueError, match=r"several sizes .* --pictures\.size"):
        EvaluatePlan.of(config(tmp_path, *sets, reference=real))
    plan = EvaluatePlan.of(config(tmp_path, *sets, reference=real, pictures=PicturesConfig(size=8)))
    assert {each.size for each in plan.subjects} == {(8, 8)}


def test_two_autoencoders_of_one_name_are_refused(tmp_path):
    models = ReconstructionConfig(models=("runs/a/vae", "runs/b/vae"), corpus=make(tmp_path / "corpus"))
    with pytest.raises(ValueError, match="'vae' twice"):
        EvaluatePlan.of(config(tmp_path, reconstruction=models))


@pytest.mark.parametrize("settings", [{}, {"size": 8}])
def test_a_task_crosses_to_an_actor_unchanged(tmp_path, settings):
    (task,) = tasks_of(
        EvaluatePlan.of(config(tmp_path, with_everything(tmp_path / "ours"), pictures=PicturesConfig(**settings)))
    )
    assert Task.from_json(task.to_json()) == task
