"""How visible the seam of a panorama is: the step across it, compared with those between all other columns."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def seam_ratio(panorama: NDArray[Any]) -> float:
    """Compare the seam of a panorama with its inner columns.

    Args:
        panorama: (H, W) or (H, W, C) numbers, a picture or a depth map, of which the last column is beside the first.

    Returns:
        The mean of |Δ| between the last and the first column, over that between neighbours inside. About 1 if nobody
        can tell where the seam is; NaN if no columns differ.

    Raises:
        ValueError: it is narrower than 2 pixels.
    """
    if panorama.ndim not in (2, 3) or panorama.shape[1] < 2:
        raise ValueError(f"the panorama is {panorama.shape}, wanted (height, width) or (height, width, channels)")
    values = panorama.astype(np.float64)
    seam, inner = np.abs(values[:, 0] - values[:, -1]).mean(), np.abs(np.diff(values, axis=1)).mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(seam / inner)
