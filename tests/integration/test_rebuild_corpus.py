"""The corpus stage on a real web of faults: every row accounted for, the corpus as promised, mistakes caught early."""

import dataclasses
import json
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
import torch
from PIL import Image
from ray.data.exceptions import ExecutionTimeoutError

from ldm3d.depth.relative import DepthEstimator, quantise
from ldm3d.fingerprint import fingerprint_of_folder
from ldm3d.images import decode_depth, decode_rgb, encode_depth
from ldm3d.keys import make_key
from ldm3d.rgbd import pack_depth, unpack_depth
from ldm3d.schema import REJECT, RGBD, reject_rows
from ldm3d.toy.depth_model import tiny_depth_model
from ldm3d.toy.faults import Status
from ldm3d.toy.scenes import render
from ldm3d.toy.world import build_world
from pipelines import rebuild_corpus as stage
from pipelines.corpus import candidates
from pipelines.corpus.candidates import make_plan
from pipelines.corpus.finish import has_lost_files
from pipelines.corpus.graph import Actors, CorpusGraph
from pipelines.corpus.metadata import read_input
from pipelines.corpus.plan import FOLDERS, load_plan
from pipelines.corpus.relabel import is_corpus, relabel_plan
from pipelines.corpus.remove_duplicates import remove_duplicates, rewrite
from pipelines.corpus.resources import fit
from pipelines.corpus.retry import Earlier, left_of
from pipelines.rebuild_corpus import rebuild_corpus
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Shard, claim, finished, shard_file
from pipelines.workers import stream_shards
from pipelines.workers.session import configure_data

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests


def rows_of(corpus: Path, contract: str = "rgbd") -> list[dict]:
    """All rows of a contract, by key."""
    files = sorted((corpus / contract).rglob("*.parquet"))
    rows = [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]
    return sorted(rows, key=lambda row: (row["key"], row["url"]))


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {str(f): (f.stat().st_mtime_ns, f.read_bytes()) for f in folder.rglob("*") if f.is_file()}


def test_every_row_ends_as_the_web_deserves(corpus):
    assert corpus.summary["rows_read"] == len(corpus.world.rows)
    assert corpus.summary["rows_kept"] == corpus.world.counts[""]
    assert corpus.summary["rows_rejected"] == {k: v for k, v in corpus.world.counts.items() if k}


def test_every_url_is_in_the_output_once_with_the_outcome_it_deserves(corpus):
    outcomes = {row["url"]: "" for row in rows_of(corpus.folder)}
    rejects = [row for row in rows_of(corpus.folder, "rejects") if row["url"] and row["reason"] != "duplicate_url"]
    assert not outcomes.keys() & {row["url"] for row in rejects}
    outcomes |= {row["url"]: row["reason"] for row in rejects}
    assert outcomes == corpus.world.expected


def test_images_and_depth_are_what_the_contract_says(corpus):
    rows = rows_of(corpus.folder)
    for row in rows:
        image, depth = decode_rgb(row["image"]["bytes"]), decode_depth(row["depth"]["bytes"])
        assert image.shape == (32, 32, 3)
        assert (depth.shape, depth.dtype) == ((32, 32), np.uint16)
        assert row["key"] == make_key(row["url"])
        assert row["depth_min"] <= row["depth_max"]
        np.testing.assert_array_equal(unpack_depth(pack_depth(depth)), depth)
    assert len({row["key"] for row in rows}) == len(rows)


def test_kept_pictures_show_their_scenes(corpus):
    """Orientation, colour order and modes are right: the kept picture is the scene, to JPEG's and scaling's error."""
    errors = []
    for row in rows_of(corpus.folder):
        if scene := corpus.world.scenes.get(row["url"]):
            shown = decode_rgb(row["image"]["bytes"]).astype(float)
            errors.append(np.abs(shown - render(scene, 32).image).mean())
    assert len(errors) > 80
    assert max(errors) < 8  # of 255; a wrong rotation or swapped channels is above 20


