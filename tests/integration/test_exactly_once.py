"""Kill anything at any moment, run the same command again: the same rows, none lost, none doubled, nothing redone."""

import contextlib
import gc
import json
import random
import shutil
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from ray.cluster_utils import Cluster

from benchmarks.trial import markers, rows_of, start_driver
from ldm3d.toy.faults import Slow
from ldm3d.toy.world import build_world
from pipelines import rebuild_corpus as stage
from pipelines.corpus import candidates
from pipelines.corpus.audit import audit_of
from pipelines.corpus.input import check_input
from pipelines.corpus.metadata import read_input
from pipelines.corpus.plan import FOLDERS, load_plan
from pipelines.rebuild_corpus import rebuild_corpus
from pipelines.storage.folder import Folder
from pipelines.storage.run import save_config
from pipelines.storage.shards import TakenOverError, claim, commit_shard, finished
from pipelines.workers.audit import AuditError
from tests.integration.driver import wait_for

SHARDS = {"rows": 8, "row_group_rows": 8}
POLITE = {"per_host": 2}


@pytest.fixture(scope="module")
def world(web, tmp_path_factory) -> Path:
    """Metadata of 64 rows, some not found, on a web that takes seconds: there is a middle to kill at."""
    folder = tmp_path_factory.mktemp("world")
    built = build_world(folder, web.base_url, scenes=64, seed=2, faults=False)
    web.pages.update({name: Slow(0.15, page) for name, page in built.pages.items()})
    for name in list(built.pages)[::9]:
        del web.pages[name]
    return folder


@pytest.fixture(scope="module")
def undisturbed(world, make_config, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    rebuild_corpus(make_config(world, folder, shards=SHARDS, download=POLITE))
    return folder


def test_a_driver_ended_at_any_moment_loses_and_doubles_nothing(world, make_config, undisturbed, cluster, tmp_path):
    config = make_config(world, tmp_path / "corpus", shards=SHARDS, download=POLITE)
    chance = random.Random(0)
    done_before: dict[str, int] = {}
    for ending in (signal.SIGKILL, signal.SIGTERM):
        driver = start_driver(config, cluster)
        enough = len(done_before) + chance.randint(1, 2)  # of eight and more: there is work left to be ended in
        wait_for(
            lambda enough=enough, driver=driver: (
                len(markers(tmp_path / "corpus")) >= enough or driver.poll() is not None
            )
        )
        time.sleep(chance.uniform(0, 0.3))
        driver.send_signal(ending)
        said, _ = driver.communicate()
        now = markers(tmp_path / "corpus")
        assert {name: now[name] for name in done_before} == done_before, "finished work was done again"
        # where the labeller starts late, all shards end at once: take back what would leave no work to be ended in
        for late in sorted(now.keys() - done_before.keys(), key=lambda name: now[name])[2:]:
            (tmp_path / "corpus/_state/shards" / late).unlink()
            del now[late]
        done_before = now
    assert driver.returncode == 143
    assert said.decode().splitlines()[-1].startswith("terminated")
    rebuild_corpus(config)
    assert {name: time for name, time in markers(tmp_path / "corpus").items() if name in done_before} == done_before
    assert rows_of(tmp_path / "corpus") == rows_of(undisturbed)


def test_killed_actors_are_replaced_within_the_run(world, make_config, undisturbed, tmp_path):
    config = make_config(world, tmp_path / "corpus", shards=SHARDS, download=POLITE)
    killed: dict[str, int] = {}

    def kill() -> None:
        for done, victim in enumerate(("DepthLabeler", "Downloader"), start=1):
            wait_for(lambda done=done: len(markers(tmp_path / "corpus")) >= done)
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):  # it ended by itself
                    name = next(iter(process.cmdline()), "")  # of one that has ended there is none
                    if name.startswith("ray::") and victim in name:
                        process.kill()
                        killed[victim] = process.pid

    killer = threading.Thread(target=kill)
    killer.start()
    rebuild_corpus(config)
    killer.join()
    assert killed.keys() == {"Downloader", "DepthLabeler"}
    assert rows_of(tmp_path / "corpus") == rows_of(undisturbed)


@pytest.mark.slow
def test_a_node_that_is_lost_takes_no_row_with_it(world, make_config, undisturbed, tmp_path):
    """On a real cluster of two nodes beside the head; another comes for the one that goes."""
    config = make_config(world, tmp_path / "corpus", shards=SHARDS, download=POLITE)
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        lost, _ = nodes.add_node(num_cpus=2), nodes.add_node(num_cpus=1)
        driver = start_driver(config, nodes.address)
        wait_for(lambda: len(markers(tmp_path / "corpus")) >= 2 or driver.poll() is not None)
        nodes.add_node(num_cpus=2)
        nodes.remove_node(lost, allow_graceful=False)
        said, _ = driver.communicate(timeout=300)
        assert driver.returncode == 0, said.decode()[-3000:]
    finally:
        nodes.shutdown()
    assert rows_of(tmp_path / "corpus") == rows_of(undisturbed)


