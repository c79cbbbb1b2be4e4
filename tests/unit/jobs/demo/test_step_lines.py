"""A training of the demo says now and then how far it is."""

import pickle

from jobs.demo.step_lines import StepLines


def test_a_line_every_few_seconds_with_the_time_that_is_left():
    lines, now = [], [0.0]
    training = StepLines("depth model", show=lines.append, clock=lambda: now[0])
    for done in range(1, 1_001):
        training(done, 1_000)
        now[0] += 0.0625
    assert lines[0] == "  depth model: step 241 of 1,000, about 47 s left"
    assert [line.split()[3] for line in lines] == ["241", "481", "721", "961"]


def test_the_end_is_told_by_others():
    lines, now = [], [0.0]
    training = StepLines("CLIP", show=lines.append, clock=lambda: now[0])
    training(1, 2)
    now[0] = 60.0
    training(2, 2)
    assert lines == []


def test_it_is_sent_to_the_process_that_trains():
    assert pickle.loads(pickle.dumps(StepLines("CLIP"))) == StepLines("CLIP")
