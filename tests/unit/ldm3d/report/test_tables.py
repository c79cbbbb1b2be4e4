"""Tables hold our numbers with their errors, and the paper's below those measured with the published networks."""

import pytest

from ldm3d.report.blocks import Table
from ldm3d.report.tables import (
    autoencoders_table,
    depth_table,
    images_table,
    newer_table,
    panoramas_table,
    sweep_table,
)
from ldm3d.results.notation import NONE, number, title, with_error
from tests.builders.report_results import DEPTH, evaluation, result, sweep


def column(table: Table | None, heading: str) -> list[str]:
    assert table is not None
    (place,) = [place for place, name in enumerate(table.columns) if name.startswith(heading)]
    return [row.cells[place].text for row in table.rows]


def images(**more):
    return [
        result("fid", 27.815, 0.312, **more),
        result("inception_score", 28.79, 0.155, std=0.49, **more),
        result("clip", 26.614, 0.0169, std=2.92, **more),
    ]


def test_our_row_stands_above_those_of_table_1():
    table = images_table(evaluation(images(pictures="ldm3d", num_samples=30_000)))
    assert column(table, "Pictures") == ["ldm3d", "SD v1.4", "SD v1.5", "LDM3D"]
    assert column(table, "FID") == ["27.82 ± 0.31", "28.08", "27.39", "27.82"]
    assert column(table, "IS") == ["28.79 ± 0.49", "34.17 ± 0.76", "34.02 ± 0.79", "28.79 ± 0.49"]
    assert column(table, "CLIP") == ["26.61 ± 2.92", "26.13 ± 2.81", "26.13 ± 2.79", "26.61 ± 2.92"]
    assert column(table, "N") == ["30,000"] * 4
    assert [row.published for row in table.rows] == [False, True, True, True]
    assert [row.cells[0].small for row in table.rows] == ["", "paper", "paper", "paper"]
    assert [cell.small for cell in table.rows[0].cells] == ["", "", "SE 0.15", "SE 0.02", "", ""]


def test_columns_point_the_better_way_and_those_without_values_are_left_out():
    table = images_table(evaluation(images(num_samples=30_000)))
    assert table.columns == ("Pictures", "FID ↓", "IS ↑", "CLIP ↑", "N", "excluded")


def test_what_differs_from_the_paper_is_told():
    told = "\n".join(images_table(evaluation(images())).caveats)
    for word in ("30,000 in the paper, 2,000 here", "MS-COCO", "tf1", "clip-vit-large-patch14", "512 x 512", "ddim"):
        assert word in told


def test_the_papers_numbers_stand_beside_no_surrogate():
    table = images_table(evaluation(images(), surrogate=["fid", "inception_score"]))
    assert table.columns[1:4] == ("FID-2k (surrogate) ↓", "IS (surrogate) ↑", "CLIP ↑")
    assert column(table, "FID")[1:] == column(table, "IS")[1:] == [NONE] * 3
    assert column(table, "CLIP")[1:] == ["26.13 ± 2.81", "26.13 ± 2.79", "26.61 ± 2.92"]
    assert not any("Inception" in each for each in table.caveats)


def test_where_all_is_surrogate_the_paper_is_not_there():
    table = images_table(evaluation(images(), surrogate=["fid", "inception_score", "clip"]))
    assert [row.published for row in table.rows] == [False]
    assert table.caveats == ()
    assert "Surrogate" in " ".join(table.notes)


def test_a_distance_of_few_pictures_has_their_number_in_its_name():
    assert title("fid", [30_000]) == "FID"
    assert title("fid", [10_000]) == "FID"
    assert title("fid", [2_000, 2_000]) == "FID-2k"
    assert title("rfid", [2_059]) == "rFID-2059"
    assert title("kid", [2_000]) == "KID"


def test_a_distance_of_too_few_pictures_says_so_below_the_table():
    few = images_table(evaluation([result("fid", 200.0, num_samples=13)]))
    assert any("FID of 13 pictures says little" in note for note in few.notes)
    enough = images_table(evaluation([result("fid", 20.0, num_samples=2_048), result("clip", 26.0, num_samples=13)]))
    assert not any("says little" in note for note in enough.notes)


def test_of_several_counts_each_value_has_its_own_name():
    results = [result("fid", 20.0, pictures="a", num_samples=500), result("fid", 21.0, pictures="b")]
    table = images_table(evaluation(results))
    assert table.columns[1] == "FID ↓"
    assert [row.cells[1].small for row in table.rows[:2]] == ["FID-500", "FID-2k"]


def test_depth_by_both_rules_of_samples_and_peer_above_table_2():
    results = [
        result(f"{who}{error}{rule}", value + 1 * bool(rule) + 2 * bool(who), 0.01, excluded=3, num_samples=97)
        for who in ("", "peer_")
        for rule in ("", "_literal")
        for error, value in zip(DEPTH, (0.1, 0.2, 0.3, 0.4), strict=True)
    ]
    table = depth_table(evaluation(results))
    assert "Intel/zoedepth-nyu" in table.title
    assert column(table, "Depth of") == ["the samples"] * 2 + ["Intel/dpt-large"] * 2 + ["LDM3D", "DPT-Large"]
    assert column(table, "Far pixels") == ["at 10 m", "left out"] * 2 + ["not stated"] * 2
    errors = column(table, "AbsRel")
    assert errors[:4] == ["0.1000 ± 0.0100", "1.1000 ± 0.0100", "2.1000 ± 0.0100", "3.1000 ± 0.0100"]
    assert errors[4:] == ["0.0911", "0.0779"]
    assert column(table, "RMSE")[4:] == ["0.334", "0.297"]
    assert column(table, "excluded") == ["3"] * 4 + [NONE] * 2
    assert column(table, "N") == ["97"] * 4 + ["6,000"] * 2


