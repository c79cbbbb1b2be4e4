"""What is wrong with a request, or why it was not drawn, in the form that clients of the OpenAI API read."""

from dataclasses import dataclass
from typing import Any

BAD, UNAUTHORISED, MISSING, CONFLICT, GONE_LENGTH, LARGE, VOID, MANY, FAILED, BUSY = (
    400, 401, 404, 409, 411, 413, 422, 429, 500, 503,
)  # fmt: skip
KINDS = {UNAUTHORISED: "authentication_error", MANY: "rate_limit_error", FAILED: "server_error", BUSY: "server_error"}


@dataclass(frozen=True)
class Problem:
    """A refusal or a failure."""

    status: int
    """Of HTTP."""
    message: str
    """A sentence for people: got, wanted, next step."""
    code: str
    """A word for programs."""
    param: str | None = None
    """The field at fault."""
    retry_after_s: float | None = None
    """When to try again."""

    def body(self) -> dict[str, Any]:
        """Return it as JSON."""
        kind = KINDS.get(self.status, "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def headers(self) -> dict[str, str]:
        """Return the headers of an answer with it."""
        again = {} if self.retry_after_s is None else {"Retry-After": str(max(1, round(self.retry_after_s)))}
        return again | ({"WWW-Authenticate": "Bearer"} if self.status == UNAUTHORISED else {})


class ProblemError(Exception):
    """An answer is this problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def bad(message: str, param: str | None = None, code: str = "invalid_value") -> ProblemError:
    """Return the error of a request that has to be changed."""
    return ProblemError(Problem(BAD, message, code, param))


def cancelled() -> Problem:
    """Return what a request ends in that was cancelled by its id."""
    return Problem(CONFLICT, "the request was cancelled", "cancelled")


def unknown(identity: str) -> Problem:
    """Return what is said of a request or result that is not known (any more)."""
    message = f"nothing is known of {identity[:64]!r}: results are kept for a while only; draw it again with its seed"
    return Problem(MISSING, message, "not_found", "id")


def busy(message: str, retry_after_s: float) -> Problem:
    """Return what is said when there is too much to draw."""
    return Problem(BUSY, message, "busy", None, retry_after_s)