def test_files_carry_their_contract_schema_and_provenance(corpus):
    files = sorted((corpus.folder / "rgbd").rglob("*.parquet"))
    for file in files:
        schema = pq.read_schema(file)
        assert schema.equals(RGBD)
        assert schema.metadata[b"contract"] == b"rgbd/v1"
        assert schema.metadata[b"depth_meaning"] == b"relative inverse depth, larger = nearer"
        made_with = corpus.config.identity()
        made_with["label"]["depth_model"] = fingerprint_of_folder(Path(corpus.config.label.depth_model))
        assert json.loads(schema.metadata[b"config"]) == made_with
        assert (
            max(
                pq.ParquetFile(file).metadata.row_group(i).num_rows for i in range(pq.ParquetFile(file).num_row_groups)
            )
            <= 8
        )
    for file in (corpus.folder / "rejects").rglob("*.parquet"):
        assert pq.read_schema(file).equals(REJECT)


def test_it_opens_in_pandas_and_arrow(corpus):
    frame = pd.read_parquet(corpus.folder / "rgbd/train")
    assert (frame["split"] == "train").all()
    assert len(frame) == corpus.summary["splits"]["train"]
    import pyarrow.dataset as ds

    assert ds.dataset(corpus.folder / "rgbd").count_rows() == corpus.summary["rows_kept"]


def test_it_opens_in_hugging_face_datasets_with_pictures(corpus, tmp_path):
    opened = datasets.load_dataset(str(corpus.folder), cache_dir=str(tmp_path))
    assert {name: len(split) for name, split in opened.items()} == {
        "train": corpus.summary["splits"]["train"],
        "validation": corpus.summary["splits"]["val"],
    }
    row = opened["train"][0]
    assert row["image"].mode == "RGB"
    assert row["depth"].mode == "I;16"
    stored = next(r for r in rows_of(corpus.folder) if r["key"] == row["key"])
    np.testing.assert_array_equal(np.asarray(row["depth"]), decode_depth(stored["depth"]["bytes"]))


def test_the_card_and_the_contact_sheet_show_what_is_there(corpus):
    card = (corpus.folder / "README.md").read_text()
    for reason, count in corpus.summary["rows_rejected"].items():
        assert f"| {reason} | {count} |" in card
    with Image.open(corpus.folder / "contact_sheet.png") as sheet:
        assert sheet.width > 1_000
        assert len(sheet.convert("RGB").getcolors(1 << 24)) > 500


def test_a_finished_run_run_again_changes_nothing(corpus):
    before = snapshot(corpus.folder)
    assert rebuild_corpus(corpus.config) == corpus.summary
    assert snapshot(corpus.folder) == before


def test_a_changed_configuration_is_refused_by_name(corpus):
    changed = dataclasses.replace(corpus.config, select=dataclasses.replace(corpus.config.select, seed=5))
    before = snapshot(corpus.folder)
    with pytest.raises(ValueError, match=r"--select\.seed was 0, is 5"):
        rebuild_corpus(changed)
    assert snapshot(corpus.folder) == before


def test_a_corpus_that_has_lost_files_is_not_relabelled_but_mended(corpus, web, tmp_path, monkeypatch):
    web.pages.update(corpus.world.pages)  # other worlds have pages of the same names
    copy = tmp_path / "copy"
    shutil.copytree(corpus.folder, copy)
    lost = [next((copy / "rgbd/train").glob("*.parquet")), next((copy / "rejects/select").glob("*.parquet"))]
    for file in [*lost, copy / "README.md", copy / "contact_sheet.png"]:
        file.unlink()
    with pytest.raises(ValueError, match=r"--input .* rows"):
        relabel_plan(Folder(str(copy)))

    def looked_at_meanwhile(*arguments):
        assert not (copy / "_SUCCESS.json").exists(), "the corpus passes for finished while it is mended"
        return remove_duplicates(*arguments)

    monkeypatch.setattr(stage, "remove_duplicates", looked_at_meanwhile)
    assert rebuild_corpus(dataclasses.replace(corpus.config, output=str(copy))) == corpus.summary
    for contract in ("rgbd", "rejects"):
        assert rows_of(copy, contract) == rows_of(corpus.folder, contract)
    assert (copy / "README.md").exists()
    assert (copy / "contact_sheet.png").read_bytes() == (corpus.folder / "contact_sheet.png").read_bytes()


