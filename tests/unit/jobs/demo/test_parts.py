"""The demo says what it will do, and how long the rest takes."""

from contextlib import suppress

from jobs.demo.parts import PARTS, STAGES, Countdown
from tests import ROOT


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def counted(parts: dict[str, float]) -> tuple[Countdown, Clock, list[str]]:
    clock, lines = Clock(), []
    return Countdown(parts, lines.append, clock), clock, lines


def test_every_part_is_announced_with_its_time():
    countdown, _, lines = counted({"label": 60, "train": 120})
    countdown.announce()
    assert "3 min" in lines[0]
    assert [line.split()[1] for line in lines[1:]] == ["label", "train"]
    assert ["60 s" in lines[1], "2 min" in lines[2]] == [True, True]


def test_the_time_left_follows_the_pace_of_this_machine():
    countdown, clock, lines = counted({"label": 60, "train": 120, "draw": 120})
    assert countdown.left_s() == 300
    with countdown.part("label"):
        clock.now += 180  # three times as long as on an idle machine
    assert countdown.left_s() == 720
    assert countdown.taken == {"label": 180}
    with countdown.part("train"):
        assert "[2/3] train" in lines[-1]
        assert "12 min" in lines[-1]


def test_a_part_that_failed_is_not_done():
    countdown, _, lines = counted({"label": 60})
    with suppress(RuntimeError), countdown.part("label"):
        raise RuntimeError
    assert countdown.taken == {}
    assert "done" not in lines[-1]


def test_parts_have_estimates_of_some_minutes_in_all():
    assert all(seconds > 0 for seconds in PARTS.values())
    assert 300 < sum(PARTS.values()) < 1800


def test_a_part_is_headed_by_its_stage_and_its_time_is_told_at_the_end():
    countdown, clock, lines = counted(PARTS)
    with countdown.part("encode latents"):
        assert lines[-1].splitlines()[1] == "[4/9] encode_latents: encode latents"
        clock.now += 7
    (line,) = countdown.times()
    assert line.startswith("encode_latents: encode latents")
    assert line.endswith("7 s")


def test_each_stage_that_is_named_is_an_entry_point():
    assert STAGES.keys() < PARTS.keys()
    assert all((ROOT / f"jobs/{stage}.py").is_file() for stage in STAGES.values())
