"""Every planned sample of a shard becomes a row or a reject, and the audit finds any that does not."""

import copy
import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from ldm3d.config import CaptionsConfig, GenerateConfig, GeneratorConfig, ModelConfig, SamplingConfig
from ldm3d.images import decode_depth, decode_rgb
from ldm3d.models.base import load_base
from ldm3d.models.checkpoint import save_pipeline
from ldm3d.sampling import Sample
from ldm3d.sampling.sampler import SCHEDULERS
from pipelines.samples.audit import audit_of
from pipelines.samples.captions import CaptionsInput
from pipelines.samples.generate_shards import OPTIONS, pack
from pipelines.samples.plan import GeneratePlan, try_sampler
from pipelines.storage.folder import Folder
from pipelines.storage.shards import claim, commit_shard

PER_CAPTION, BAD = 20, 3  # the place of a sample that is not finite
pytestmark = pytest.mark.usefixtures("one_thread")

PROVENANCE = {"producer": "test"}


@pytest.fixture(scope="module")
def model(toy_base, tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("model") / "model"
    save_pipeline(folder, load_base(ModelConfig(base=str(toy_base))))
    return str(folder)


@pytest.fixture
def config(tmp_path, model) -> GenerateConfig:
    """Three captions and two points of the grid."""
    (tmp_path / "captions.txt").write_text("a red cube\n\ntwo spheres\na blue cube\n")
    return GenerateConfig(
        input=str(tmp_path / "captions.txt"),
        output=str(tmp_path / "samples"),
        shard_samples=25,
        model=GeneratorConfig(model=(model,)),
        captions=CaptionsConfig(per_caption=PER_CAPTION),
        sampling=SamplingConfig(guidance_scale=(1.0, 5.0)),
    )


@pytest.fixture
def plan(config) -> GeneratePlan:
    made = GeneratePlan.of(config)
    made.save()
    return made


def planned(plan: GeneratePlan, shard: int) -> pa.Table:
    found = plan.shards[shard]
    return Folder(plan.config.output).read_table(found.source, row_group=found.row_group)


def drawn(rows: pa.Table, has_depth: bool = True) -> list[Sample]:
    """Make samples of noise in place of pictures, one of them not finite."""
    noise = np.random.default_rng(0)
    return [
        Sample(
            row["caption"],
            row["seed"],
            noise.integers(0, 256, (8, 16, 3), np.uint8),
            noise.integers(0, 65_536, (8, 16), np.uint16) if has_depth else None,
            place != BAD,
        )
        for place, row in enumerate(rows.to_pylist())
    ]


def test_every_point_draws_the_same_samples_each_in_one_shard(plan):
    assert [shard.name for shard in plan.shards] == [
        f"ddim-s{scale}-n50-0000{number}" for scale in (1, 5) for number in range(3)
    ]
    assert [shard.rows for shard in plan.shards] == [25, 25, 10] * 2
    tables = [planned(plan, number) for number in range(6)]
    assert [table.num_rows for table in tables] == [25, 25, 10] * 2
    every = pa.concat_tables(tables[:3]).to_pylist()
    assert pa.concat_tables(tables[3:]).to_pylist() == every
    assert len({(row["key"], row["number"]) for row in every}) == 3 * PER_CAPTION
    assert {row["caption"] for row in every} == {"a red cube", "two spheres", "a blue cube"}


@pytest.fixture
def several(config, model, toy_base, tmp_path) -> GenerateConfig:
    """Two names for one model, and a model without depth."""
    return replace(config, model=GeneratorConfig(model=(f"early={model}", f"late={model}", f"sd={toy_base}")))


def test_of_several_models_points_have_their_names_and_one_model_is_done_after_another(config, several):
    plan = GeneratePlan.of(several)
    assert list(plan.grid) == [f"{name}-ddim-s{scale}-n50" for name in ("early", "late", "sd") for scale in (1, 5)]
    assert [shard.name.rpartition("-")[0] for shard in plan.shards[::3]] == list(plan.grid)
    early, late, sd = (plan.grid[f"{name}-ddim-s1-n50"].facts()["checkpoint"] for name in ("early", "late", "sd"))
    assert early == late != sd
    assert plan.identity()["model"] == {"early": early, "late": late, "sd": sd}
    assert GeneratePlan.of(config).identity()["model"] == early
    assert {about["channels"] for about in plan.about_models()["models"].values()} == {3, 6}


def test_a_model_that_changes_before_it_is_handed_on_is_refused(several, toy_base, tmp_path):
    base = shutil.copytree(toy_base, tmp_path / "base")
    plan = GeneratePlan.of(replace(several, model=GeneratorConfig(model=(*several.model.model[:2], f"sd={base}"))))
    assert plan.open(plan.generators[2]).fingerprint() == plan.generators[2].fingerprint
    settings = json.loads((base / "vae/config.json").read_text())
    (base / "vae/config.json").write_text(json.dumps(settings | {"scaling_factor": 0.5}))
    with pytest.raises(ValueError, match="changed while it was read"):
        plan.open(plan.generators[2])


def test_a_plan_that_is_saved_again_is_the_same(plan):
    folder = Folder(plan.config.output)
    before = {name: folder.read(name) for name in folder.sizes()}
    assert list(before) == ["_state/samples/00000.parquet", "rejects/captions/00000.parquet"]
    plan.save()
    assert {name: folder.read(name) for name in folder.sizes()} == before


def test_captions_that_change_meanwhile_are_noticed(plan, config):
    with open(config.input, "a") as file:
        file.write("a fourth\n")
    with pytest.raises(ValueError, match="changed while it was read"):
        plan.save()


def test_captions_may_be_a_folder_of_parquet_files_numbered_on(tmp_path):
    for name in ("a", "b"):
        pq.write_table(pa.table({"text": ["a cube", "a sphere"]}), tmp_path / f"{name}.parquet")
    found = CaptionsInput.of(str(tmp_path), CaptionsConfig(count=3))
    assert (found.rows, found.drawn, found.left_out) == (4, 3, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input": None}, "--input is missing: give a file of captions, or one caption as --prompt"),
        ({"input": "nowhere.txt"}, "does not exist"),
        (
            {"sampling": SamplingConfig(num_inference_steps=(1001,))},
            "--sampling.num-inference-steps .* ddim: num_inference_steps is 1001, wanted 1 to 999",
        ),
        (
            {"sampling": SamplingConfig(num_inference_steps=(1000,))},
            "--sampling.num-inference-steps .* ddim: num_inference_steps is 1000, wanted 1 to 999",
        ),
        ({"model": GeneratorConfig(model=("/nowhere",))}, "'/nowhere'"),
    ],
)
def test_what_will_not_do_is_refused_before_work(config, change, message):
    with pytest.raises(ValueError, match=message):
        GeneratePlan.of(replace(config, **change))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_trial_draws_a_full_batch_in_one_step_of_any_scheduler(config, plan, scheduler):
    settings = SamplingConfig(scheduler=scheduler, height=16, width=20, batch_size=2)
    assert try_sampler(copy.copy(plan.model), replace(config, sampling=settings)) == {
        "image_size": [16, 20],
        "device": "cpu",
        "precision": "float32",
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"height": 18}, "height is 18 pixels, wanted a multiple of 4"),
        ({"scheduler": "lcm", "eta": 0.5}, "eta is 0.5"),
    ],
)
def test_a_trial_says_what_the_model_does_not_take(config, plan, settings, message):
    with pytest.raises(ValueError, match=message):
        try_sampler(copy.copy(plan.model), replace(config, sampling=SamplingConfig(**settings)))


