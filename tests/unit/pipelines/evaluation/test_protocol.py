"""What is stored beside a number names the networks that measured it and no other; runs keep their names."""

import numpy as np
import pytest

from ldm3d.config import Dinov2Config, EvaluateConfig, InceptionConfig
from pipelines.evaluate import run_of
from pipelines.evaluation.chosen import Chosen
from pipelines.evaluation.picture_set import PictureSet
from pipelines.evaluation.plan import EvaluatePlan
from pipelines.evaluation.protocol import protocol_of
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


def test_a_network_that_takes_no_weights_names_none():
    chosen = Chosen.of(np.array([1, 2]), np.array([0, 0], np.int32))
    names = {}
    for network in ("inception", "efficientnet-lite0"):
        config = EvaluateConfig(output="out", inception=InceptionConfig(network=network))
        names[network] = protocol_of("inception_score", config, "judge", SUBJECT, chosen, None)["names"]
    assert names == {"inception": {"weights": "torch-fidelity"}, "efficientnet-lite0": {}}
