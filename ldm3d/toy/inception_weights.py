"""A file of untrained weights for Inception, in the layout of torch-fidelity's.

With torch's own initial weights the features collapse to a spread of 5e-9, so every distance is 0 and every test
passes. With He's (2015) the spread is 0.3. Such features tell that pictures differ, and nothing more.
"""

from pathlib import Path
from unittest import mock

import torch
from torch import nn


def make_inception_weights(path: str | Path, seed: int = 0) -> None:
    """Write 95 MB of random weights; the same seed makes the same weights."""
    from torch_fidelity import feature_extractor_inceptionv3 as fidelity

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # the constructor would load trained weights
        with (
            mock.patch.object(fidelity, "load_state_dict_from_url"),
            mock.patch.object(fidelity.FeatureExtractorInceptionV3, "load_state_dict"),
        ):
            network = fidelity.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
        for part in network.modules():
            if isinstance(part, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(part.weight)
    torch.save(network.state_dict(), path)
