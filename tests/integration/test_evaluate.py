"""The evaluation stage as a user runs it: features once, numbers from sums, a report, a verdict, resumed."""

import gc
import json
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ray.exceptions import RayTaskError

from jobs.command import run
from jobs.evaluate import main
from ldm3d.config import (
    ActorsConfig,
    ClipConfig,
    DepthConfig,
    Dinov2Config,
    EvaluateConfig,
    InceptionConfig,
    PerceptualConfig,
    PicturesConfig,
    ReconstructionConfig,
    ReportConfig,
)
from ldm3d.images import encode_depth, encode_rgb
from ldm3d.measures import Batch
from ldm3d.measures.opened import features_of
from ldm3d.measures.prepare import picture_of
from ldm3d.metrics.gaussian import GaussianSums, frechet_distance
from ldm3d.metrics.seam import seam_ratio
from ldm3d.results.metrics import METRICS, PANORAMA_DEPTH, SEAMS
from ldm3d.results.notation import number, signed
from ldm3d.schema import IMAGE
from ldm3d.toy import room
from ldm3d.toy.clip_model import train_clip_model
from ldm3d.toy.depth_model import tiny_depth_model
from ldm3d.toy.diffusion_model import make_base_model
from ldm3d.toy.held_out import write_scenes
from ldm3d.toy.scenes import Scene, exact_depth, render
from pipelines.evaluate import evaluate
from pipelines.storage.folder import Folder
from pipelines.storage.shards import TakenOverError, claim
from tests.builders.small_dinov2 import tiny_dinov2

COUNT = 24
INCEPTION = InceptionConfig(network="efficientnet-lite0", kid_subset_size=10, kid_subsets=5, batch_size=8)
HOSTILE = "<script>alert(1)</script> | `x` [a](javascript:b)"


