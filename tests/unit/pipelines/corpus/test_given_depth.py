"""Depth from a column: files in its cells or beside the metadata, and a reason for each row without."""

import io

import cv2
import numpy as np
import pyarrow as pa
import pytest

from ldm3d.config import CorpusConfig, DownloadConfig, LabelConfig
from pipelines.corpus.given_depth import GivenDepth, about_column

NEAR_LEFT = np.repeat(np.arange(16, dtype=np.uint16)[None], 16, axis=0)  # in metres


def config(root, *, file: bool = False) -> CorpusConfig:
    return CorpusConfig(
        input=str(root / "m.parquet") if file else str(root),
        output="out",
        label=LabelConfig(column="d", predicts="depth"),
        download=DownloadConfig(image_size=16),
    )


def npy(values: np.ndarray) -> bytes:
    sink = io.BytesIO()
    np.save(sink, values)
    return sink.getvalue()


def rows_of(cells: list[bytes | None], reasons: list[str] | None = None) -> pa.Table:
    count = len(cells)
    nothing = pa.array(reasons or [""] * count)
    side = pa.array([16] * count, pa.int32())
    return pa.table(
        {
            "image": pa.array([b"jpeg"] * count),
            "original_width": side,
            "original_height": side,
            "stage": nothing,
            "reason": nothing,
            "detail": nothing,
            "given_depth": pa.array(cells, pa.large_binary()),
        }
    )


@pytest.mark.parametrize("file", [False, True], ids=["folder", "one file"])
def test_cells_hold_files_or_their_paths_beside_the_metadata(tmp_path, file):
    (tmp_path / "m.parquet").touch()
    (tmp_path / "depth").mkdir()
    (tmp_path / "depth/ä b.npy").write_bytes(npy(NEAR_LEFT))
    png = cv2.imencode(".png", NEAR_LEFT)[1].tobytes()
    found = GivenDepth(config(tmp_path, file=file))(
        rows_of([png, "depth/ä b.npy".encode(), b"./depth/../depth/\xc3\xa4 b.npy"])
    )
    assert found["reason"].to_pylist() == [""] * 3
    assert "given_depth" not in found.column_names
    maps = [np.frombuffer(cell, np.uint16).reshape(16, 16) for cell in found["depth"].to_pylist()]
    assert maps[0][0, 1] == 65_535  # 1 m
    assert (np.diff(maps[0][:, 1:].astype(int)) < 0).all()
    np.testing.assert_array_equal(maps[0], maps[1])
    np.testing.assert_array_equal(maps[0], maps[2])
    np.testing.assert_allclose(found["depth_max"].to_pylist(), 1)
    np.testing.assert_allclose(found["depth_min"].to_pylist(), 1e-3)  # 0 m counts as 1,000


def test_a_row_without_a_readable_depth_is_a_reject_and_its_neighbours_are_kept(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "secret.npy").write_bytes(npy(NEAR_LEFT))
    (tmp_path / "inner/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    cells = {
        npy(NEAR_LEFT): "",
        None: "the column d is empty",
        b"": "the column d is empty",
        b"gone.npy": "the file gone.npy does not exist",
        b"x" * 5_000: "the file xxx",
        b".": "the file . does not exist",
        b"../secret.npy": "not a path below the folder",
        str(tmp_path / "secret.npy").encode(): "not a path below the folder",
        f"file://{tmp_path}/secret.npy".encode(): "not a path below the folder",
        b"a\0b": "not a path below the folder",
        b"\xff\xd8\xff\xe0": "neither a PNG, TIFF or .npy nor a path (ff d8 ff e0",
        b"broken.png": "does not decode",
        npy(NEAR_LEFT[:8]): "depth is 16 x 8, the picture 16 x 16",
    }
    found = GivenDepth(config(tmp_path / "inner"))(rows_of(list(cells)))
    for detail, expected, reason, stage in zip(
        found["detail"].to_pylist(),
        cells.values(),
        found["reason"].to_pylist(),
        found["stage"].to_pylist(),
        strict=True,
    ):
        assert expected in detail
        assert (reason, stage) == (("depth_failed", "label") if expected else ("", ""))
        assert len(detail) <= 300
    assert [bool(cell) for cell in found["depth"].to_pylist()] == [not expected for expected in cells.values()]


def test_rows_that_were_rejected_before_keep_their_reason(tmp_path):
    found = GivenDepth(config(tmp_path))(rows_of([None, npy(NEAR_LEFT)], ["timeout", ""]))
    assert found["reason"].to_pylist() == ["timeout", ""]
    assert [len(cell) for cell in found["depth"].to_pylist()] == [0, 512]


def test_a_failing_store_ends_the_run_rather_than_reject_rows(tmp_path, monkeypatch):
    labeller = GivenDepth(config(tmp_path))

    def fail(name):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(labeller.folder, "read", fail)
    with pytest.raises(OSError, match="Input/output"):
        labeller(rows_of([b"a.npy"]))


def test_what_is_known_of_the_labels_names_the_column(tmp_path):
    facts = about_column(config(tmp_path))
    assert facts["depth_column"] == "d"
    assert facts["depth_inverted_from_metric"]
    assert facts["depth_meaning"] == "relative inverse depth, larger = nearer"
