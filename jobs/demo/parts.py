"""What the demo does, part by part: announced at once with how long each part takes, and counted down as it runs."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

TRAIN_NETWORKS = "train a small depth model, and stand-ins for CLIP and for a metric depth model"
PLACES = "make places of an exact panorama, and of one that the model draws"
PARTS = {  # seconds on two idle cores
    TRAIN_NETWORKS: 80,
    "rebuild a corpus of scenes and one of photographs": 40,
    "train the autoencoder": 150,
    "encode latents": 5,
    "train the U-Net": 175,
    "train a second U-Net briefly, for the metrics to rank below": 28,
    "draw samples of both models": 18,
    "evaluate both models and the autoencoder": 65,
    PLACES: 45,
}
STAGES = {  # the entry point that does the same for data of your own
    "rebuild a corpus of scenes and one of photographs": "rebuild_corpus",
    "train the autoencoder": "train_autoencoder",
    "encode latents": "encode_latents",
    "train the U-Net": "train_diffusion",
    "train a second U-Net briefly, for the metrics to rank below": "train_diffusion",
    "draw samples of both models": "generate",
    "evaluate both models and the autoencoder": "evaluate",
    PLACES: "depth_fusion",
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
        self.show(f"{len(self.parts)} parts, about {minutes(sum(self.parts.values()))} on two idle cores:")
        for number, (name, seconds) in enumerate(self.parts.items(), start=1):
            self.show(f"  {number}. {name} ({minutes(seconds)})")

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Run one of the parts: a line before it, and one when it is done."""
        number = list(self.parts).index(name) + 1
        stage = f"{STAGES[name]}: " if name in STAGES else ""
        heading = f"[{number}/{len(self.parts)}] {stage}{name}"
        self.show(f"\n{heading}\n{'=' * len(heading)}\nabout {minutes(self.left_s())} left in all")
        began = self.clock()
        yield
        self.taken[name] = self.clock() - began
        self.show(f"[{number}/{len(self.parts)}] done in {minutes(self.taken[name])}")

    def times(self) -> list[str]:
        """Return a line for each part that is done: its stage, its name, how long it took."""
        names = {name: f"{STAGES[name]}: {name}" if name in STAGES else name for name in self.taken}
        width = max(map(len, names.values()), default=0)
        return [f"{names[name]:{width}}  {minutes(seconds)}" for name, seconds in self.taken.items()]

    def left_s(self) -> float:
        """Seconds until the end, as estimated now."""
        planned = sum(self.parts[name] for name in self.taken)
        pace = sum(self.taken.values()) / planned if planned else 1.0
        return pace * sum(seconds for name, seconds in self.parts.items() if name not in self.taken)


def minutes(seconds: float) -> str:
    """Write a time: `45 s`, or whole minutes."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
