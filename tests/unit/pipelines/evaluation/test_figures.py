"""The figure of samples shows the real pictures of the same captions beside them."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from ldm3d.config import EvaluateConfig, ReportConfig
from ldm3d.figures.contact_sheet import GAP, TILE
from ldm3d.images import encode_rgb
from ldm3d.schema import IMAGE
from pipelines.evaluation.figures import figures
from pipelines.evaluation.plan import EvaluatePlan
from pipelines.workers.resources import Pool

POOL = Pool("figures", 1)


def pictures(folder: Path, keys: list[int], shade: int) -> str:
    images = [{"bytes": encode_rgb(np.full((8, 8, 3), shade + key, np.uint8)), "path": "p"} for key in keys]
    folder.mkdir()
    pq.write_table(pa.table({"image": pa.array(images, IMAGE), "key": keys}), folder / "0.parquet")
    return str(folder)


def shown(tmp_path: Path, real: list[int]) -> Image.Image:
    config = EvaluateConfig(
        input=(pictures(tmp_path / "drawn", [1, 2, 3], 0),),
        reference=pictures(tmp_path / "real", real, 100),
        output=str(tmp_path / "out"),
        metrics=("fid",),
        report=ReportConfig(shown=3),
    )
    return Image.open(io.BytesIO(figures(EvaluatePlan.of(config), POOL)["samples"]))


def colours(sheet: Image.Image, column: int) -> set[tuple[int, ...]]:
    """Those of the middle of a column of pictures, without black and shades of text."""
    x = GAP + column * (TILE + GAP) + TILE // 2
    return {sheet.getpixel((x, y)) for y in range(sheet.height)}


def test_a_sample_stands_beside_the_real_picture_that_has_its_key(tmp_path):
    sheet = shown(tmp_path, [3, 1, 2, 7])
    assert sheet.width == 2 * (TILE + GAP) + GAP
    assert {(key,) * 3 for key in (1, 2, 3)} <= colours(sheet, 0)
    assert {(100 + key,) * 3 for key in (1, 2, 3)} <= colours(sheet, 1)
    assert (107,) * 3 not in colours(sheet, 1)


def test_of_other_keys_no_real_picture_is_shown(tmp_path):
    assert shown(tmp_path, [11, 12, 13]).width == TILE + 2 * GAP
