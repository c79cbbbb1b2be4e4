"""What became of one URL."""

from dataclasses import dataclass
from typing import Self

from ldm3d.fetch.outcome import Outcome

MAX_DETAIL = 200  # characters


@dataclass(frozen=True)
class Fetched:
    """The end of one URL."""

    index: int
    """Its place in the sequence that was given."""
    content: bytes
    """The body as sent, when good. It may be empty or no image: decoding is the judge of that."""
    reason: str
    """Empty when good, else a `Reason`."""
    detail: str
    """At most 200 printable characters on the reason."""
    attempts: int
    """Exchanges that ended in an answer or a failure, redirects not counted; 0 if nobody was asked."""

    @classmethod
    def of(cls, index: int, outcome: Outcome, attempts: int) -> Self:
        detail = "".join(letter if letter.isprintable() else "?" for letter in outcome.detail[:MAX_DETAIL])
        return cls(index, outcome.content, str(outcome.reason or ""), detail, attempts)
