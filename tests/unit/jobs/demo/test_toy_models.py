"""`make toy-models` makes the networks that the preset toy begins with, once."""

from pathlib import Path

import pytest

from jobs.demo.parts import PARTS, TRAIN_NETWORKS, Countdown
from jobs.demo.toy_models import NAMES, make_models
from ldm3d.config import AutoencoderConfig, CorpusConfig, EvaluateConfig, presets_of


def trained(models: Path, countdown: Countdown) -> None:
    """Stands in for minutes of training."""
    for name in ("clip", "depth", "metric_depth"):
        (models / name).mkdir(parents=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    monkeypatch.setattr("jobs.demo.networks.train_networks", trained)


def made(root: Path, show=lambda line: None) -> list[str]:
    return make_models(root, Countdown({TRAIN_NETWORKS: PARTS[TRAIN_NETWORKS]}, show))


def test_what_is_missing_is_made_and_the_rest_of_a_demo_stays(tmp_path):
    root = tmp_path / "runs/demo"
    assert made(root) == list(NAMES)
    assert (root / "models/base/model_index.json").is_file()
    assert made(root) == []
    (root / "scenes").mkdir()
    (root / "models/clip").rmdir()
    assert made(root) == ["clip"]
    assert sorted(file.name for file in root.iterdir()) == ["_DEMO.txt", "models", "scenes"]


def test_it_says_at_once_what_it_makes_and_how_long_that_takes(tmp_path):
    lines = []
    made(tmp_path, lines.append)
    assert lines[0].startswith(f"{tmp_path}/models: making base, clip, depth, metric_depth, which takes about 80 s")
    lines.clear()
    assert made(tmp_path, lines.append) == []
    assert lines == []


def test_a_folder_that_is_not_of_a_demo_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("precious")
    with pytest.raises(ValueError, match="move them elsewhere"):
        made(tmp_path)


def test_these_are_the_networks_that_the_preset_names():
    corpus, autoencoder, evaluation = (
        presets_of(each)["toy"] for each in (CorpusConfig, AutoencoderConfig, EvaluateConfig)
    )
    named = {corpus["label"].depth_model, autoencoder["model"].base, evaluation["clip"].model}
    named |= {evaluation["depth"].reference, evaluation["depth"].peer}
    assert named == {f"runs/demo/models/{name}" for name in NAMES}