@pytest.mark.parametrize(
    "lost", ["README.md", "contact_sheet.png", "rejects/select/00000.parquet", "_state/candidates"]
)
def test_a_finished_corpus_that_has_lost_anything_is_known(corpus, tmp_path, lost):
    shutil.copytree(corpus.folder, tmp_path / "copy")
    output = Folder(str(tmp_path / "copy"))
    plan = load_plan(output)
    assert not has_lost_files(output, plan, corpus.summary)
    output.delete(lost)
    assert has_lost_files(output, plan, corpus.summary)


def test_a_corpus_without_its_state_is_not_relabelled_and_not_taken_for_metadata(corpus, tmp_path):
    shutil.copytree(corpus.folder, tmp_path / "copy", ignore=shutil.ignore_patterns("_state"))
    assert is_corpus(str(tmp_path / "copy"))
    with pytest.raises(ValueError, match=r"--input .*_state/"):
        relabel_plan(Folder(str(tmp_path / "copy")))


def test_a_plan_made_in_many_parts_has_the_rows_of_one_in_few(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(candidates, "BUCKET_ROWS", 80)
    config, output = dataclasses.replace(corpus.config, output=str(tmp_path)), Folder(str(tmp_path))
    claim(output, "run", {})
    plan, one = make_plan(read_input(config), config, output, "run"), load_plan(Folder(str(corpus.folder)))
    assert len(list((tmp_path / "_state/candidates").iterdir())) == 2
    assert plan.rejected == one.rejected
    for files in ("_state/candidates", "rejects/select"):
        assert rows_of(tmp_path, files) == rows_of(corpus.folder, files)


def test_moving_duplicates_to_the_rejects_can_be_done_again_at_any_point(corpus, tmp_path):
    """A task that dies before the marker is written is tried again, whichever files it has written."""
    shutil.copytree(corpus.folder, tmp_path / "copy")
    output = Folder(str(tmp_path / "copy"))
    config = dataclasses.replace(corpus.config, output=output.url)
    records = finished(output, load_plan(output).shards, FOLDERS)
    record = next(record for record in records.values() if record.kept > 1 and record.rejected)
    rgbd = shard_file(record.name, "rgbd")
    before, rows = output.read(rgbd), output.read_table(rgbd).to_pylist()
    keys = [row["key"] for row in rows]
    others = pa.table({"key": sorted([keys[0], 7]), "kept": [keys[1]] * 2, "same": [True, True]})
    run = json.loads(output.read("_state/run.json"))["run"]
    once, twice = (rewrite(record, config, run, others) for _ in range(2))
    output.write(rgbd, before)  # its rejects are written, and that is not
    assert rewrite(record, config, run, others) == once == twice
    assert twice.kept == record.kept - 1
    assert twice.rejected["duplicate_bytes"] == record.rejected.get("duplicate_bytes", 0) + 1
    assert [row["key"] for row in output.read_table(rgbd).to_pylist()] == keys[1:]
    rejects = [row for row in rows_of(tmp_path / "copy", "rejects") if row["stage"] == "duplicates"]
    (moved,) = [row for row in rejects if row["key"] == keys[0]]
    assert moved["url"] == rows[0]["url"]
    assert moved["detail"] == f"like the row of key {keys[1]}"


def test_a_shard_without_duplicates_is_left_as_it_is(corpus):
    output = Folder(str(corpus.folder))
    record = next(record for record in finished(output, load_plan(output).shards, FOLDERS).values() if record.kept)
    nothing = pa.table({"key": [7], "kept": [8], "same": [True]})
    before = snapshot(corpus.folder)
    assert rewrite(record, corpus.config, "of nobody", nothing) is None
    assert snapshot(corpus.folder) == before


def test_a_corpus_has_no_column_of_depth_to_take(corpus, make_config, tmp_path):
    config = make_config(corpus.folder, tmp_path / "new", label={"column": "depth", "predicts": "inverse_depth"})
    with pytest.raises(ValueError, match=r"--label\.column 'depth' needs metadata .* is a corpus"):
        rebuild_corpus(config)


def test_relabelling_needs_no_web_and_changes_the_labels_only(corpus, make_config, web, tmp_path):
    tiny_depth_model(tmp_path / "other", seed=1)
    config = make_config(corpus.folder, tmp_path / "new", label={"depth_model": str(tmp_path / "other")})
    asked = web.requests()
    rebuild_corpus(config)
    assert web.requests() == asked
    labels = ("depth", "depth_min", "depth_max")
    old, new = rows_of(corpus.folder), rows_of(tmp_path / "new")
    assert [{k: v for k, v in row.items() if k not in labels} for row in new] == [
        {k: v for k, v in row.items() if k not in labels} for row in old
    ]
    assert [row["depth_max"] for row in new] != [row["depth_max"] for row in old]
    torch.set_num_threads(1)  # as a labelling actor does
    images = [decode_rgb(row["image"]["bytes"]) for row in new[: config.label.batch_size]]
    wanted = DepthEstimator.from_pretrained(config.label)(np.stack(images))
    for row, depth, raw_max in zip(new, wanted.depth, wanted.raw_max, strict=False):
        np.testing.assert_array_equal(decode_depth(row["depth"]["bytes"]), depth)
        assert row["depth_max"] == raw_max


def map_of(url: str) -> np.ndarray:
    """A depth map, in millimetres, that no other picture has."""
    return np.random.default_rng(make_key(url) & 2**63 - 1).integers(1_000, 9_000, (32, 32), dtype=np.uint16)


def test_depth_is_taken_from_a_column_as_files_or_their_paths(plain_world, plain, make_config, tmp_path):
    metadata, config = tmp_path / "metadata", {"column": "own", "predicts": "depth", "scale": 0.001}
    (metadata / "maps").mkdir(parents=True)
    table = pa.concat_tables([pq.read_table(file) for file in sorted(plain_world.glob("*.parquet"))])
    urls = table["URL"].to_pylist()
    for number, url in enumerate(urls[1:20], 1):  # the first one is missing
        np.save(metadata / "maps" / f"{number}.npy", map_of(url))
    paths = pa.array([f"maps/{number}.npy" for number in range(20)])
    files = pa.array([encode_depth(map_of(url), "png") for url in urls[20:-1]] + [None], pa.binary())
    pq.write_table(table.slice(0, 20).append_column("own", paths), metadata / "a.parquet")
    pq.write_table(table.slice(20).append_column("own", files), metadata / "b.parquet")
    made = make_config(metadata, tmp_path / "corpus", label=config | {"depth_model": "/nowhere"})
    planned = rebuild_corpus(made, dry_run=True)
    assert "label: 1 x (1 CPU)" in planned["resources"]  # no model, and no GPU
    assert planned["depth_column"] == "own"
    summary = rebuild_corpus(made)
    rejected = {row["url"]: row["detail"] for row in rows_of(tmp_path / "corpus", "rejects")}
    kept, before = rows_of(tmp_path / "corpus"), {row["url"]: row for row in rows_of(plain[0])}
    assert summary["rows_rejected"]["depth_failed"] == 2
    assert rejected[urls[0]] == "the file maps/0.npy does not exist"
    assert rejected[urls[-1]] == "the column own is empty"
    assert {row["url"] for row in kept} == before.keys() - {urls[0], urls[-1]}
    for row in kept:
        labels = quantise(1_000 / torch.from_numpy(map_of(row["url"]).astype(np.float32))[None])
        np.testing.assert_allclose(decode_depth(row["depth"]["bytes"]).astype(int), labels.depth[0], atol=1)
        ends = labels.raw_min[0], labels.raw_max[0]
        np.testing.assert_allclose([row["depth_min"], row["depth_max"]], ends, rtol=1e-6)
        assert row["image"] == before[row["url"]]["image"]
    card = (tmp_path / "corpus/README.md").read_text()
    assert "column `own`; its licence is not stated" in card
    assert "/nowhere" not in card


@pytest.fixture(scope="module")
def plain_world(web, tmp_path_factory):
    """Metadata of forty rows without a fault."""
    folder = tmp_path_factory.mktemp("plain")
    world = build_world(folder, web.base_url, scenes=40, seed=1, faults=False)
    web.pages.update(world.pages)
    return folder


@pytest.fixture(scope="module")
def plain(plain_world, make_config, tmp_path_factory):
    """The corpus of them, made in two executions of Ray Data, and its counts."""
    folder = tmp_path_factory.mktemp("plain") / "corpus"  # the name of the session's corpus, too
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream_shards, "WINDOW", 1)
        return folder, rebuild_corpus(make_config(plain_world, folder))


