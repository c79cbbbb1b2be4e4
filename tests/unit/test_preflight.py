"""An output goes on with the model it was begun with."""

import pytest

from pipelines.preflight import check_output, check_same_model, save_config
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


def test_the_same_commit_by_another_name_is_the_same_model(output):
    check_same_model(output, LABELS | {"depth_model": "/models/dpt-large"})


def test_another_commit_of_a_hub_is_refused_with_both(output):
    with pytest.raises(ValueError, match=r'depth_model_revision was "bc15f29", is "0000000"\. .*--label\.revision'):
        check_same_model(output, LABELS | {"depth_model_revision": "0000000"})
