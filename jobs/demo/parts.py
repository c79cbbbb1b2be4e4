"""What the demo does, part by part: announced at once with how long each part takes, and counted down as it runs."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

PARTS = {  # seconds on two idle cores
    "train a small depth model, and stand-ins for CLIP and for a metric depth model": 80,
    "rebuild a corpus of scenes and one of photographs": 40,
    "train the autoencoder": 150,
    "encode latents": 5,
    "train the U-Net": 175,
    "train a second U-Net briefly, for the metrics to rank below": 28,
    "draw samples of both models": 18,
    "evaluate both models and the autoencoder": 65,
}


class Countdown:
    """Tells a person which part of a long run is under way, and how long the rest takes.

    The time left is the sum of the estimates, scaled by how long the parts so far took against theirs.
    """

    def __init__(
        self,
        parts: Mapping[str, float] = PARTS,
        show: Callable[[str], None] = lambda line: print(line, flush=True),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.parts, self.show, self.clock = parts, show, clock
        self.taken: dict[str, float] = {}
        """Seconds of the parts that are done."""

    def announce(self) -> None:
        """Show the whole plan."""
        self.show(f"{len(self.parts)} parts, about {_minutes(sum(self.parts.values()))} on two idle cores:")
        for number, (name, seconds) in enumerate(self.parts.items(), start=1):
            self.show(f"  {number}. {name} ({_minutes(seconds)})")

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Run one of the parts: a line before it, and one when it is done."""
        number = list(self.parts).index(name) + 1
        self.show(f"\n[{number}/{len(self.parts)}] {name}; about {_minutes(self.left_s())} left in all")
        began = self.clock()
        yield
        self.taken[name] = self.clock() - began
        self.show(f"[{number}/{len(self.parts)}] done in {_minutes(self.taken[name])}")

    def left_s(self) -> float:
        """Seconds until the end, as estimated now."""
        planned = sum(self.parts[name] for name in self.taken)
        pace = sum(self.taken.values()) / planned if planned else 1.0
        return pace * sum(seconds for name, seconds in self.parts.items() if name not in self.taken)


def _minutes(seconds: float) -> str:
    """`45 s`, or whole minutes."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