def test_a_sample_is_drawn_by_key_and_the_rest_is_counted(plain_world, make_config, tmp_path):
    config, output = make_config(plain_world, tmp_path / "c", select={"sample": 15}), Folder(str(tmp_path / "c"))
    claim(output, "run", {})
    plan = make_plan(read_input(config), config, output, "run")
    assert (plan.rows_read, sum(shard.rows for shard in plan.shards), plan.rejected) == (40, 15, {"not_sampled": 25})


def test_rows_that_a_sample_leaves_out_are_counted_by_themselves(plain_world, make_config, tmp_path, caplog):
    config = make_config(plain_world, tmp_path / "corpus", select={"sample": 15})
    with caplog.at_level("INFO"):
        assert rebuild_corpus(config, dry_run=True)["rows_sampled_at_most"] == 15
        assert "at most 15 of the 40 rows read are tried; --select.sample None" in caplog.text
        summary = rebuild_corpus(config)
    assert (summary["rows_read"], summary["rows_not_sampled"], summary["rows_rejected"]) == (40, 25, {})
    assert "rows read: 40, kept: 15, rejected: 0, not sampled: 25" in caplog.text


def test_a_corpus_without_rows_is_whole_and_says_why_each_time(plain_world, make_config, tmp_path):
    config = make_config(plain_world, tmp_path / "corpus", download={"allow_addresses": ()})
    summary = rebuild_corpus(config)
    assert summary["shortage"].startswith(
        "of 40 rows that were tried, 0 were kept; 40 were rejected as refused_address: not public: 127.0.0.1. Only"
    )
    assert rebuild_corpus(config) == summary


