"""Progress says how far, how fast, what was rejected and why."""

import io

from pipelines.commit import Record
from pipelines.progress import ShardProgress


def record(name: str, label_seconds: float = 0.0) -> Record:
    return Record(name, 10, 7, {"timeout": 2, "nsfw": 1}, {}, label_seconds)


def test_a_line_holds_counts_rates_and_reasons():
    with ShardProgress(40, 1, io.StringIO()) as progress:
        progress.add(record("train-00000"))
        line = progress.line()
    for part in ("10/40 rows", "rows/s", "7 kept", "3 rejected (timeout 2, nsfw 1)", "left"):
        assert part in line


def test_busy_share_counts_from_the_first_shard_on():
    progress = ShardProgress(40, 2, io.StringIO())
    progress.add(record("train-00000", label_seconds=100.0))
    assert progress.busy_share is None  # start-up is not labelling
    progress.first -= 10.0
    progress.add(record("train-00001", label_seconds=5.0))
    assert 0.24 < progress.busy_share <= 0.25  # 5 s of two actors' 10 s


def test_without_a_terminal_there_are_few_lines_and_one_at_the_end():
    stream = io.StringIO()
    with ShardProgress(1_000, 1, stream) as progress:
        for number in range(100):
            progress.add(record(f"train-{number:05d}"))
    assert stream.getvalue().count("\n") == 1
    assert "1,000/1,000 rows" in stream.getvalue()
