"""Figures 3 and 8 show what they are given, in its place, in colours that mean the same everywhere."""

import io

import numpy as np
import pytest
from PIL import Image

from ldm3d.figures.contact_sheet import GAP, LINE, TILE, colour_depth, typeface
from ldm3d.figures.depth_figure import VOID, DepthRow, colour_metres, depth_figure, headings
from ldm3d.figures.samples_figure import SamplesRow, Shown, samples_figure, stretched

RED = np.full((64, 64, 3), (200, 30, 40), np.uint8)
NEAR, FAR = colour_depth(np.array([[65_535, 0]], np.uint16))[0]
HALVES = np.repeat([[1.0, 3.0]], 32, axis=1).repeat(64, axis=0)  # left and right


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def has(part: np.ndarray, colour) -> bool:
    return bool((np.abs(part.astype(int) - np.asarray(colour, int)).sum(-1) == 0).any())


def column(sheet: np.ndarray, place: int) -> np.ndarray:
    left = GAP + place * (TILE + GAP)
    return sheet[:, left : left + TILE]


def columns_of(sheet: np.ndarray) -> int:
    return (sheet.shape[1] - GAP) // (TILE + GAP)


def test_each_set_has_its_image_and_depth_and_the_peers():
    depth = (HALVES * 1_000).astype(np.uint16)
    sheet = pixels(samples_figure([SamplesRow("a caption", {"ours": Shown(RED, depth, 4 - HALVES)})]))
    assert columns_of(sheet) == 3
    assert has(column(sheet, 0), RED[0, 0])
    own, peer = (column(sheet, place)[-GAP - TILE // 2] for place in (1, 2))
    np.testing.assert_array_equal(own[[5, -5]], [FAR, NEAR])
    np.testing.assert_array_equal(peer[[5, -5]], [NEAR, FAR])


def test_a_set_without_depth_has_one_column():
    rows = [SamplesRow("a caption", {"rgb": Shown(RED), "rgbd": Shown(RED, HALVES)})]
    assert columns_of(pixels(samples_figure(rows))) == 3


def test_what_a_set_lacks_for_a_caption_stays_empty():
    both, one = {"a": Shown(RED), "b": Shown(RED)}, {"a": Shown(RED)}
    sheet = pixels(samples_figure([SamplesRow("first", one), SamplesRow("second", both)]))
    assert columns_of(sheet) == 2
    low = sheet.shape[0] - TILE - GAP
    assert not has(column(sheet, 1)[:low], RED[0, 0])
    assert has(column(sheet, 1)[low:], RED[0, 0])


@pytest.mark.parametrize("text", ["", "word " * 2_000, "京都 grüße 🙂\n\x00", "<b>"])
def test_any_caption_and_name_has_room(text):
    shown = {text: Shown(RED, HALVES)}
    assert columns_of(pixels(samples_figure([SamplesRow(text, shown)], peer=text))) == 2
    assert columns_of(pixels(depth_figure([DepthRow(text, RED, HALVES, HALVES)], text, text, text))) == 3


def test_wide_pictures_keep_their_shape():
    wide = np.zeros((32, 64, 3), np.uint8)
    tall = pixels(samples_figure([SamplesRow("", {"a": Shown(wide)})]))
    ys, xs = np.nonzero((tall == 0).all(-1) & (np.arange(tall.shape[0]) > 60)[:, None])
    assert np.ptp(xs) + 1 == pytest.approx(2 * (np.ptp(ys) + 1), abs=2)


def test_relative_depth_is_stretched_over_its_own_range():
    assert stretched(np.array([[-1.0, 0.0, 1.0]])).tolist() == [[0, 32_768, 65_535]]
    assert stretched(np.array([[7, 7]], np.uint16)).tolist() == [[0, 0]]
    assert stretched(np.array([[np.nan, 1.0, 2.0, np.inf]])).tolist() == [[0, 0, 65_535, 0]]
    assert stretched(np.full((1, 2), np.nan)).tolist() == [[0, 0]]


def test_metres_have_one_scale_and_near_is_bright():
    colours = colour_metres(np.array([[1.0, 2.0, 3.0, 9.0, 0.5]]), 1.0, 3.0).astype(int).sum(-1)[0]
    assert colours[0] > colours[1] > colours[2]
    assert colours[3] == colours[2]
    assert colours[4] == colours[0]


@pytest.mark.parametrize("void", [np.nan, np.inf, 0.0, -1.0])
def test_void_depth_is_grey(void):
    assert tuple(colour_metres(np.array([[void]]), 1.0, 3.0)[0, 0]) == VOID


def test_depth_stands_beside_its_reference_on_the_references_scale():
    sheet = pixels(depth_figure([DepthRow("a caption", RED, HALVES, own=HALVES, peer=np.full((64, 64), 2.0))]))
    assert columns_of(sheet) == 4
    own, peer, reference = (column(sheet, place)[TILE] for place in (1, 2, 3))
    np.testing.assert_array_equal(own, reference)
    np.testing.assert_array_equal(reference[[5, -5]], [NEAR, FAR])
    assert tuple(peer[5]) == tuple(colour_metres(np.array([[2.0]]), 1.0, 3.0)[0, 0])


def test_headings_say_whose_depth_it_is_and_that_it_was_scaled_in_the_room_that_there_is():
    found = headings("sample", "dpt-large", "zoedepth-nyu")
    assert found["own"] == ("depth of the sample", "scaled to the reference")
    assert found["peer"] == ("depth model dpt-large", "scaled to the reference")
    assert found["reference"] == ("reference zoedepth-nyu", "in metres")
    for above, below in found.values():
        assert typeface(LINE - 2).getlength(above) <= TILE
        assert typeface(LINE - 4).getlength(below) <= TILE


def test_the_scale_is_common_to_all_rows():
    rows = [DepthRow("near", RED, np.full((64, 64), 1.0)), DepthRow("far", RED, np.full((64, 64), 3.0))]
    sheet = pixels(depth_figure(rows))
    assert columns_of(sheet) == 2
    assert has(column(sheet, 1)[:TILE], NEAR)
    assert has(column(sheet, 1)[2 * TILE :], FAR)


@pytest.mark.parametrize("reference", [np.full((64, 64), np.nan), np.full((64, 64), 2.0)])
def test_a_reference_that_says_nothing_or_one_thing_is_drawn(reference):
    assert columns_of(pixels(depth_figure([DepthRow("a", RED, reference)]))) == 2


def test_nothing_to_show_is_refused():
    for draw in (samples_figure, depth_figure):
        with pytest.raises(ValueError, match="at least one"):
            draw([])
    with pytest.raises(ValueError, match="at least one"):
        samples_figure([SamplesRow("a caption", {})])