def test_a_trial_refuses_a_model_that_gives_nan(config, plan):
    model = copy.deepcopy(plan.model)
    torch.nn.init.constant_(model.unet.conv_out.bias, torch.nan)
    settings = SamplingConfig(height=16, width=16, batch_size=2)
    with pytest.raises(ValueError, match=r"trial of one step at .* NaN or infinity for every sample \(2\)"):
        try_sampler(model, replace(config, sampling=settings))


def test_an_output_around_the_captions_is_refused(config, tmp_path):
    with pytest.raises(ValueError, match="overlap"):
        GeneratePlan.of(replace(config, output=str(tmp_path)))


def test_a_shard_holds_pictures_to_the_bit_and_counts_what_is_not_finite(plan):
    rows, point = planned(plan, 3), plan.grid["ddim-s5-n50"]
    samples = drawn(rows)
    record, tables = pack("ddim-s5-n50-00000", rows, samples, point, PROVENANCE)
    assert (record.rows, record.kept, record.rejected) == (25, 24, {"generate_failed": 1})
    assert [group.num_rows for group in tables["samples"]] == [16, 8]
    found = pa.concat_tables(tables["samples"]).to_pylist()
    wanted = [(row, sample) for row, sample in zip(rows.to_pylist(), samples, strict=True) if sample.is_finite]
    for row, (planned_row, sample) in zip(found, wanted, strict=True):
        assert {name: row[name] for name in planned_row} == planned_row
        assert np.array_equal(decode_rgb(row["image"]["bytes"]), sample.image)
        assert np.array_equal(decode_depth(row["depth"]["bytes"]), sample.depth)
        assert (row["scheduler"], row["guidance_scale"], row["num_inference_steps"]) == ("ddim", 5.0, 50)
        assert row["checkpoint"] == plan.model.fingerprint()
    (reject,) = pa.concat_tables(tables["rejects"]).to_pylist()
    assert (reject["key"], reject["stage"]) == (rows["key"][BAD].as_py(), "generate")
    assert f"number {rows['number'][BAD]}, seed {rows['seed'][BAD]}" in reject["detail"]


