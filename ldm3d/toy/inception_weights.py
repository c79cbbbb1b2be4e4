"""A file of weights for Inception that were never trained, in the layout of torch-fidelity's.

torch's own initial weights let features collapse to a spread of 5e-9, so that every distance is 0 and every test of
them passes. He's (2015) keep it at 0.3. What such features say of pictures is no more than that they differ.
"""

from pathlib import Path
from unittest import mock

import torch
from torch import nn


def make_inception_weights(path: str | Path, seed: int = 0) -> None:
    """The same seed makes the same weights, 95 MB of them."""
    from torch_fidelity import feature_extractor_inceptionv3 as fidelity

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # its constructor loads weights first
        with (
            mock.patch.object(fidelity, "load_state_dict_from_url"),
            mock.patch.object(fidelity.FeatureExtractorInceptionV3, "load_state_dict"),
        ):
            network = fidelity.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
        for part in network.modules():
            if isinstance(part, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(part.weight)
    torch.save(network.state_dict(), path)
