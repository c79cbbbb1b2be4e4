"""What is stored beside a number names the networks that measured it and no other; runs keep their names."""

from dataclasses import replace

import numpy as np
import pytest

from ldm3d.config import Dinov2Config, EvaluateConfig, InceptionConfig
from pipelines.evaluate import run_of
from pipelines.evaluation.chosen import Chosen
from pipelines.evaluation.picture_set import Part, PictureSet
from pipelines.evaluation.plan import EvaluatePlan
from pipelines.evaluation.protocol import protocol_hash, protocol_of
from pipelines.evaluation.subjects import Subject

SUBJECT = Subject(PictureSet("samples", "samples", [], {"image": "file"}), "input", None, (), (32, 32))


def run(**settings: object) -> str:
    plan = EvaluatePlan(EvaluateConfig(output="out", **settings), [SUBJECT], [], None, {"inception": "a"}, {})
    return run_of(plan)


@pytest.mark.parametrize(
    ("settings", "name"), [({}, "311444a133f8ab5a"), ({"metrics": ("fid", "clip")}, "0a487c3973a2ea6e")]
)
def test_a_run_of_the_papers_metrics_has_the_name_that_it_had_before_there_were_others(settings, name):
    """So that an evaluation which an older version began is resumed."""
    assert run(**settings) == name
    assert run(**settings, dinov2=Dinov2Config(model="other")) == name


def test_the_settings_of_a_metric_that_is_asked_for_are_in_the_name():
    names = {run(metrics=("fd_dinov2",), dinov2=Dinov2Config(model=model)) for model in ("one", "other")}
    assert len(names) == 2


def test_pictures_that_are_read_in_larger_shards_are_measured_under_the_same_protocol():
    keys, numbers = np.arange(4), np.zeros(4, np.int32)
    hashes = {}
    for metric in ("fid", "autoencoder"):
        for cut in (1, 2, 4):
            starts = range(0, 4, cut)
            parts = [
                Part(
                    tuple(f"{each}.png" for each in keys[start : start + cut]),
                    keys[start : start + cut],
                    numbers[start : start + cut],
                    None,
                    tuple(f"digest {each}" for each in keys[start : start + cut]),
                )
                for start in starts
            ]
            subject = replace(SUBJECT, pictures=PictureSet("real", "real", parts, {"image": "file"}))
            chosen, config = Chosen.of(keys, numbers), EvaluateConfig(output="out", shard_pictures=cut)
            found = protocol_of(metric, config, "judge", subject, chosen, (subject, chosen))
            hashes.setdefault(metric, set()).add(protocol_hash(found))
    assert [len(each) for each in hashes.values()] == [1, 1]


def test_a_network_that_takes_no_weights_names_none():
    chosen = Chosen.of(np.array([1, 2]), np.array([0, 0], np.int32))
    names = {}
    for network in ("inception", "efficientnet-lite0"):
        config = EvaluateConfig(output="out", inception=InceptionConfig(network=network))
        names[network] = protocol_of("inception_score", config, "judge", SUBJECT, chosen, None)["names"]
    assert names == {"inception": {"weights": "torch-fidelity"}, "efficientnet-lite0": {}}
