"""The title of a report names what was measured, and against what."""

import pytest

from ldm3d.config import EvaluateConfig, ReconstructionConfig, ReportConfig, presets_of
from pipelines.evaluation.title import title_of


@pytest.mark.parametrize(
    ("settings", "title"),
    [
        ({"input": ("runs/samples",), "reference": "coco/val2014"}, "Evaluation: samples against val2014"),
        ({"input": ("ours=a", "b/sd")}, "Evaluation: ours and sd"),
        ({"input": ("a", "b", "c"), "reference": "real=d"}, "Evaluation: a, b and c against real"),
        ({"input": ("a", "b", "c", "d")}, "Evaluation: a, b and 2 more"),
        (
            {"reconstruction": ReconstructionConfig(models=("runs/vae",), corpus="corpus")},
            "Evaluation: autoencoder vae on corpus",
        ),
        (
            {"input": ("a",), "reconstruction": ReconstructionConfig(models=("old=x", "new=y"), corpus="c")},
            "Evaluation: a; autoencoders old and new on c",
        ),
        ({"input": ("a",), "report": ReportConfig(title="Nightly")}, "Nightly"),
    ],
)
def test_the_title_names_what_was_measured(settings, title):
    assert title_of(EvaluateConfig(output="out", **settings)) == title


def test_no_preset_has_a_title_of_its_own():
    for settings in presets_of(EvaluateConfig).values():
        assert title_of(EvaluateConfig(input=("a",), output="out", **settings)) == "Evaluation: a"
