"""A training gets as many workers as fit on the cluster and divide the lanes; what does not fit is refused."""

import pytest

from ldm3d.config import LoopConfig, WorkersConfig
from pipelines.training.worker import worker_count

LOOP = LoopConfig(epochs=1, batch_size=32, lanes=8)


@pytest.mark.parametrize(
    ("workers", "cluster", "count"),
    [
        (WorkersConfig(), (64, 8), 8),
        (WorkersConfig(), (64, 7), 4),  # the largest divisor of 8 lanes that fits
        (WorkersConfig(cpus=16), (64, 8), 4),  # workers need CPUs, too
        (WorkersConfig(), (2, 0), 2),
        (WorkersConfig(gpus=0), (4, 8), 4),
        (WorkersConfig(workers=2), (64, 8), 2),
    ],
)
def test_workers_fill_the_cluster_and_divide_the_lanes(workers, cluster, count):
    assert worker_count(workers, LOOP, *cluster) == count


@pytest.mark.parametrize(
    ("workers", "loop", "cluster", "message"),
    [
        (
            WorkersConfig(workers=8),
            LOOP,
            (64, 4),
            r"8 x \(1 CPU \+ 1 GPU\), .* 64 CPU and 4 GPU: .* --workers",
        ),
        (WorkersConfig(cpus=8), LOOP, (4, 1), r"1 x \(8 CPU \+ 1 GPU\)"),
        (WorkersConfig(workers=3), LOOP, (8, 0), "lanes 8 .* 3 workers"),
        (
            WorkersConfig(workers=2),
            LoopConfig(epochs=1, batch_size=32, micro_batch=5),
            (8, 0),
            "--loop.micro-batch 5 .* 16: ",
        ),
    ],
)
def test_what_does_not_fit_is_refused(workers, loop, cluster, message):
    with pytest.raises(ValueError, match=message):
        worker_count(workers, loop, *cluster)
