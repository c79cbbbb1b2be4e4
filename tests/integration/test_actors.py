"""What actors meet: an image that crashes or hangs the decoder costs itself alone; labelling is where the GPU is."""

import json
import os
import shutil
import sys
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
import torch

from benchmarks.trial import rows_of
from ldm3d.config import CorpusConfig, LabelConfig
from ldm3d.decode import IsolatedDecoder
from ldm3d.toy.faults import Content
from ldm3d.toy.world import LAION, build_world
from pipelines.corpus.download import Downloader
from pipelines.corpus.graph import Actors
from pipelines.corpus.label_depth import DepthLabeler
from pipelines.rebuild_corpus import rebuild_corpus
from tests.integration.poison import CRASHES, HANGS

SCENES = 24
HERE = str(Path(__file__).parent)
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests


class PoisonedDownloader(Downloader):
    """The downloader, with a decoder that has bugs."""

    def __init__(self, config: CorpusConfig, actors: int, cpus: float, calls: int) -> None:
        sys.path.insert(0, HERE)  # for the decoder's processes
        IsolatedDecoder.work = "poison:work"
        super().__init__(config, actors, cpus, calls)


class WatchedLabeler(DepthLabeler):
    """The labeller, which leaves a note about its device beside its model."""

    def __init__(self, config: LabelConfig, cpus: float) -> None:
        super().__init__(config, cpus)
        model = self.estimate.model
        note = {
            "assigned": ray.get_runtime_context().get_assigned_resources(),
            "gpus": ray.get_gpu_ids(),
            "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
            "device": model.device.type,
            "dtype": str(model.dtype),
        }
        Path(config.depth_model, f"{uuid.uuid4().hex}.note").write_text(json.dumps(note))


@pytest.fixture(scope="module")
def poisoned(web, make_config, depth_model, tmp_path_factory) -> dict[str, Any]:
    """The rows of a corpus of good images and two bad ones, and the notes of its label actors."""
    folder = tmp_path_factory.mktemp("poisoned")
    shutil.copytree(depth_model, folder / "model")
    world = build_world(folder / "metadata", web.base_url, scenes=SCENES, seed=3, faults=False)
    web.pages.update(world.pages | {"/crashes.jpg": Content(CRASHES), "/hangs.jpg": Content(HANGS)})
    good = {"TEXT": "x", "NSFW": "UNLIKELY", "similarity": 1.0}
    rows = [good | {"URL": f"{web.base_url}/{name}.jpg"} for name in ("crashes", "hangs")]
    pq.write_table(pa.Table.from_pylist(rows, LAION), folder / "metadata/bad.parquet")
    config = make_config(
        folder / "metadata",
        folder / "corpus",
        download={"decode_timeout_s": 4.0},
        label={"depth_model": str(folder / "model")},
    )
    summary = rebuild_corpus(config, actors=Actors(PoisonedDownloader, WatchedLabeler))
    notes = [json.loads(note.read_text()) for note in (folder / "model").glob("*.note")]
    return {"summary": summary, "notes": notes, **rows_of(folder / "corpus")}


def test_images_that_crash_or_hang_the_decoder_are_rejects_and_the_rest_is_kept(poisoned):
    rejects = {Path(row["url"]).stem: (row["stage"], row["reason"]) for row in poisoned["rejects"]}
    assert rejects == {"crashes": ("decode", "decoder_crashed"), "hangs": ("decode", "decode_timeout")}
    assert poisoned["summary"]["rows_kept"] == len(poisoned["rgbd"]) == SCENES


def test_label_actors_hold_the_gpu_and_no_cpu(poisoned):
    assert poisoned["notes"]
    for note in poisoned["notes"]:
        assert note["assigned"].get("GPU") == 1
        assert not note["assigned"].get("CPU")
        assert note["visible"] == ",".join(map(str, note["gpus"]))


def test_label_actors_work_where_torch_finds_the_gpu_in_half_precision_there(poisoned):
    expected = ("cuda", "torch.float16") if torch.cuda.is_available() else ("cpu", "torch.float32")
    assert {(note["device"], note["dtype"]) for note in poisoned["notes"]} == {expected}