def test_two_corpora_do_not_pass_for_each_other_in_one_cache(corpus, plain, tmp_path):
    for folder, summary in ((corpus.folder, corpus.summary), plain):
        opened = datasets.load_dataset(str(folder), cache_dir=str(tmp_path))
        assert sum(len(split) for split in opened.values()) == summary["rows_kept"]


def test_the_same_rows_come_of_any_number_of_workers_files_and_executions(plain_world, plain, make_config, tmp_path):
    table = pa.concat_tables([pq.read_table(file) for file in sorted(plain_world.glob("*.parquet"), reverse=True)])
    (tmp_path / "metadata").mkdir()
    for part in range(4):
        pq.write_table(table.slice(part * 10, 10), tmp_path / "metadata" / f"{part}.parquet")
    workers = {"download_actors": 2, "download_cpus": 0.5, "label_actors": 2, "label_gpus": 0.5}
    rebuild_corpus(make_config(tmp_path / "metadata", tmp_path / "corpus", cluster=workers))
    one, other = ({str(f.relative_to(run)) for f in run.rglob("rgbd/*/*")} for run in (plain[0], tmp_path / "corpus"))
    assert one == other >= {"rgbd/train/00000.parquet"}  # with the web's port go keys, and so splits
    assert rows_of(plain[0]) == rows_of(tmp_path / "corpus")


def test_an_outage_is_not_final(plain_world, plain, make_config, web, tmp_path, caplog):
    """Rows that a failing host cost are tried again in the same output, which is then as if nothing had happened."""
    config = make_config(plain_world, tmp_path / "corpus", download={"backoff_s": 0.0, "retries": 0})
    urls = [row["url"] for row in rows_of(plain[0])]
    lost = {url.removeprefix(web.base_url) for url in urls[::2]}
    asked = {url: web.requests(url.removeprefix(web.base_url)) for url in urls}
    with pytest.MonkeyPatch.context() as patch:
        for path in lost:
            patch.setitem(web.pages, path, Status(503))
        summary = rebuild_corpus(config)
    assert summary["rows_rejected"] == {"http_error": len(lost)}
    assert rebuild_corpus(config) == summary  # a reject is final unless its user says otherwise
    again = dataclasses.replace(config, retry_rejects="transport")
    assert rebuild_corpus(again, dry_run=True)["rows_to_retry"] == len(lost)
    assert rebuild_corpus(again) == plain[1]
    assert rows_of(tmp_path / "corpus") == rows_of(plain[0])
    for file in (tmp_path / "corpus/rgbd").rglob("*.parquet"):  # the order of rows, too
        assert pq.read_table(file).equals(pq.read_table(plain[0] / file.relative_to(tmp_path / "corpus")))
    assert not rows_of(tmp_path / "corpus", "rejects")
    requests = {url: web.requests(url.removeprefix(web.base_url)) - asked[url] for url in urls}
    assert requests == {url: 1 + (url.removeprefix(web.base_url) in lost) for url in urls}
    before = snapshot(tmp_path / "corpus")
    assert rebuild_corpus(again) == plain[1]
    assert snapshot(tmp_path / "corpus") == before


