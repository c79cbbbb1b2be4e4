"""The input of a corpus is refused before a cluster starts."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ldm3d.config import PRESETS, CorpusConfig
from pipelines.corpus.input import check_input


def test_the_depth_model_of_the_toy_has_to_be_made_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    row = {"URL": "http://a.example/1.png", "TEXT": "a cube", "NSFW": "UNLIKELY", "similarity": 0.4}
    pq.write_table(pa.Table.from_pylist([row]), "metadata.parquet")
    config = CorpusConfig(input="metadata.parquet", output="out", **PRESETS["toy"])
    with pytest.raises(
        ValueError, match=r"^--label.depth-model 'runs/demo/models/depth' .*`make toy-models` makes runs"
    ):
        check_input(config)
    (tmp_path / "runs/demo/models/depth").mkdir(parents=True)
    assert check_input(config).metadata.rows == 1