def test_newer_metrics_have_a_table_of_their_own_that_says_what_decides_them():
    results = [
        result("fd_dinov2", 120.5, 1.25),
        result("cmmd", 0.512, 0.01),
        result("precision", 0.7, 0.02),
        result("recall", float("nan"), None, num_samples=0),
        result("edge_f1", 0.25, 0.01),
        result("peer_edge_f1", 0.35, 0.01),
    ]
    table = newer_table(evaluation([*images(), *results], surrogate=["precision", "recall"]))
    assert table.columns[1:7] == (
        "FD-DINOv2-2k ↓",
        "CMMD ↓",
        "precision (surrogate) ↑",
        "recall (surrogate) ↑",
        "depth-edge F1 ↑",
        "peer depth-edge F1 ↑",
    )
    assert [cell.text for cell in table.rows[0].cells[1:7]] == [
        "120.50 ± 1.25",
        "0.512 ± 0.010",
        "0.700 ± 0.020",
        NONE,  # undefined for so few pictures, which is not the same as 0
        "0.250 ± 0.010",
        "0.350 ± 0.010",
    ]
    assert len(table.rows) == 1
    told = "\n".join(table.notes)
    for word in ("dinov2-large", "336", "VGG-16", "zoedepth", "Surrogate"):
        assert word in told
    assert column(images_table(evaluation([*images(), *results])), "FID-2k")  # which it leaves alone
    alone = newer_table(evaluation(results[:1]))
    assert "CMMD" not in "\n".join(alone.notes)


def test_panoramas_stand_above_the_card_of_ldm3d_pano_and_not_beside_table_1():
    results = [
        *images(pictures="around"),
        *images(pictures="flat"),
        result("panorama_abs_rel", 0.21, 0.01, pictures="around"),
        result("panorama_delta1", 0.7, 0.01, pictures="around"),
        result("peer_panorama_abs_rel", 0.11, 0.01, pictures="around"),
        result("seam_ratio", 1.02, 0.03, pictures="around"),
    ]
    table = panoramas_table(evaluation(results))
    assert column(table, "Panoramas") == ["around", "around", "LDM3D-pano"]
    assert column(table, "Depth of") == ["the samples", "Intel/dpt-large", "not stated"]
    assert column(table, "FID") == ["27.82 ± 0.31", NONE, "118.07"]
    assert column(table, "IS") == ["28.79 ± 0.49", NONE, "4.687"]
    assert column(table, "panoramic AbsRel") == ["0.2100 ± 0.0100", "0.1100 ± 0.0100", "1.54"]
    assert column(table, "seam") == ["1.020 ± 0.030", NONE, NONE]
    assert column(table, "N") == ["2,000", "2,000", "not stated"]
    told = "\n".join(table.caveats)
    for word in ("ldm3d-pano", "no protocol", "MARE", "0.79", "zoedepth", "clip-vit-large-patch14"):
        assert word in told
    assert column(images_table(evaluation(results)), "Pictures") == ["flat", "SD v1.4", "SD v1.5", "LDM3D"]
    assert panoramas_table(evaluation(images())) is None


def test_autoencoders_above_table_3():
    of_pictures = [result("rfid", 0.8, 0.01, pictures="rgb"), result("psnr_db", 24.0, 0.1, pictures="rgb")]
    of_depth = [result("rfid", 2.0, 0.01, pictures="rgbd"), result("depth_abs_rel", 0.18, 0.01, pictures="rgbd")]
    table = autoencoders_table(evaluation(of_pictures + of_depth))
    assert column(table, "rFID-2k") == ["0.800 ± 0.010", "2.000 ± 0.010", "0.763", "1.966"]
    assert column(table, "Abs.Rel.") == [NONE, "0.180 ± 0.010", NONE, "0.179"]
    assert column(table, "PSNR") == ["24.00 ± 0.10", NONE, NONE, NONE]
    assert column(table, "N") == ["2,000", "2,000", "31,471", "27,265"]


def test_a_table_is_there_only_with_rows():
    empty = evaluation([])
    for make in (images_table, newer_table, depth_table, autoencoders_table, sweep_table):
        assert make(empty) is None
    assert depth_table(evaluation(images())) is None
    assert sweep_table(evaluation(images())) is None


def test_a_grid_has_a_table_in_the_order_of_its_variables():
    results = sweep("guidance_scale", [9.0, 10.0, 1.5])
    table = sweep_table(evaluation(results))
    assert column(table, "guidance scale") == ["1.5", "9", "10"]
    assert column(table, "FID") == ["28.00 ± 0.50", "30.00 ± 0.50", "29.00 ± 0.50"]
    assert column(table, "Pictures") == ["model"] * 3


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (27.815, "27.82"),
        (1234.5, "1,234.50"),
        (0.0, "0.00"),
        (0.0004, "0.0004"),
        (-1e-9, "-1e-09"),
        (3e15, "3e+15"),
        (float("nan"), "\N{EN DASH}"),
        (float("-inf"), "-∞"),
    ],
)
def test_numbers_keep_what_they_say(value, written):
    assert number(value, 2) == written


def test_an_unknown_error_is_not_written():
    assert with_error(1.0, None, 2) == with_error(1.0, float("nan"), 2) == "1.00"