def test_a_retry_that_dies_before_its_marker_is_simply_run_again(plain, make_config, tmp_path):
    """Whichever of the two files it has written: no row is there twice, and none is fetched that is kept."""
    shutil.copytree(plain[0], tmp_path / "copy")
    output = Folder(str(tmp_path / "copy"))
    plan = load_plan(output)
    shard = max(plan.shards, key=lambda shard: shard.rows)
    candidates = output.read_table(shard.source, row_group=shard.row_group)
    keys, urls = (candidates[name].to_pylist() for name in ("key", "url"))
    failed = reject_rows(keys[:3], "download", ["timeout", "http_not_found", "timeout"], [""] * 3, urls[:3])
    output.write_tables(shard.file("rejects"), [failed])
    rgbd = output.read_table(shard.file("rgbd"))
    assert left_of(output, shard.name, candidates)["key"].to_pylist() == []  # all of them are kept
    output.write_tables(shard.file("rgbd"), [rgbd.slice(2)])
    assert left_of(output, shard.name, candidates)["key"].to_pylist() == keys[:1]
    earlier = Earlier.of(output, shard.name)
    joined, rejects = earlier.joined(rgbd.slice(0, 1), failed.slice(0, 0), seed=0)
    assert joined["key"].to_pylist() == [keys[0], *keys[2:]]
    assert rejects["reason"].to_pylist() == ["http_not_found"]


def test_a_dry_run_checks_everything_and_writes_nothing(plain_world, make_config, tmp_path):
    planned = rebuild_corpus(make_config(plain_world, tmp_path / "c"), dry_run=True)
    assert (planned["rows_read"], planned["rows_a_shard"]) == (40, 32)
    assert planned["shards_at_most"] == 3  # one of 32 rows, a rest for train and one for val
    assert planned["resources"].startswith("download: ")
    assert planned["depth_model_type"] == "dpt"
    assert planned["depth_model_licence"] == "not stated"
    assert planned["config"]["download"]["image_size"] == 32
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": {"depth_model": "/nowhere"}}, "--label.depth-model '/nowhere'"),
        ({"cluster": {"label_actors": 3}}, "cluster has 1 GPU"),
        ({"cluster": {"download_actors": 3}}, "--cluster.download-actors"),
        ({"cluster": {"label_gpus": 0, "label_cpus": 2}}, "--cluster.label-cpus"),
        ({"select": {"columns": "coyo"}}, "needs .'url', 'text'."),
        ({"label": {"column": "TEXT"}}, "--label.column 'TEXT' needs --label.predicts, .* inverse_depth .* or depth"),
        ({"label": {"column": "own", "predicts": "depth"}}, "--label.column 'own' is not a column of .*'TEXT'"),
        ({"label": {"scale": 0.001}}, "--label.scale is 0.001, but there is no --label.column"),
    ],
)
def test_what_cannot_work_is_refused_before_any_work(plain_world, make_config, web, tmp_path, changes, message):
    asked = web.requests()
    with pytest.raises(ValueError, match=message):
        rebuild_corpus(make_config(plain_world, tmp_path / "c", **changes))
    assert web.requests() == asked
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_cluster_that_is_taken_is_said_so_instead_of_waiting_for_ever(plain_world, make_config, tmp_path):
    holder = ray.remote(num_gpus=1, num_cpus=0)(Counter).remote()
    ray.get(holder.total.remote())
    with pytest.raises(ValueError, match="wait until other jobs free some"):
        rebuild_corpus(make_config(plain_world, tmp_path / "c", cluster={"no_progress_timeout_s": 2.0}))
    ray.kill(holder)


class Stuck:
    """A worker that never comes to an end."""

    def __init__(self, *_):
        pass

    def __call__(self, shard):
        time.sleep(120)


