"""The matrix step of FID: the distance of two Gaussians of 2,048 dimensions, and its standard error.

    python -m benchmarks.frechet [--dimensions 2048] [--repeats 3]

From sums of features to the distance, in one process on one thread, like a task of the evaluation. Ours is compared
with the trace of the root of S S' by scipy's sqrtm, the usual way, and with the eigenvalues of S S' by numpy, which
torch-fidelity uses. Once with more features than dimensions, and once with fewer, so that covariances are singular.
"""

import os
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import scipy.linalg

from benchmarks.measure import Ratio, alone, arguments, in_turns, save, timed
from ldm3d.metrics.gaussian import FrechetSlope, GaussianSums, frechet_distance

FEATURES = {"regular": 2.5, "fewer features than dimensions": 0.5}  # times the dimensions
PEERS = ("sqrtm", "eigvals")


def by_sqrtm(one: GaussianSums, other: GaussianSums) -> float:
    first, second = one.covariance, other.covariance
    return _distance(one, other, float(np.trace(scipy.linalg.sqrtm(first @ second)).real))


def by_eigvals(one: GaussianSums, other: GaussianSums) -> float:
    values = np.linalg.eigvals(one.covariance @ other.covariance)
    return _distance(one, other, float(np.sqrt(values.astype(np.complex128)).real.sum()))


def with_error(one: GaussianSums, other: GaussianSums) -> float:
    return FrechetSlope.of(one, other).distance


def _distance(one: GaussianSums, other: GaussianSums, root: float) -> float:
    shift = one.mean - other.mean
    return float(shift @ shift + np.trace(one.covariance) + np.trace(other.covariance) - 2 * root)


WAYS: dict[str, Callable[[GaussianSums, GaussianSums], float]] = {
    "ours": frechet_distance,
    "ours with its error": with_error,
    "sqrtm": by_sqrtm,
    "eigvals": by_eigvals,
}


def measure(dimensions: int, repeats: int) -> dict[str, Any]:
    """Measure seconds and distances of every way, in turns."""
    random = np.random.default_rng(0)
    mix = random.standard_normal((dimensions, dimensions)) * np.geomspace(1, 0.03, dimensions)
    found = {}
    for case, share in FEATURES.items():
        count = int(dimensions * share)
        one, other = (
            GaussianSums.of(random.standard_normal((count, dimensions)) @ mix * scale + shift)
            for scale, shift in ((1.0, 0.0), (1.1, 0.2))
        )
        turns = in_turns({way: partial(timed, distance, one, other) for way, distance in WAYS.items()}, repeats)
        rates = {way: [1 / seconds for seconds, _ in each] for way, each in turns.items()}
        found[case] = {
            "seconds": {way: median(seconds for seconds, _ in each) for way, each in turns.items()},
            "distances": {way: each[-1][1] for way, each in turns.items()},
            "ratio": {peer: Ratio.of(rates["ours"], rates[peer]) for peer in PEERS},
            "ratio_with_error": {peer: Ratio.of(rates["ours with its error"], rates[peer]) for peer in PEERS},
        }
    return found


def main() -> None:
    asked = arguments(__doc__, dimensions=2_048, repeats=3)
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # for the process that is started
    found = alone(measure, asked.dimensions, asked.repeats)
    for case, each in found.items():
        print(f"{case}:", ", ".join(f"{way} {seconds:.2f} s" for way, seconds in each["seconds"].items()))
        print("  distances", ", ".join(f"{way} {value:.9g}" for way, value in each["distances"].items()))
        for peer in PEERS:
            print(f"  against {peer} {each['ratio'][peer]}, with its error {each['ratio_with_error'][peer]}")
    save("frechet", {"dimensions": asked.dimensions, "cases": found})


if __name__ == "__main__":
    main()