def pictures(folder: Path, noise: float, depth: bool = True) -> None:
    """Scenes with depth and captions as `generate` leaves samples, two files; one picture is broken."""
    random = np.random.default_rng(0)
    for file in range(2):
        rows = []
        for place in range(file * COUNT // 2, (file + 1) * COUNT // 2):
            scene = Scene.from_seed(place)
            shown = render(scene, 32)
            image = (shown.image + random.normal(0, noise, shown.image.shape)).clip(0, 255).astype(np.uint8)
            near = (exact_depth(shown.inverse_depth) * 65_535).astype(np.uint16)
            rows.append(
                {
                    "key": place,
                    "number": 0,
                    "caption": HOSTILE if place == 3 else scene.caption,
                    "image": {"bytes": b"broken" if place == 5 else encode_rgb(image), "path": f"{place}.png"},
                    "depth": {"bytes": encode_depth(near, "png"), "path": f"{place}-depth.png"},
                }
            )
        names = [("key", pa.int64()), ("number", pa.int32()), ("caption", pa.string()), ("image", IMAGE)]
        schema = pa.schema([*names, ("depth", IMAGE)] if depth else names)
        Folder(str(folder)).write_tables(f"{file:05d}.parquet", [pa.Table.from_pylist(rows, schema)])


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> EvaluateConfig:
    """Two sets, one noisier than the other; scenes as real pictures; networks of real kinds, most of them random."""
    root = tmp_path_factory.mktemp("evaluation")
    pictures(root / "good", noise=2)
    pictures(root / "bad", noise=60)
    write_scenes(root / "real", 0, 40)
    train_clip_model(root / "clip", steps=12)
    tiny_depth_model(root / "metric", seed=1)
    settings = json.loads((root / "metric/config.json").read_text())
    (root / "metric/config.json").write_text(json.dumps(settings | {"depth_estimation_type": "metric"}))
    tiny_depth_model(root / "peer")
    make_base_model(root / "base")
    tiny_dinov2(root / "dinov2")
    return EvaluateConfig(
        input=(str(root / "good"), f"worse={root / 'bad'}"),
        reference=str(root / "real"),
        output=str(root / "out"),
        inception=INCEPTION,
        clip=ClipConfig(model=str(root / "clip")),
        dinov2=Dinov2Config(model=str(root / "dinov2")),
        depth=DepthConfig(reference=str(root / "metric"), peer=str(root / "peer"), points=200, flip=False),
        reconstruction=ReconstructionConfig(
            models=(f"base={root / 'base'}",),
            corpus=str(root / "real"),
            perceptual=PerceptualConfig(network="squeeze", weights="random"),
        ),
        report=ReportConfig(shown=3),
        cluster=ActorsConfig(no_progress_timeout_s=120),
    )


@pytest.fixture(scope="module")
def made(config: EvaluateConfig) -> dict[str, Any]:
    return evaluate(config)


def values(summary: dict[str, Any]) -> dict[tuple[str, str], float]:
    return {(row["pictures"], row["metric"]): row["value"] for row in summary["results"]}


def times(output: str) -> dict[str, int]:
    return {str(file): file.stat().st_mtime_ns for file in Path(output, "features").rglob("*.parquet")}


def committed(output: str) -> set[str]:
    """Return the files of finished shards."""
    records = [json.loads(marker.read_text()) for marker in Path(output, "_state/shards").glob("*.json")]
    return {f"{output}/{name}" for record in records for name in record["sizes"]}


def test_every_metric_is_there_with_its_error_and_noise_is_worse(made):
    found = values(made)
    for metric in ("fid", "kid"):
        assert found["good", metric] < found["worse", metric]
    for metric in ("abs_rel", "rmse_m_literal", "peer_abs_rel", "peer_silog"):
        assert found["good", metric] > 0
    for metric in ("rfid", "psnr_db", "ssim", "lpips"):
        assert np.isfinite(found["base", metric])
    assert all(row["stderr"] > 0 for row in made["results"])
    assert made["verdict"] == "new"
    assert made["left_out"] == []


def test_what_cannot_be_read_is_counted_and_said(config, made):
    of_sets = [row for row in made["results"] if row["pictures"] == "good"]
    assert {row["num_samples"] + row["excluded"] for row in of_sets} == {COUNT}
    rejects = [
        row for file in Path(config.output, "rejects").rglob("*.parquet") for row in pq.read_table(file).to_pylist()
    ]
    assert {(row["key"], row["reason"]) for row in rejects} == {(5, "not_an_image")}


def test_numbers_are_those_of_all_pictures_in_one_place(config, made):
    """However they were grouped and added, up to the order of additions."""
    network = features_of(config.inception, "cpu")

    def sums(folder: str) -> GaussianSums:
        contents = [row["bytes"] for row in pq.read_table(folder, columns=["image"])["image"].to_pylist()]
        images = [picture_of(content, None) for content in contents if content != b"broken"]
        names = np.arange(len(images)), np.zeros(len(images), np.int32)
        return GaussianSums.of(np.array(network(Batch(*names, images))["pool"].to_pylist(), np.float32))

    root = Path(config.input[0]).parent
    real = sums(str(root / "real"))
    found = values(made)
    for name, folder in (("good", "good"), ("worse", "bad")):
        assert found[name, "fid"] == pytest.approx(frechet_distance(sums(str(root / folder)), real), rel=1e-4)


def test_the_report_shows_everything_and_runs_nothing(config, made):
    text = Path(config.output, "report.html").read_text()
    assert "<script" not in text.lower()
    assert "javascript:" not in text.replace("[a](javascript:b)", "")
    assert text.count("data:image/png;base64,") >= 2
    assert "surrogate" in text
    for name in ("report.md", "figures/samples.png", "figures/depth.png"):
        assert Path(config.output, name).stat().st_size > 0


def test_the_numbers_open_as_a_table(config, made):
    table = pq.read_table(Path(config.output, "metrics"))
    assert table.num_rows == len(made["results"])
    assert table.schema.metadata[b"contract"] == b"metrics/v1"
    assert {"run", "protocol", "config", "stderr"} <= set(table.column_names)


def test_again_it_does_nothing_and_an_old_report_is_made_again(config, made):
    before = times(config.output)
    assert evaluate(config) == made
    Path(config.output, "report.html").unlink()
    again = evaluate(config)
    assert Path(config.output, "report.html").exists()
    assert values(again) == values(made)
    assert times(config.output) == before


def test_a_subset_costs_no_features_and_is_another_protocol(config, made):
    before = times(config.output)
    some = evaluate(replace(config, pictures=PicturesConfig(count=12), metrics=("fid", "clip")))
    assert times(config.output) == before
    assert {row["num_samples"] + row["excluded"] for row in some["results"]} == {12}
    assert some["verdict"] == "incomparable"


def test_newer_metrics_add_their_features_and_change_no_other_number(config, made):
    before = times(config.output)
    newer = ("fd_dinov2", "cmmd", "precision_recall", "depth_edges")
    found = evaluate(replace(config, metrics=("fid", "clip", "depth", *newer)))
    assert before.items() <= times(config.output).items()
    added = {Path(file).parent.name.partition("-")[0] for file in times(config.output).keys() - before.keys()}
    assert added == {"dinov2", "clip", "depth"}  # of Inception there is nothing to add
    assert found["verdict"] == "same"
    named = {name: value for name, value in values(found).items() if name in values(made)}
    assert named == pytest.approx({name: values(made)[name] for name in named}, rel=1e-9)
    assert {metric for name, metric in values(found).keys() - named.keys() if name == "good"} == {
        "fd_dinov2",
        "cmmd",
        "precision",
        "recall",
        "edge_f1",
        "peer_edge_f1",
    }
    for metric in ("fd_dinov2", "cmmd"):
        assert 0 < values(found)["good", metric] < values(found)["worse", metric]
    for row in found["results"]:
        if row["metric"] in ("precision", "recall", "edge_f1", "peer_edge_f1") and row["value"] is not None:
            assert 0 <= row["value"] <= 1
    report = Path(config.output, "report.md").read_text()
    assert "Newer than the paper" in report
    assert "precision (surrogate)" in report


def test_panoramas_have_their_depth_and_seam_measured_and_a_table_beside_the_published_row(config, tmp_path):
    picture, distance = room.panorama(16)
    near = (65_535 * distance.min() / distance).astype(np.uint16)
    rows = [
        {
            "key": place,
            "image": {"bytes": encode_rgb(np.roll(picture, place, axis=1)), "path": f"{place}.png"},
            "depth": {"bytes": encode_depth(np.roll(near, place, axis=1), "png"), "path": f"{place}-depth.png"},
        }
        for place in range(3)
    ]
    schema = pa.schema([("key", pa.int64()), ("image", IMAGE), ("depth", IMAGE)])
    Folder(str(tmp_path / "around")).write_tables("0.parquet", [pa.Table.from_pylist(rows, schema)])
    own = {"input": (str(tmp_path / "around"),), "output": str(tmp_path / "out"), "reference": None}
    asked = {"metrics": ("panorama_depth", "seam"), "reconstruction": ReconstructionConfig()}
    made = evaluate(replace(config, **own, **asked))
    found = {metric: value for (_, metric), value in values(made).items()}
    assert found["seam_ratio"] == pytest.approx(
        np.mean([seam_ratio(np.roll(picture, place, axis=1)) for place in range(3)])
    )
    assert {f"{who}{name}" for who in ("", "peer_") for name in PANORAMA_DEPTH} | {*SEAMS} == found.keys()
    assert all(row["num_samples"] + row["excluded"] == 3 for row in made["results"])
    assert "LDM3D-pano" in Path(tmp_path, "out/report.md").read_text()


def test_damage_is_measured_again(config, made):
    target = sorted(Path(config.output, "features").rglob("*.parquet"))[0]
    before, others = target.read_bytes(), times(config.output)
    target.write_bytes(before[:-20])
    assert values(evaluate(replace(config, report=ReportConfig(shown=2)))) == values(made)
    assert target.read_bytes() == before
    assert {name for name, time in times(config.output).items() if time != others[name]} == {str(target)}


def test_a_feature_file_that_was_overwritten_is_found_and_measured_again(config, made):
    """Of the same size, so that its marker agrees with it."""
    target = max(Path(config.output, "features").rglob("*inception*/*.parquet"), key=lambda file: file.stat().st_size)
    before = target.read_bytes()
    middle = len(before) // 2
    target.write_bytes(before[:middle] + bytes([before[middle] ^ 1]) + before[middle + 1 :])
    other = replace(config, report=ReportConfig(shown=4))
    with pytest.raises(RayTaskError, match="run the same command again"):
        evaluate(other)
    assert values(evaluate(other)) == values(made)
    assert target.read_bytes() == before


def test_numbers_of_an_earlier_run_that_cannot_be_read_are_passed_over(config, made):
    broken = Path(config.output, "metrics/0000.parquet")
    broken.write_bytes(b"PAR1")
    found = evaluate(replace(config, report=ReportConfig(shown=5)))
    broken.unlink()
    assert any("metrics/0000.parquet" in line for line in found["left_out"])


def test_actors_and_batches_change_no_number(config, made, tmp_path):
    """Features to the order of additions in a batch; sums are added in one order."""
    other = replace(
        config,
        output=str(tmp_path / "out"),
        metrics=("fid", "kid", "inception_score", "clip"),
        inception=replace(config.inception, batch_size=3),
        cluster=replace(config.cluster, actors=2, gpus=0.0),
    )
    found = values(evaluate(other))
    assert len(found) == 2 * 4
    assert found == pytest.approx({name: values(made)[name] for name in found}, rel=2e-4, abs=1e-4)


def test_a_model_that_got_worse_ends_with_a_code_of_its_own(config, made, tmp_path, monkeypatch, capsys):
    """The same name and protocol, other pictures: what a nightly evaluation sees."""
    real = Path(config.input[0]).parent / "real"
    line = f"--input nightly --reference {real} --output out --metrics fid kid --cluster.gpus 0 --json"
    network = "--inception.network efficientnet-lite0 --inception.kid-subset-size 10 --inception.kid-subsets 5"
    monkeypatch.setattr("sys.argv", ["evaluate", *line.split(), *network.split()])
    monkeypatch.chdir(tmp_path)

    pictures(tmp_path / "nightly", noise=2)
    run(main, EvaluateConfig, None)
    assert json.loads(capsys.readouterr().out)["verdict"] == "new"
    shutil.rmtree(tmp_path / "nightly")
    pictures(tmp_path / "nightly", noise=60)
    with pytest.raises(SystemExit) as stopped:
        run(main, EvaluateConfig, None)
    assert stopped.value.code == 4
    said = capsys.readouterr()
    assert json.loads(said.out)["verdict"] == "worse"
    assert said.err.strip().splitlines()[-1].startswith("worse: fid of nightly was")


def measured_files(output: str, run: str, network: str) -> list[Path]:
    """The features of a run's pictures `nightly`, as its numbers name them."""
    measured = json.loads(pq.read_schema(Path(output, f"metrics/{run}.parquet")).metadata[b"measured"])
    names = [name.rsplit("-", 1) for name in measured["nightly"][network]]
    return [Path(output, "features", folder, f"{part}.parquet") for folder, part in names]


def scores(output: str, run: str, network: str, column: str) -> dict[int, float]:
    tables = [pq.read_table(file, columns=["key", column]) for file in measured_files(output, run, network)]
    return {row["key"]: row[column] for table in tables for row in table.to_pylist()}


def compared(report: Path, pictures: str, metric: str) -> list[list[str]]:
    """The cells change and pairs of each row that compares a metric: with the baseline, then with the run before."""
    rows = [[cell.strip() for cell in line.split("|")] for line in report.read_text().splitlines()]
    title = METRICS[metric].title
    return [row[6:8] for row in rows if len(row) == 10 and row[1] == pictures and row[2][:-2].strip() == title]


def test_runs_are_compared_picture_by_picture_with_a_baseline_and_the_run_before(config, made, tmp_path):
    pictures(tmp_path / "nightly", noise=2)
    nightly = replace(
        config,
        input=(str(tmp_path / "nightly"),),
        reference=None,
        output=str(tmp_path / "out"),
        metrics=("clip", "depth", "autoencoder"),
    )
    first, report, numbers = (
        evaluate(nightly)["run"],
        Path(nightly.output, "report.md"),
        Path(nightly.output, "metrics"),
    )
    rows = pq.read_table(numbers / f"{first}.parquet").to_pylist()
    older = [row | {"run": "older", "started": "2999-01-01T00:00:00+0000"} for row in rows]
    pq.write_table(pa.Table.from_pylist(older), numbers / "older.parquet")  # without the metadata of newer versions

    shutil.rmtree(tmp_path / "nightly")
    pictures(tmp_path / "nightly", noise=60)
    nightly = replace(nightly, report=ReportConfig(baseline=first, tolerance=0.0))
    found = evaluate(nightly)
    for metric, network in (("clip", "clip"), ("abs_rel", "depth")):
        now, before = (scores(nightly.output, each, network, metric) for each in (found["run"], first))
        differences = np.array([now[key] - before[key] for key in before if np.isfinite(now[key] - before[key])])
        error, digits = differences.std(ddof=1) / len(differences) ** 0.5, METRICS[metric].digits
        of_baseline, of_latest = compared(report, "nightly", metric)
        assert of_baseline == [
            f"{signed(differences.mean(), digits)} ± {number(error, digits)}",
            str(len(differences)),
        ]
        assert "made by a version" in of_latest[1]
    assert compared(report, "base", "ssim")[0] == ["0.000 ± 0.000", "40"]
    assert f"Compared with the baseline, run {first}" in report.read_text()
    assert found["worse"]
    assert all("in the baseline, is" in line for line in found["worse"])

    for file in measured_files(nightly.output, first, "depth"):
        file.unlink()
    evaluate(replace(nightly, report=replace(nightly.report, shown=2)))
    assert "no longer in the output" in compared(report, "nightly", "abs_rel")[0][1]
    assert compared(report, "nightly", "clip")[0][1].isdigit()


def test_pictures_networks_and_output_may_be_on_an_object_store(config, made, s3):
    Folder("s3://evaluation").fs.mkdir("evaluation")
    root = Path(config.input[0]).parent
    for name in ("good", "clip", "peer", "metric", "base"):
        for file in (root / name).rglob("*.*"):
            Folder("s3://evaluation").write(str(file.relative_to(root)), file.read_bytes())
    there = replace(
        config,
        input=("s3://evaluation/good",),
        reference=None,
        output="s3://evaluation/out",
        metrics=("clip", "depth", "autoencoder"),
        clip=replace(config.clip, model="s3://evaluation/clip"),
        depth=replace(config.depth, reference="s3://evaluation/metric", peer="s3://evaluation/peer"),
        reconstruction=replace(config.reconstruction, models=("base=s3://evaluation/base",)),
    )
    found = values(evaluate(there))
    assert found == {name: values(made)[name] for name in found}
    assert {"clip", "abs_rel", "peer_abs_rel", "rfid"} <= {metric for _, metric in found}


def failure(config: EvaluateConfig) -> str:
    """What a run fails with. The exception is let go, and with it the actors that its frames hold."""
    try:
        evaluate(config)
    except TakenOverError as error:
        message = str(error)
    gc.collect()
    return message


def test_a_run_that_is_taken_over_stops_and_what_it_has_done_is_kept(config, made, tmp_path):
    other = replace(
        config,
        output=str(tmp_path / "out"),
        metrics=("clip",),
        reconstruction=ReconstructionConfig(),
        # pytest keeps what was logged, and with it the actor of the first run
        cluster=replace(config.cluster, gpus=0.0),
    )
    output = Folder(other.output)

    def take_over() -> None:
        while not output.sizes("_state/shards"):
            time.sleep(0.01)
        claim(output, "new", {})

    thread = threading.Thread(target=take_over, daemon=True)
    thread.start()
    assert "run new" in failure(other)
    thread.join()
    kept = {name: time for name, time in times(other.output).items() if name in committed(other.output)}
    assert kept  # and perhaps a file beside them, which was written and not committed: it is written again
    found = values(evaluate(other))
    assert found == {name: values(made)[name] for name in found}
    assert kept.items() <= times(other.output).items()


def test_what_will_not_do_is_refused_before_any_work(config, tmp_path):
    fresh = replace(config, output=str(tmp_path / "out"))
    for changes, message in (
        ({"reference": str(tmp_path / "none")}, "--reference"),
        ({"input": (str(tmp_path / "none"),)}, "--input"),
        ({"clip": ClipConfig(model=str(tmp_path))}, r"clip\.model"),
        ({"depth": replace(config.depth, reference=config.depth.peer)}, r"depth\.reference"),
        ({"pictures": PicturesConfig(keys=str(tmp_path / "keys.parquet"))}, r"pictures\.keys"),
        ({"report": ReportConfig(baseline="c0ffee")}, r"report\.baseline is 'c0ffee'.*none yet"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate(replace(fresh, **changes))
        assert not Path(fresh.output).exists()
    Path(fresh.output).mkdir()
    Path(fresh.output, "holiday.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="--output"):
        evaluate(fresh)


def test_a_dry_run_says_what_would_be_done(config, tmp_path):
    plan = evaluate(replace(config, output=str(tmp_path / "out")), dry_run=True)
    assert plan["sets"]["worse"] == {"pictures": COUNT, "role": "input"}
    assert not Path(tmp_path, "out").exists()
