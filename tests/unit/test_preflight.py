"""An output goes on with the model it was begun with."""

import pytest

from pipelines.preflight import check_apart, check_output, check_same_model, save_config
from pipelines.storage import Folder

LABELS = {"depth_model": "Intel/dpt-large", "depth_model_revision": "bc15f29", "depth_inverted_from_metric": False}


@pytest.fixture
def output(tmp_path) -> Folder:
    folder = Folder(str(tmp_path))
    save_config(folder, {}, {}, LABELS, "")
    return folder


def test_a_folder_with_a_configuration_of_others_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"architectures": []}')
    with pytest.raises(ValueError, match=r"holds a config\.json that is not of this project; give an empty folder"):
        check_output(Folder(str(tmp_path)), {})


def test_the_output_of_another_stage_is_named(tmp_path):
    folder = Folder(str(tmp_path))
    save_config(folder, {"stage": "encode_latents", "flips": False}, {}, {}, "")
    with pytest.raises(ValueError, match=r"was made by encode_latents; give another output$"):
        check_output(folder, {"stage": "train_diffusion"})


@pytest.mark.parametrize(("given", "made"), [("/a/b", "/a"), ("/a", "/a/b"), ("/a", "/a"), ("s3://a/b", "s3://a")])
def test_input_and_output_that_overlap_are_refused(given, made):
    with pytest.raises(ValueError, match="overlap; give separate folders"):
        check_apart(given, made)
    check_apart("/a/b", "/a/bc")


def test_the_same_commit_by_another_name_is_the_same_model(output):
    check_same_model(output, LABELS | {"depth_model": "/models/dpt-large"})


def test_another_commit_of_a_hub_is_refused_with_both(output):
    with pytest.raises(ValueError, match=r'depth_model_revision was "bc15f29", is "0000000"\. .*--label\.revision'):
        check_same_model(output, LABELS | {"depth_model_revision": "0000000"})
