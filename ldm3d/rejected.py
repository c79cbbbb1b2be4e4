"""How a library function says that one URL or one image is not to be used."""

from ldm3d.reject import Reason


class Rejected(Exception):  # noqa: N818 -- what happened to a row, not an error
    """One row is data that cannot be used: a line in the rejects, never the end of a run.

    reason: what the rejects are counted by.
    detail: what helps to look into this one row, at most 300 characters.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason, detail[:300])  # both as arguments: the exception survives pickling
        self.reason = reason
        self.detail = detail[:300]

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"
