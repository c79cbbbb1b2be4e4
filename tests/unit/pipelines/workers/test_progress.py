"""Progress says how far, how fast, what was rejected and why."""

import io

import pytest

from pipelines.storage.shards import Record
from pipelines.workers.progress import ShardProgress


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def record(number: int, device_seconds: float = 0.0) -> Record:
    return Record(f"train-{number:05d}", 10, 7, {"timeout": 2, "nsfw": 1}, {}, device_seconds)


def add(progress: ShardProgress, clock: Clock, shards: int, each_s: float, device_seconds: float = 0.0) -> None:
    for _ in range(shards):
        clock.now += each_s
        progress.add(record(progress.shards, device_seconds))


def test_a_line_holds_counts_rates_and_reasons():
    with ShardProgress(40, 1, io.StringIO()) as progress:
        progress.add(record(0))
        line = progress.line()
    for part in ("10/40 rows", "rows/s", "7 kept", "3 rejected (timeout 2, nsfw 1)", "left"):
        assert part in line


def test_busy_share_is_of_the_time_since_the_first_shard(clock):
    progress = ShardProgress(1_000, 2, io.StringIO(), clock)
    add(progress, clock, 1, each_s=100.0, device_seconds=100.0)  # start-up is not labelling
    add(progress, clock, 16, each_s=10.0, device_seconds=5.0)  # of two actors' 20 s
    assert progress.busy_share == pytest.approx(0.25)
    assert "labelling busy 25%" in progress.line()


def test_over_a_few_shards_no_busy_share_is_shown(clock):
    progress = ShardProgress(1_000, 2, io.StringIO(), clock)
    add(progress, clock, 16, each_s=1.0, device_seconds=2.0)  # 15 since the first: fewer than 4 x 2 calls x 2 actors
    assert progress.busy_share is None
    assert "busy" not in progress.line()


def test_shards_without_labels_have_no_busy_share(clock):
    progress = ShardProgress(1_000, 1, io.StringIO(), clock)
    add(progress, clock, 50, each_s=1.0)
    assert progress.busy_share is None


def test_time_left_does_not_count_start_up_once_there_are_shards_to_go_by(clock):
    progress = ShardProgress(1_000, 1, io.StringIO(), clock)
    add(progress, clock, 1, each_s=90.0)
    assert "| 2:28:30 left" in progress.line()  # 990 rows of 9 s: all that is known
    add(progress, clock, 9, each_s=2.0)
    assert "| 5.0 rows/s |" in progress.line()
    assert "| 0:03:00 left" in progress.line()  # 900 rows of 0.2 s


def test_before_the_first_shard_nothing_is_known_of_the_time_left(clock):
    assert "| ? left" in ShardProgress(40, 1, io.StringIO(), clock).line()


def test_shards_that_are_finished_at_one_moment_are_no_rate(clock):
    progress = ShardProgress(1_000, 1, io.StringIO(), clock)
    add(progress, clock, 50, each_s=0.0, device_seconds=1.0)
    assert (progress.steady_s, progress.busy_share) == (None, None)
    assert "500/1,000 rows" in progress.line()


def test_without_a_terminal_there_are_few_lines_and_one_at_the_end():
    stream = io.StringIO()
    with ShardProgress(1_000, 1, stream) as progress:
        for number in range(100):
            progress.add(record(number))
    assert stream.getvalue().count("\n") == 1
    assert "1,000/1,000 rows" in stream.getvalue()
