"""Reading and writing a model shows no progress bar of a library; downloads keep theirs."""

from transformers.utils import logging

from ldm3d.config import LabelConfig
from ldm3d.depth.relative import DepthEstimator
from ldm3d.models.quiet import quiet
from ldm3d.toy.depth_model import tiny_depth_model


def test_a_model_is_written_and_read_without_a_word(tmp_path, capfd):
    tiny_depth_model(tmp_path)
    DepthEstimator.from_pretrained(LabelConfig(depth_model=str(tmp_path)))
    assert capfd.readouterr() == ("", "")


def test_bars_of_others_come_back(capfd):
    with quiet():
        list(logging.tqdm([1], desc="Loading weights"))
    assert capfd.readouterr().err == ""
    list(logging.tqdm([1], desc="elsewhere"))
    assert "elsewhere" in capfd.readouterr().err
