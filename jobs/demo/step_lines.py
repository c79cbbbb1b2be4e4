"""How far a training of the demo is: a line now and then, from the process that trains."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


def put(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


@dataclass
class StepLines:
    """Called after each step, shows a line every few seconds. It can be sent to another process before the first."""

    name: str
    """Of what is trained."""
    every_s: float = 15.0
    show: Callable[[str], None] = put
    clock: Callable[[], float] = time.monotonic
    began: float | None = field(default=None, init=False)
    shown: float = field(default=0.0, init=False)

    def __call__(self, done: int, steps: int) -> None:
        """Tell that `done` of `steps` are done. The first is not counted: it is slower than the others."""
        now = self.clock()
        if self.began is None:
            self.began = self.shown = now
        elif done < steps and now - self.shown >= self.every_s:
            self.shown = now
            left_s = (now - self.began) / (done - 1) * (steps - done)
            self.show(f"  {self.name}: step {done:,} of {steps:,}, about {left_s:.0f} s left")
