"""Plots show sweeps of one variable at a time, and numbers over comparable runs."""

import io
import math

import numpy as np
import pytest
from PIL import Image

from ldm3d.figures.drawing import Line, Panel, draw, drawable
from ldm3d.figures.plots import history_plots, plots, sweep_plots
from ldm3d.results.history import tracks
from ldm3d.results.series import sweeps
from tests.builders.report_results import evaluation, result, sweep


def swept(results, metric="fid", variable="guidance_scale", history=None):
    """Return the values of the variable in each series."""
    found = sweeps(evaluation(results, history), metric, variable)
    return [[getattr(each, variable) for each in series.results] for series in found]


def names(results, history=None) -> list[str]:
    of = evaluation(results, history)
    return [plot.name for plot in (*sweep_plots(of), *history_plots(of))]


def test_points_come_in_the_order_of_the_variable():
    assert swept(sweep("guidance_scale", [7.0, 3.0, 10.0])) == [[3.0, 7.0, 10.0]]


def test_one_point_is_no_sweep():
    assert swept(sweep("guidance_scale", [7.0])) == []
    assert names([result("fid", 20.0), result("clip", 26.0)]) == []


@pytest.mark.parametrize(
    "other",
    [
        {"num_inference_steps": 20},
        {"scheduler": "plms"},
        {"checkpoint": "another"},
        {"settings": {"resize": "clean"}},
        {"num_samples": 500},
        {"captions": "others"},
    ],
)
def test_what_differs_in_more_than_the_variable_is_no_sweep(other):
    one, two = sweep("guidance_scale", [3.0]), sweep("guidance_scale", [5.0], **other)
    assert swept(one + two) == []


def test_a_grid_of_two_variables_is_two_series_either_way():
    results = [
        result("fid", 20.0, pictures=f"m/{scale}-{steps}", guidance_scale=scale, num_inference_steps=steps)
        for scale in (3.0, 5.0)
        for steps in (50, 100)
    ]
    assert swept(results) == [[3.0, 5.0]] * 2
    assert swept(results, variable="num_inference_steps") == [[50, 100]] * 2


def test_pictures_that_were_excluded_do_not_break_a_sweep():
    results = [
        result("fid", 20.0, pictures="m/3", guidance_scale=3.0),
        result("fid", 21.0, pictures="m/9", guidance_scale=9.0, num_samples=1_990, excluded=10),
    ]
    assert swept(results) == [[3.0, 9.0]]


def test_two_inputs_with_the_same_points_are_two_series():
    again = [
        result("fid", 25.0, pictures=f"again/{scale}", guidance_scale=scale, captions="others") for scale in (3.0, 5.0)
    ]
    assert swept(sweep("guidance_scale", [3.0, 5.0]) + again) == [[3.0, 5.0]] * 2


def test_a_point_that_is_there_twice_counts_once():
    results = sweep("guidance_scale", [3.0, 5.0]) + sweep("num_inference_steps", [20, 50])
    assert swept(results) == [[3.0, 5.0]]
    assert swept(results, variable="num_inference_steps") == [[20, 50]]


def test_training_steps_are_of_many_checkpoints_and_runs():
    def at(step, **more):
        return result("fid", 20.0, training_step=step, checkpoint=f"at {step}", **more)

    earlier = [at(step, run=f"run {step}", started=f"2026-04-0{step}T00:00:00+0000") for step in (1, 2)]
    assert swept([at(3)], variable="training_step", history=earlier) == [[1, 2, 3]]
    assert swept([at(3)], variable="training_step") == []
    assert swept([at(3)], variable="training_step", history=[at(3, run="before")]) == []


def test_figures_4_to_7_are_there_where_their_variable_was_swept():
    assert names(sweep("guidance_scale", [3.0, 5.0])) == ["figure-4-guidance-scale.png"]
    assert names(sweep("num_inference_steps", [50, 100], "inception_score")) == ["figure-5-num-inference-steps.png"]
    assert names(sweep("guidance_scale", [3.0, 5.0], "clip")) == ["figure-6-guidance-scale.png"]
    assert names(sweep("training_step", [1_000, 2_000])) == ["figure-7-training-step.png"]


def test_history_is_of_the_same_pictures_metric_and_protocol():
    history = [
        result("fid", 22.0, run="a", started="2026-05-01T00:00:00+0000"),
        result("fid", 21.0, run="b", started="2026-05-02T00:00:00+0000"),
        result("fid", 9.0, run="c", settings={"resize": "clean"}),
        result("fid", 9.0, run="d", pictures="other"),
        result("clip", 26.0, run="e"),
    ]
    of = evaluation([result("fid", 20.0), result("kid", 0.1)], history)
    assert [[each.value for each in track.results] for track in tracks(of)] == [[22.0, 21.0, 20.0]]
    assert [plot.name for plot in history_plots(of)] == ["history-fid.png"]


def test_history_shows_the_last_twenty_runs():
    history = [result("fid", day, run=str(day), started=f"2026-04-{day:02}T00:00:00+0000") for day in range(1, 31)]
    (track,) = tracks(evaluation([result("fid", 99.0)], history[::-1]))
    assert [each.value for each in track.results] == [*range(12, 31), 99.0]


def test_plots_are_pictures_that_do_not_change():
    of = evaluation(
        [*sweep("guidance_scale", [3.0, 5.0]), *sweep("guidance_scale", [3.0, 5.0], "inception_score")],
        sweep("guidance_scale", [3.0], run="before", started="2026-05-01T00:00:00+0000"),
    )
    found = plots(of)
    assert list(found) == ["figure-4-guidance-scale.png", "history-fid.png"]
    assert found == plots(of)
    wide, narrow = (Image.open(io.BytesIO(png)) for png in found.values())
    assert wide.width > 1.9 * narrow.width


@pytest.mark.parametrize("label", ["$\\frac{", "_hidden", "京都 🙂", "a\nb\x00", "<b>&", "x" * 500, "\ud800", "%s {}"])
def test_any_name_can_be_a_label(label):
    lines = (Line(label, (0.0, 1.0), (1.0, 2.0), (0.1, None)), Line("other", (0.0, 1.0), (2.0, 1.0), (0.1, 0.1)))
    assert draw([Panel(label, "run", lines, (label, "b"))]).startswith(b"\x89PNG")
    assert len(drawable(label)) <= 48


def test_a_label_that_begins_with_an_underscore_is_shown():
    def pixels(label):
        lines = (Line(label, (0.0, 1.0), (1.0, 2.0), (None, None)),)
        return np.asarray(Image.open(io.BytesIO(draw([Panel("FID", "run", lines)]))))

    assert not np.array_equal(pixels("_a"), pixels("_b"))


def test_what_is_not_finite_is_left_out():
    lines = (Line("", (0.0, 1.0, 2.0), (1.0, math.nan, math.inf), (math.nan, 1.0, math.inf)),)
    assert draw([Panel("FID", "run", lines)]).startswith(b"\x89PNG")
    assert draw([Panel("FID", "run", (Line("", (0.0,), (math.nan,), (None,)),))]).startswith(b"\x89PNG")
