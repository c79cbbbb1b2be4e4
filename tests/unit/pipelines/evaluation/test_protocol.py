"""What is stored beside a number names the networks that measured it, and no other."""

import numpy as np

from ldm3d.config import EvaluateConfig, InceptionConfig
from pipelines.evaluation.chosen import Chosen
from pipelines.evaluation.picture_set import PictureSet
from pipelines.evaluation.protocol import protocol_of
from pipelines.evaluation.subjects import Subject


def test_a_network_that_takes_no_weights_names_none():
    subject = Subject(PictureSet("samples", "samples", [], {"image": "file"}), "input", None, (), (32, 32))
    chosen = Chosen.of(np.array([1, 2]), np.array([0, 0], np.int32))
    names = {}
    for network in ("inception", "efficientnet-lite0"):
        config = EvaluateConfig(output="out", inception=InceptionConfig(network=network))
        names[network] = protocol_of("inception_score", config, "judge", subject, chosen, None)["names"]
    assert names == {"inception": {"weights": "torch-fidelity"}, "efficientnet-lite0": {}}