def test_lost_and_damaged_state_is_done_again_in_place(world, make_config, undisturbed, tmp_path):
    config = make_config(world, tmp_path / "corpus", shards=SHARDS, download=POLITE)
    shutil.copytree(undisturbed, tmp_path / "corpus")
    chance = random.Random(1)
    state = sorted((tmp_path / "corpus/_state/shards").glob("*.json"))
    lost, damaged, emptied = chance.sample(state, 3)
    lost.unlink()
    damaged.write_text("{")
    record = json.loads(emptied.read_text())
    (tmp_path / "corpus" / next(iter(record["sizes"]))).unlink()
    (tmp_path / "corpus/_SUCCESS.json").unlink()
    before = markers(tmp_path / "corpus")
    rebuild_corpus(config)
    after = markers(tmp_path / "corpus")
    assert {name for name in after if after[name] != before.get(name)} == {lost.name, damaged.name, emptied.name}
    assert rows_of(tmp_path / "corpus") == rows_of(undisturbed)


def test_a_run_that_was_taken_over_commits_nothing_more(undisturbed, tmp_path):
    output = Folder(str(tmp_path / "corpus"))
    plan = load_plan(Folder(str(undisturbed)))
    record = next(iter(finished(Folder(str(undisturbed)), plan.shards, FOLDERS).values()))
    claim(output, "new", {})
    with pytest.raises(TakenOverError, match="run new"):
        commit_shard(output, "old", record, {"rgbd": [], "rejects": []})
    assert not output.sizes("_state/shards")


def failure(config) -> str:
    """What a run fails with. The exception is let go, and with it the actors that its frames hold."""
    try:
        rebuild_corpus(config)
    except TakenOverError as error:
        message = str(error)
    gc.collect()
    return message


def test_a_run_that_is_taken_over_stops_and_what_it_has_done_is_kept(world, make_config, undisturbed, tmp_path):
    config = make_config(world, tmp_path / "corpus", shards=SHARDS, download=POLITE)

    def take_over() -> None:
        wait_for(lambda: len(markers(tmp_path / "corpus")) >= 1)
        claim(Folder(config.output), "new", {})

    other = threading.Thread(target=take_over)
    other.start()
    assert "run new" in failure(config)
    other.join()
    output = Folder(config.output)
    done, plan = markers(tmp_path / "corpus"), load_plan(output)
    assert 0 < len(done) < len(plan.shards)
    assert {f"{name}.json" for name in finished(output, plan.shards, FOLDERS)} == done.keys()
    rows = rows_of(tmp_path / "corpus")["rgbd"]
    assert [row for row in rows_of(undisturbed)["rgbd"] if row in rows] == rows
    assert not output.exists("_SUCCESS.json")


def test_of_two_runs_begun_at_once_with_other_settings_the_later_is_refused(world, make_config, tmp_path, monkeypatch):
    config, output = make_config(world, tmp_path / "corpus", shards=SHARDS), Folder(str(tmp_path / "corpus"))
    first = check_input(replace(config, select=replace(config.select, seed=7))).identity

    def tried_meanwhile(*_):
        save_config(output, first, {})
        return {}

    monkeypatch.setattr(stage, "try_model", tried_meanwhile)
    with pytest.raises(ValueError, match=r"--output .* other settings: --select\.seed was 7, is 0\."):
        rebuild_corpus(config)
    assert json.loads(output.read("config.json"))["identity"] == first
    assert load_plan(output) is None


def test_a_run_that_is_taken_over_while_it_plans_touches_nothing_more(world, make_config, tmp_path, monkeypatch):
    config = make_config(world, tmp_path / "corpus", shards=SHARDS)
    output, metadata = Folder(config.output), read_input(config)
    cut_into_shards = candidates._cut_into_shards

    def cut_meanwhile(*arguments):
        claim(output, "new", {})
        return cut_into_shards(*arguments)

    monkeypatch.setattr(candidates, "_cut_into_shards", cut_meanwhile)
    claim(output, "old", {})
    with pytest.raises(TakenOverError, match="run new"):
        candidates.make_plan(metadata, config, output, "old")
    assert load_plan(output) is None
    others = output.sizes("_state")  # which the new run may be reading
    assert any("buckets" in name for name in others)
    with pytest.raises(TakenOverError, match="run new"):
        candidates.make_plan(metadata, config, output, "old")
    assert output.sizes("_state") == others


def test_the_audit_finds_doubled_and_missing_rows(undisturbed, tmp_path):
    shutil.copytree(undisturbed, tmp_path / "corpus")
    output = Folder(str(tmp_path / "corpus"))
    plan = load_plan(output)
    run = json.loads(output.read("_state/run.json"))["run"]
    audit_of(output, output).run(plan.shards, run, plan.files)
    name = next(shard.name for shard in plan.shards if output.exists(shard.file("rgbd")))
    file = f"rgbd/{name.replace('-', '/')}.parquet"
    table = output.read_table(file)
    output.write_tables(file, [table, table.slice(0, 1)])
    with pytest.raises(AuditError, match="again to redo"):
        audit_of(output, output).run(plan.shards, run, plan.files)
    assert name not in finished(output, plan.shards, FOLDERS)
