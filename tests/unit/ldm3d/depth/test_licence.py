"""The licence of a depth model is that of its card, or not stated; it is not guessed from a name."""

import pytest

from ldm3d.config import LABEL
from ldm3d.depth.licence import NOT_STATED, licence_of


def test_the_presets_licences_are_known():
    models = {name: preset["depth_model"] for name, preset in LABEL.items() if "depth_model" in preset}
    assert {name: licence_of(model) for name, model in models.items()} == {
        "dpt-large": "apache-2.0",
        "depth-anything-v2": "apache-2.0",
        "depth-pro": "apple-amlr",
    }
    assert licence_of("someone/Depth-Anything-V2-Small-hf") == NOT_STATED


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("---\nlicense: mit\ntags:\n- depth\n---\n# A model", "mit"),
        ("---\nlicense: other\nlicense_name: ours\n---\n", "ours"),
        ("---\nlicense:\n- mit\n- cc0-1.0\n---\n", "mit, cc0-1.0"),
        ("---\ntags: []\n---\n", NOT_STATED),
        ("# A model\n\nlicense: mit", NOT_STATED),
        ("---\nlicense: [\n---\n", NOT_STATED),
        ("---\n- a list\n---\n", NOT_STATED),
        (None, NOT_STATED),
    ],
)
def test_the_card_in_a_folder_is_read(tmp_path, card, expected):
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert licence_of(str(tmp_path)) == expected
