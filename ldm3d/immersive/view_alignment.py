"""Scale and shift of what a network sees in each view, so that views agree where they overlap.

A network for depth gives inverse depth q of a view up to a scale s and a shift t: 1 / z = s q + t, with z along the
view's axis. Along the ray it is 1 / distance = cosine (s q + t), of the angle between the two. What two views say of
the same direction must be equal, which is one linear equation in the four unknowns of the two views. The cosines
differ, so the equations determine the shifts, too: only a common factor is left, the unit of length.

They are solved by least squares over all pairs of views; what does not fit counts linearly (Huber's loss). No view may
see anything behind the eye: in terms of the scale and of 1 / z at the view's minimum, none of the unknowns is below 0.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from ldm3d.reject import Reason, Rejected

ROUNDS = 8  # of new weights
TOLERANCE = 1.5  # standard deviations beyond which an error counts linearly
ALIKE = 1e-4  # weight of the expectation that all views have one scale, where overlaps leave it open
MOST_STEPS = 1_000  # of the solver, which takes about as many as there are unknowns
FLAT = 1e-6  # range of a view, relative to its values, that is none: rounding of float32

Array = NDArray[np.float64]


class Seen(NamedTuple):
    """What N views have in P directions, (N, P) float32 each; all 0 where a view does not see the direction."""

    values: NDArray[np.float32]
    """Of the views' maps."""
    cosines: NDArray[np.float32]
    """Of the angle to the view's axis."""
    weights: NDArray[np.float32]
    """1 in the middle of the view, smoothly down to 0 at its border."""


@dataclass(frozen=True)
class Alignment:
    """1 / z = scale q + shift, for each of N views."""

    scales: Array
    """(N,), 0 or more; 0 for a view of which nothing is known but a mean."""
    shifts: Array
    """(N,)."""

    def blend(self, seen: Seen) -> NDArray[np.float32]:
        """Return 1 / distance along P rays, (P,), 0 or more: the weighted mean of the views that see each."""
        inverse = self.scales[:, None] * seen.values + self.shifts[:, None]
        total = (np.maximum(inverse, 0) * seen.cosines * seen.weights).sum(axis=0)
        return np.asarray(total / seen.weights.sum(axis=0), np.float32)


def align(seen: Seen, *, metric: bool = False) -> Alignment:
    """Find scales and shifts.

    Args:
        seen: finite, in directions that cover the sphere evenly.
        metric: values are in 1 / metre, up to a scale near 1; shifts are 0. Else both are free.

    Returns:
        The mean of the scales is 1 if values are metric. Else the mean of 1 / distance is 1.

    Raises:
        Rejected: values are constant in each view.
    """
    count = len(seen.values)
    low = np.zeros(count) if metric else _lowest(seen)
    rows, trust = _equations(seen, low)
    norms = np.linalg.norm(rows * trust[:, None], axis=0)
    if metric:
        rows, norms = rows[:, :count], np.full(count, norms[:count].mean())
    norms[:count][_is_flat(seen, low)] = 0
    if not norms[:count].any():
        raise Rejected(Reason.DEPTH_FAILED, "the depth model sees the same depth everywhere in the panorama")
    units = np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)
    found = units * _solved(rows * units, trust, units[:count])
    if metric:
        return Alignment(found / found.mean(), low)
    alignment = Alignment(found[:count], found[count:] - found[:count] * low)
    mean = float(alignment.blend(seen).mean())
    return Alignment(alignment.scales / mean, alignment.shifts / mean)


def _lowest(seen: Seen) -> Array:
    """Return the least value of each view."""
    return np.asarray(np.where(seen.weights > 0, seen.values, np.inf).min(axis=1), np.float64)


def _is_flat(seen: Seen, low: Array) -> NDArray[np.bool_]:
    high = np.where(seen.weights > 0, seen.values, -np.inf).max(axis=1)
    return np.asarray(high - low <= FLAT * np.abs(seen.values).max(axis=1))


def _equations(seen: Seen, low: Array) -> tuple[Array, Array]:
    """Return an equation for each pair of views and direction that both see.

    Returns:
        (R, 2 N): the factors of scales, then those of 1 / z at the views' minima; and (R,) the trust in each.
    """
    count = len(low)
    rows, trust = [], []
    for one in range(count):
        for other in range(one + 1, count):
            both = (seen.weights[one] > 0) & (seen.weights[other] > 0)
            row = np.zeros((int(both.sum()), 2, count))
            for view, sign in ((one, 1), (other, -1)):
                row[:, 1, view] = sign * seen.cosines[view, both]
                row[:, 0, view] = row[:, 1, view] * (seen.values[view, both] - low[view])
            rows.append(row.reshape(len(row), 2 * count))
            trust.append(np.sqrt(seen.weights[one, both] * seen.weights[other, both]))
    return np.concatenate(rows), np.concatenate(trust).astype(np.float64)


def _solved(rows: Array, trust: Array, units: Array) -> Array:
    """Return unknowns of 0 or more, up to a common factor, that solve the equations as well as they can be solved.

    That all are 0 does so, too, and is ruled out by giving the scales a sum. It is one more equation, of whatever
    weight: with another one all unknowns change by a common factor. Columns have unit length, so that a scale is no
    cheaper in a view in which little is to be seen.

    Args:
        rows: (R, N) or (R, 2 N), of which the first N columns are those of scales.
        units: (N,) of the scales; 0 for one that is not to be found.
    """
    known = units > 0
    alike = np.diag(units) - units / known.sum()  # each scale less their mean
    given = np.zeros((len(units) + 1, rows.shape[1]))
    given[:-1, : len(units)] = ALIKE * alike * known[:, None] / units[known].mean()
    given[-1, : len(units)] = known
    wanted = np.zeros(rows.shape[1] + len(given))
    wanted[-1] = 1
    fit = np.ones(len(rows))
    for _ in range(ROUNDS):
        triangle = np.linalg.qr(rows * (trust * fit)[:, None], mode="r")
        found: Array = nnls(np.concatenate([triangle, given]), wanted, maxiter=MOST_STEPS)[0]
        found /= found[: len(units)].sum()
        off = np.abs(rows @ found)
        usual = max(TOLERANCE * 1.4826 * float(np.median(off)), np.finfo(np.float64).tiny)
        fit = np.sqrt(np.minimum(1, usual / np.maximum(off, usual)))
    return found
