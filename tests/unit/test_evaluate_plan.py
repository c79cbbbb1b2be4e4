"""What is measured of which pictures follows from what is asked for and what there is; the rest is said or refused."""

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
from pipelines.evaluate_plan import EvaluatePlan
from pipelines.feature_rows import Chosen
from pipelines.protocol import protocol_hash, protocol_of

PRINTS = {"inception": "a" * 64, "clip": "b" * 64, "depth": "c" * 64}


def make(root: Path, size: int = 8, **columns: object) -> str:
    images = [{"bytes": encode_rgb(np.full((size, size, 3), value, np.uint8)), "path": "p"} for value in range(3)]
    root.mkdir(parents=True)
    pq.write_table(pa.table({"image": pa.array(images, IMAGE), "key": [1, 2, 3], **columns}), root / "0.parquet")
    return str(root)


def with_everything(root: Path) -> str:
    depth = [{"bytes": encode_depth(np.zeros((8, 8), np.uint16), "png"), "path": "d"}] * 3
    return make(root, caption=["a", "b", "c"], depth=pa.array(depth, IMAGE))


def config(tmp_path: Path, *given: str, **settings: object) -> EvaluateConfig:
    return EvaluateConfig(input=given, output=str(tmp_path / "out"), **settings)


def test_all_that_a_set_allows_is_measured(tmp_path):
    real = make(tmp_path / "real", size=20)
    plan = EvaluatePlan.of(config(tmp_path, with_everything(tmp_path / "ours"), reference=real))
    (own,), (other,) = plan.role("input"), plan.role("reference")
    assert own.measures == ("inception", "clip", "depth")
    assert (other.measures, other.size) == (("inception",), (8, 8))
    assert plan.left_out == ["Autoencoders: none were given (--reconstruction.models)."]


def test_what_pictures_do_not_allow_is_said(tmp_path):
    plan = EvaluatePlan.of(config(tmp_path, make(tmp_path / "bare"), metrics=("fid", "clip", "depth")))
    assert plan.role("input")[0].measures == ("depth",)  # the peer's
    assert [line.partition(":")[0] for line in plan.left_out] == [
        "FID and KID",
        "CLIP similarity of bare",
        "Depth of bare",
    ]


def test_a_picture_is_read_once_for_all_measures_and_roles(tmp_path):
    ours = with_everything(tmp_path / "ours")
    seen = PicturesConfig(size=8)
    plan = EvaluatePlan.of(config(tmp_path, ours, f"again={ours}", reference=ours, pictures=seen))
    tasks = plan.tasks(PRINTS)
    assert [sorted(task.shards) for task in tasks] == [["clip", "depth", "inception"]]


def test_the_same_pictures_looked_at_in_another_way_are_measured_anew(tmp_path):
    ours, names = with_everything(tmp_path / "ours"), set()
    for settings in ({}, {"size": 8}, {"size": 4}, {"size": 4, "resize": "box"}, {"count": 2}):
        plan = EvaluatePlan.of(config(tmp_path, ours, pictures=PicturesConfig(**settings)))
        names |= {shard.name for task in plan.tasks(PRINTS) for shard in task.shards.values()}
    assert len(names) == 4 * 3  # a count is no other way


def test_what_is_done_is_left_out_of_a_task(tmp_path):
    (task,) = EvaluatePlan.of(config(tmp_path, with_everything(tmp_path / "ours"))).tasks(PRINTS)
    done = task.shards["clip"]
    assert sorted(task.without({done.name: None}).shards) == ["depth", "inception"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"input": ("x",), "metrics": ()}, "at least one"),
        ({"input": ("x",), "metrics": ("fid", "fid")}, "each once"),
        ({"input": ("x",), "shard_pictures": 0}, "1 or more"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        EvaluateConfig(output="out", **settings)


@pytest.mark.parametrize(
    ("group", "settings", "message"),
    [
        (ReconstructionConfig, {"models": ("m",)}, "together"),
        (ReconstructionConfig, {"corpus": "c"}, "together"),
        (PicturesConfig, {"count": 1}, "2 or more"),
        (PicturesConfig, {"size": 0}, "1 or more"),
        (ClipConfig, {"model": ""}, "conse"),
        (DepthConfig, {"max_depth_m": 0.0}, "above 0"),
        (InceptionConfig, {"kid_subsets": 1}, "2 or more"),
        (ReportConfig, {"tolerance": -1.0}, "0 or more"),
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
    def hashes(name: str, network: str = "n", **settings: object) -> str:
        path = tmp_path / name
        given = str(path) if path.exists() else make(path, size=8 + len(name))
        plan = EvaluatePlan.of(config(tmp_path, given, **settings))
        (own,) = plan.role("input")
        chosen = Chosen.of(own.pictures.parts[0].keys, own.pictures.parts[0].numbers, plan.config.pictures.count)
        return protocol_hash(protocol_of("fid", plan.config, network, own, chosen, None))

    base = hashes("a")
    assert hashes("bb") == base  # other pictures of the same keys: what is compared
    assert hashes("a", network="m") != base
    assert hashes("a", pictures=PicturesConfig(count=2)) != base
    assert hashes("a", pictures=PicturesConfig(size=8)) != base