def test_of_a_model_without_depth_the_column_is_null(plan):
    rows, point = planned(plan, 3), plan.grid["ddim-s5-n50"]
    _, tables = pack("ddim-s5-n50-00000", rows, drawn(rows, has_depth=False), point, PROVENANCE)
    found = pa.concat_tables(tables["samples"])
    assert (found.num_rows, found["depth"].null_count, found["image"].null_count) == (24, 24, 0)


@pytest.fixture
def committed(plan) -> GeneratePlan:
    """Return the plan after the second shard of the first point was drawn."""
    output = Folder(plan.config.output)
    claim(output, "run", {})
    rows = planned(plan, 1)
    made = pack("ddim-s1-n50-00001", rows, drawn(rows), plan.grid["ddim-s1-n50"], PROVENANCE)
    commit_shard(output, "run", *made, {"samples": OPTIONS})
    return plan


def fault(plan: GeneratePlan) -> str:
    marker = Folder(plan.config.output).read("_state/shards/ddim-s1-n50-00001.json").decode()
    shard = plan.shards[1]
    item = {"source": shard.source, "row_group": shard.row_group, "record": marker}
    (found,) = audit_of(Folder(plan.config.output), plan.grid).check(pa.Table.from_pylist([item])).to_pylist()
    assert found["name"] == "ddim-s1-n50-00001"
    return found["fault"]


def rewrite(plan: GeneratePlan, change) -> None:
    output, name = Folder(plan.config.output), "samples/ddim-s1-n50/00001.parquet"
    output.write_tables(name, [change(output.read_table(name))])


def test_a_shard_that_holds_its_samples_once_is_right(committed):
    assert fault(committed) == ""


@pytest.mark.parametrize(
    ("places", "found"),
    [
        (range(1, 24), "25 samples planned, 24 found"),
        ([0, *range(24)], "25 samples planned, 26 found"),
        ([1, *range(1, 24)], "25 samples planned, 25 found"),
    ],
)
def test_missing_and_doubled_samples_are_found(committed, places, found):
    rewrite(committed, lambda rows: rows.take(pa.array(list(places))))
    assert fault(committed) == found


@pytest.mark.parametrize(("column", "value"), [("guidance_scale", 5.0), ("checkpoint", "another")])
def test_samples_of_another_point_or_model_are_found(committed, column, value):
    def changed(rows: pa.Table) -> pa.Table:
        place = rows.column_names.index(column)
        return rows.set_column(place, rows.schema.field(place), pa.array([value] * rows.num_rows))

    rewrite(committed, changed)
    assert fault(committed) == "samples of another point than ddim-s1-n50"


def test_samples_that_are_neither_kept_nor_rejected_are_found(committed):
    Folder(committed.config.output).delete("rejects")
    assert fault(committed) == "25 samples planned, 24 found"
