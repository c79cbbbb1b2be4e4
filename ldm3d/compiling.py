"""Loops over pixels, compiled by numba."""

from typing import Any

from numba import njit


def compiled(function: Any) -> Any:
    """Compile a function when it is first called, once for all processes if there is a folder to keep it in.

    It is compiled anew when its own file changes. Whoever changes what it takes in from another file removes
    `__pycache__` there.
    """
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:  # neither this folder nor the user's cache can be written
        return njit(nogil=True)(function)
