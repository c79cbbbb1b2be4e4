"""Progress is logged seldom, and a validation where none was just before."""

import io

from pipelines.training.progress import TrainingProgress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_log_gets_validations_and_a_line_now_and_then():
    stream, clock = io.StringIO(), Clock()
    with TrainingProgress(100, stream, clock) as progress:
        for step in range(1, 31):
            clock.now = float(step)
            progress.show(step, {"loss/autoencoder": 3.0, "gradient_norm/autoencoder": 9.0})
        progress.show(30, {"validation/psnr_db": 21.5})
    assert stream.getvalue().splitlines() == [
        "step 15/100 | autoencoder loss 3 | 0:01:25 left",
        "step 30/100 | autoencoder loss 3 | 0:01:10 left",
        "step 30/100 | PSNR 21.5 dB | 0:01:10 left",
    ]


def test_of_validations_that_follow_at_once_one_in_five_seconds_is_shown_and_the_last():
    stream, clock = io.StringIO(), Clock()
    with TrainingProgress(12, stream, clock) as progress:
        for step in range(1, 13):
            clock.now = float(step)
            progress.show(step, {"validation/loss": 1.0})
    shown = [line.partition("/")[0] for line in stream.getvalue().splitlines()]
    assert shown == ["step 1", "step 6", "step 11", "step 12"]


def test_time_left_is_estimated_from_the_restart_when_steps_are_repeated():
    clock = Clock()
    progress = TrainingProgress(100, io.StringIO(), clock)
    for step, now in ((20, 0.0), (40, 20.0), (10, 100.0), (20, 120.0)):
        clock.now = now
        progress.show(step, {})
    assert progress.line(20, {}, 120.0) == "step 20/100 | 0:02:40 left"


def test_each_number_says_what_it_is_and_in_which_unit():
    numbers = {"loss/kl": 3575.2, "validation/depth_l1": 0.25, "speed/samples_per_s": 12.5, "speed/mfu": 0.1}
    line = TrainingProgress(100, io.StringIO(), Clock()).line(1, numbers | {"speed/data_wait_share": 0.031}, 0.0)
    assert line == ("step 1/100 | kl loss 3575 | depth L1 0.25 of 1 | 12.5 samples/s | 3% waiting for data | ? left")