def test_a_run_that_stands_still_fails_and_names_the_operator(make_config, tmp_path):
    config = make_config(tmp_path / "m", tmp_path / "c", cluster={"no_progress_timeout_s": 3.0})
    Folder(config.output).write_tables("candidates.parquet", [pa.table({"url": ["http://a.test/1.jpg"]})])
    configure_data(config.cluster)
    graph = CorpusGraph(config, fit(config.cluster, 2, 1), Actors(Stuck, Stuck), "run", {}, relabels=False)
    with pytest.raises(ExecutionTimeoutError, match="Stuck"):
        graph.process([Shard("train-00000", "candidates.parquet", 0, rows=1)])


def test_metadata_with_a_damaged_page_is_refused_by_the_name_of_its_file(plain_world, make_config, tmp_path):
    shutil.copytree(plain_world, tmp_path / "m")
    config, output = make_config(tmp_path / "m", tmp_path / "c"), Folder(str(tmp_path / "c"))
    damaged = tmp_path / "m" / "damaged.parquet"
    shutil.copy(next(plain_world.glob("*.parquet")), damaged)
    content = damaged.read_bytes()
    damaged.write_bytes(content[:4] + bytes([0xAB] * 200) + content[204:])  # behind the footer all is well
    claim(output, "run", {})
    with pytest.raises(ValueError, match=f"--input: {damaged} .* damaged") as caught:
        make_plan(read_input(config), config, output, "run")
    assert type(caught.value) is ValueError
    assert load_plan(output) is None


def test_an_unsuitable_input_is_refused_with_the_remedy(plain_world, make_config, tmp_path):
    def refused(metadata: Path, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            rebuild_corpus(make_config(metadata, tmp_path / "out"))

    refused(tmp_path / "nothing", "does not exist")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "holds no table, tar shard or picture")
    (tmp_path / "empty/a.parquet").write_bytes(b"not parquet")
    refused(tmp_path / "empty", "not a readable parquet file")
    pq.write_table(pa.table({"URL": pa.array([], pa.string())}), tmp_path / "empty/a.parquet")
    refused(tmp_path / "empty", "hold no rows")
    pq.write_table(pa.table({"link": ["x"]}), tmp_path / "empty/a.parquet")
    refused(tmp_path / "empty", r"known to hold its caption; .*Add: --select\.caption-column COLUMN")
    pq.write_table(pa.table({"url": ["x"], "caption": ["y"]}), tmp_path / "empty/a.parquet")
    refused(tmp_path / "empty", "--select.nsfw any")


def test_an_output_inside_the_input_is_refused(plain_world, make_config):
    with pytest.raises(ValueError, match="overlap"):
        rebuild_corpus(make_config(plain_world, plain_world / "corpus"))


def test_a_model_is_known_by_its_content_wherever_it_lies(corpus, make_config, tmp_path):
    shutil.copytree(corpus.config.label.depth_model, tmp_path / "model")
    label = dataclasses.replace(corpus.config.label, depth_model=str(tmp_path / "model"))
    moved = dataclasses.replace(corpus.config, label=label)
    assert rebuild_corpus(moved) == corpus.summary
    tiny_depth_model(tmp_path / "model", seed=1)
    with pytest.raises(ValueError, match=r"--label\.depth-model is another model than then"):
        rebuild_corpus(moved)


def test_an_output_that_is_not_ours_is_left_alone(plain_world, make_config, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(ValueError, match=r"--output .* holds other files"):
        rebuild_corpus(make_config(plain_world, tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"--output .* cannot be written"):
        rebuild_corpus(make_config(plain_world, tmp_path / "file/corpus"))


def test_a_corpus_without_a_single_kept_row_is_still_a_corpus(make_config, tmp_path):
    rows = {"URL": [None], "TEXT": ["x"], "NSFW": ["UNLIKELY"], "similarity": [1.0]}
    (tmp_path / "m").mkdir()
    pq.write_table(pa.table(rows), tmp_path / "m/a.parquet")
    summary = rebuild_corpus(make_config(tmp_path / "m", tmp_path / "c"))
    assert summary["rows_kept"] == 0
    assert summary["rows_rejected"] == {"invalid_row": 1}
    assert "| invalid_row | 1 |" in (tmp_path / "c/README.md").read_text()
