"""The benchmark of a GPU runs, at a tiny size, where there is none: it will not fail for the first time on a card."""

import pytest

from benchmarks.gpu import PARTS, measure
from benchmarks.on_gpu.sizes import TINY

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),  # of diffusers
]


def test_every_part_compares_ours_with_a_peer(capsys):
    found = measure(TINY, seconds=0.0, turns=1)
    assert found.keys() == PARTS.keys()
    for part in found.values():
        assert all(rate > 0 for rate in part["per_s"].values())
        assert all(ratio.middle > 0 for ratio in part["ratio"].values())
        assert len(part["ratio"]) == len(part["per_s"]) - 1
    assert "ratio" in capsys.readouterr().out
