"""A number is worse if it changed by more than its errors allow, compared with one made under the same protocol."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldm3d.metrics.moments import Moments
from ldm3d.metrics.paired import paired_stderr
from ldm3d.results.metrics import METRICS
from ldm3d.results.verdict import Pairing, Verdict, overall, pinned, verdicts
from tests.builders.report_results import result

EARLIER = "2026-05-03T10:00:00+0000"
VALUES = st.floats(allow_infinity=True, allow_nan=True)


def before(metric: str, value: float, stderr: float | None = 0.5, **more):
    return result(metric, value, stderr, **{"run": "before", "started": EARLIER} | more)


def kind(was: float, now: float, errors=(0.5, 0.5), metric="fid", tolerance=2.0) -> str:
    (found,) = verdicts([result(metric, now, errors[1])], [before(metric, was, errors[0])], tolerance)
    return found.kind


def test_what_nobody_measured_before_is_new():
    assert verdicts([result("fid", 20.0)], [], 2.0) == [Verdict(result("fid", 20.0), "new")]


@pytest.mark.parametrize(
    ("metric", "now", "expected"),
    [
        ("fid", 21.4, "same"),  # two standard errors of the difference are 2 * √(0.5² + 0.5²) = 1.414
        ("fid", 21.5, "worse"),
        ("fid", 18.5, "better"),
        ("inception_score", 21.5, "better"),
        ("inception_score", 18.5, "worse"),
    ],
)
def test_a_change_counts_above_the_tolerated_errors_of_the_difference(metric, now, expected):
    assert kind(20.0, now, metric=metric) == expected


def test_a_verdict_says_what_it_compared_and_what_would_have_counted():
    (found,) = verdicts([result("fid", 21.0, 0.3)], [before("fid", 20.0, 0.4)], 3.0)
    assert found.before == before("fid", 20.0, 0.4)
    assert found.threshold == pytest.approx(1.5)
    assert found.change == pytest.approx(1.0)


@pytest.mark.parametrize("errors", [(None, 0.5), (0.5, None), (0.0, 0.5), (0.5, 0.0), (math.nan, 0.5)])
def test_without_both_errors_any_change_but_rounding_counts(errors):
    assert kind(20.0, 20.0 + 1e-6, errors) == "worse"
    assert kind(20.0, 20.0 - 1e-6, errors) == "better"
    assert kind(20.0, 20.0 * (1 + 1e-10), errors) == "same"


def paired(was: float, now: float, pairing: Pairing, tolerance: float = 2.0) -> Verdict:
    (found,) = verdicts([result("clip", now)], [before("clip", was)], tolerance, lambda *_: pairing)
    return found


def test_pairs_tell_a_small_change_from_noise_that_both_runs_share():
    """Every picture is worse by 0.1 and some noise, where scores spread by 2.8."""
    random = np.random.default_rng(0)
    was = random.normal(26, 2.8, 400)
    now = was - 0.1 + random.normal(0, 0.05, 400)
    means = [Moments.of(each) for each in (was, now)]
    old, new = before("clip", means[0].mean, means[0].stderr), result("clip", means[1].mean, means[1].stderr)
    (alone,) = verdicts([new], [old], 2.0)
    assert (alone.kind, alone.stderr) == ("same", pytest.approx(2.8 / 20 * 2**0.5, rel=0.1))
    pairing = Pairing(paired_stderr(now, was, np.arange(400)), 400)
    (found,) = verdicts([new], [old], 2.0, lambda *_: pairing)
    assert (found.kind, found.stderr) == ("worse", pytest.approx(0.05 / 20, rel=0.1))
    assert found.threshold == pytest.approx(2 * pairing.stderr)
    assert found.pairing is pairing


def test_without_pairs_both_errors_count_and_the_reason_is_kept():
    found = paired(20.0, 19.0, Pairing(why_not="the features are gone"))
    assert (found.kind, found.stderr) == ("same", pytest.approx(0.5**0.5))
    assert found.pairing == Pairing(why_not="the features are gone")


def test_equal_differences_of_pairs_leave_no_doubt_but_that_of_float32():
    exact = Pairing(0.0, 400)
    assert paired(20.0, 20.001, exact).kind == "better"
    assert paired(20.0, 19.999, exact).kind == "worse"
    assert paired(20.0, 20.00001, exact).kind == "same"


def test_a_baseline_sees_slow_drift_and_the_latest_run_watches_what_it_lacks():
    """Six runs, each worse by less than its threshold of 1.4; FID is followed under two protocols, one of them new."""
    drift = [before("fid", 20.0 + day, run=f"{day}", started=f"2026-05-0{day + 1}T10:00:00+0000") for day in range(6)]
    added = before("fid", 10.0, pictures="added", run="5")
    now = [result("fid", 26.0), result("fid", 20.0, pictures="added"), result("fid", 9.0, pictures="new")]
    latest = verdicts(now, [*drift, added], 2.0)
    assert [each.kind for each in latest] == ["same", "worse", "new"]
    of_baseline = [drift[0], before("fid", 20.0, pictures="added", run="0", settings={"resize": "clean"})]
    found = pinned(verdicts(now, of_baseline, 2.0), latest)
    assert [(each.kind, each.before and each.before.run) for each in found] == [
        ("worse", "0"),
        ("worse", "5"),
        ("new", None),
    ]


def test_no_tolerance_still_forgives_rounding():
    assert kind(20.0, 20.0 * (1 + 1e-10), tolerance=0.0) == "same"
    assert kind(20.0, 20.001, tolerance=0.0) == "worse"


def test_what_became_not_a_number_is_worse():
    assert kind(20.0, math.nan) == "worse"
    assert kind(math.nan, 20.0) == "better"
    assert kind(math.nan, math.nan) == "same"


def test_infinities_have_their_place():
    assert kind(20.0, math.inf) == "worse"
    assert kind(math.inf, math.inf) == "same"
    assert kind(math.inf, 20.0) == "better"
    assert kind(20.0, math.inf, metric="psnr_db") == "better"


def test_the_latest_run_counts_whatever_the_time_zone():
    history = [
        before("fid", 10.0, run="b", started="2026-05-03T12:00:00+0200"),
        before("fid", 20.0, run="a", started="2026-05-03T11:00:00+0000"),
        before("fid", 30.0, run="c", started="not a time"),
    ]
    (found,) = verdicts([result("fid", 20.0)], history, 2.0)
    assert found.before is history[1]


def test_rows_of_the_same_run_and_of_other_pictures_and_metrics_are_ignored():
    history = [before("fid", 1.0, run="now"), before("fid", 1.0, pictures="other"), before("kid", 1.0)]
    assert verdicts([result("fid", 20.0)], history, 2.0)[0].kind == "new"


def test_another_protocol_is_not_compared_and_what_differs_is_told():
    was = before("fid", 1.0, settings={"resize": "clean", "gone": 1})
    (found,) = verdicts([result("fid", 20.0, settings={"more": True})], [was], 2.0)
    assert found.kind == "incomparable"
    assert found.before == was
    assert found.threshold is None
    assert {each.setting: (each.was, each.now) for each in found.differs} == {
        "settings.resize": ("clean", "tf1"),
        "settings.gone": (1, None),
        "settings.more": (None, True),
    }


def test_an_older_run_of_the_same_protocol_is_better_than_a_newer_one_of_another():
    old = before("fid", 20.0, run="old", started="2020-01-01T00:00:00+0000")
    (found,) = verdicts([result("fid", 20.1)], [old, before("fid", 5.0, settings={"resize": "clean"})], 2.0)
    assert (found.kind, found.before) == ("same", old)


def test_a_protocol_that_is_not_json_is_shown_as_it_is():
    broken = before("fid", 1.0)
    object.__setattr__(broken, "config", "{not json")
    object.__setattr__(broken, "protocol", "another")
    (found,) = verdicts([result("fid", 20.0)], [broken], 2.0)
    assert found.kind == "incomparable"
    assert ("config", "{not json", None) in found.differs


@pytest.mark.parametrize(
    ("changes", "expected"),
    [((0, 3, -3), "worse"), ((0, -3), "better"), ((0, 0), "same"), ((), "new")],
)
def test_a_run_is_as_bad_as_its_worst_number(changes, expected):
    results = [result("fid", 20.0 + change, pictures=str(place)) for place, change in enumerate(changes)]
    history = [before("fid", 20.0, pictures=str(place)) for place in range(len(changes))]
    assert overall(verdicts(results, history, 2.0)) == expected


@settings(deadline=None)
@given(VALUES, VALUES, st.one_of(st.none(), st.floats(0, 1e6)), st.floats(0, 10), st.sampled_from(sorted(METRICS)))
def test_turning_time_around_turns_the_verdict_around(was, now, error, tolerance, metric):
    opposite = {"worse": "better", "better": "worse", "same": "same"}
    found = kind(was, now, (error, error), metric, tolerance)
    assert kind(now, was, (error, error), metric, tolerance) == opposite[found]


@settings(deadline=None)
@given(VALUES, st.one_of(st.none(), st.floats(0, 1e6)), st.floats(0, 10))
def test_the_same_number_again_is_the_same(value, error, tolerance):
    assert kind(value, value, (error, error), tolerance=tolerance) == "same"


@settings(deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(1e-3, 1e3), st.floats(0, 10), st.floats(0, 10))
def test_more_tolerance_never_finds_more(was, now, error, one, other):
    strict, lenient = (kind(was, now, (error, error), tolerance=each) for each in sorted((one, other)))
    assert lenient in (strict, "same")
