"""How requests ended, kept for a while: the pictures, and why there is none."""

import time
from collections import OrderedDict
from collections.abc import Callable

from pipelines.serving.messages import Result
from pipelines.serving.problem import Problem

LEAST = 1_024  # bytes that anything kept is taken for

Ending = Result | Problem


class Results:
    """The newest endings, within bounds of bytes and of time."""

    def __init__(self, most_bytes: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.most_bytes, self.seconds, self.clock = most_bytes, seconds, clock
        self.bytes = 0
        self._kept: OrderedDict[str, tuple[float, Ending]] = OrderedDict()  # the oldest first

    def put(self, identity: str, ending: Ending) -> None:
        """Keep an ending, and drop old ones that there is no room for."""
        self._drop(identity)
        self._kept[identity] = (self.clock(), ending)
        self.bytes += size_of(ending)
        while self.bytes > self.most_bytes and len(self._kept) > 1:
            self._drop(next(iter(self._kept)))
        self._expire()

    def get(self, identity: str) -> Ending | None:
        """Return an ending; None if it is not kept (any more)."""
        self._expire()
        found = self._kept.get(identity)
        return None if found is None else found[1]

    def _expire(self) -> None:
        oldest = self.clock() - self.seconds
        while self._kept and next(iter(self._kept.values()))[0] < oldest:
            self._drop(next(iter(self._kept)))

    def _drop(self, identity: str) -> None:
        if identity in self._kept:
            self.bytes -= size_of(self._kept.pop(identity)[1])


def size_of(ending: Ending) -> int:
    """Return how many bytes an ending is taken for."""
    if isinstance(ending, Problem):
        return LEAST
    return LEAST + len(ending.image) + len(ending.depth or b"")
