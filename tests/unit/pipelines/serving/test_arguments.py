"""Settings of a Serve config file: what is misspelt or out of range is refused."""

import pytest

from ldm3d.config import ServeConfig
from pipelines.serving.arguments import config_of


def test_settings_are_those_of_the_flags():
    config = config_of({"model": {"model": ["a", "b=c"]}, "engine": {"rows": 4}, "limits": {"steps": 60}})
    assert isinstance(config, ServeConfig)
    assert (config.model.model, config.engine.rows, config.limits.steps) == (("a", "b=c"), 4, 60)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"engines": {}}, "there is no setting engines: did you mean engine?"),
        ({"engine": {"row": 4}}, "there is no setting engine.row: did you mean engine.rows?"),
        ({"engine": 4}, "engine is 4, wanted settings"),
        ({"engine": {"rows": 1}}, "--engine.rows is 1, wanted 2 or more"),
        ({"engine": {"rows": "many"}}, "engine.rows is 'many'"),
        ({"token": "12345678"}, "set LDM3D_TOKEN"),
    ],
)
def test_a_mistake_is_named(given, said):
    with pytest.raises(ValueError, match=said.replace(".", r"\.").replace("?", r"\?")):
        config_of(given)
