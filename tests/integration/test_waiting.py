"""Whoever waits for a task hears of it."""

import time

import ray

from pipelines.workers.calls import wait_for


def test_a_task_is_waited_for_to_its_end_with_word_of_it(cluster, caplog):
    @ray.remote(num_cpus=0)
    def slow() -> str:
        time.sleep(1)
        return "done"

    assert wait_for(slow.remote(), "a slow task", patience_s=0.4) == "done"
    assert "a slow task: " in caplog.text
