"""Whose turn it is: which requests share the next call of the U-Net.

Requests of one kind (`Slot.kind`) can share a call; kinds take turns by deficit round robin (Shreedhar and Varghese,
1996), with a call's rows times latents as its cost, so that small pictures are not kept waiting by large ones. Each
round, a kind earns as many of the dearest calls as it needs to serve each of its requests once.

Within a kind, those that have had the least are served first. A new one starts with as much as the least of the
others has had (as in start-time fair queueing), so it joins the next call, and goes on at an equal pace: it neither
waits for requests of many steps to end, nor keeps them from it.
"""

from collections.abc import Iterable
from math import ceil

from ldm3d.serving.slot import Slot

Kind = tuple[int, int, bool, bool]


class Turns:
    """Requests that are being drawn."""

    def __init__(self, rows: int) -> None:
        """Make calls of `rows` rows at most."""
        self.rows = rows
        self._kinds: dict[Kind, list[Slot]] = {}  # in the order of the round
        self._deficits: dict[Kind, float] = {}

    def __len__(self) -> int:
        return sum(len(slots) for slots in self._kinds.values())

    def slots(self) -> list[Slot]:
        """Return all requests."""
        return [slot for slots in self._kinds.values() for slot in slots]

    def add(self, slot: Slot) -> None:
        """Let a request take part from the next call on."""
        others = self._kinds.setdefault(slot.kind, [])
        slot.served = min((other.served for other in others), default=0.0)
        others.append(slot)
        self._deficits.setdefault(slot.kind, 0.0)

    def remove(self, slots: Iterable[Slot]) -> None:
        """Let requests take part no longer."""
        for slot in slots:
            left = self._kinds[slot.kind]
            left.remove(slot)
            if not left:
                del self._kinds[slot.kind], self._deficits[slot.kind]

    def take(self) -> list[Slot]:
        """Return the requests of the next call, of one kind; none if there are none."""
        while self._kinds:
            kind = next(iter(self._kinds))
            if self._deficits[kind] >= self.cost(kind):
                self._deficits[kind] -= self.cost(kind)
                return self._least_served(kind)
            self._earn(kind)
        return []

    def cost(self, kind: Kind) -> float:
        """Return what a call costs."""
        return float(self.rows * kind[0] * kind[1])

    def _earn(self, kind: Kind) -> None:
        """Give a kind what it may spend in its next turn, and let the others go first."""
        dearest = max(self.cost(each) for each in self._kinds)
        wanted = ceil(sum(slot.rows for slot in self._kinds[kind]) / self.rows)
        self._deficits[kind] += dearest * wanted
        self._kinds[kind] = self._kinds.pop(kind)

    def _least_served(self, kind: Kind) -> list[Slot]:
        free, chosen = self.rows, []
        for slot in sorted(self._kinds[kind], key=lambda slot: slot.served):  # stable: the older one first
            if slot.rows <= free:
                free -= slot.rows
                chosen.append(slot)
                slot.served += 1
        return chosen
