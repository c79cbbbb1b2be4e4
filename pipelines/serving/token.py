"""Who may ask: whoever knows the token, where there is one. Only its digest is kept."""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Self

from pipelines.serving.problem import UNAUTHORISED, Problem

SCHEME = b"bearer "
ADVICE = "send the header Authorization: Bearer TOKEN"


@dataclass(frozen=True)
class Token:
    """The token of a service, or that there is none."""

    digest: bytes | None = field(repr=False)

    @classmethod
    def of(cls, token: str | None) -> Self:
        """Take the token itself."""
        return cls(None if token is None else hashlib.sha256(token.encode()).digest())

    def key_of(self, identity: str) -> str:
        """Return what opens the viewer of one result without the token; "" where there is none."""
        return "" if self.digest is None else hmac.new(self.digest, identity.encode(), "sha256").hexdigest()

    def opens(self, identity: str, key: str) -> bool:
        """Return whether a key is that of a result. It takes as long whatever is given."""
        return hmac.compare_digest(self.key_of(identity).encode(), key.encode())

    def refusal(self, header: bytes | None) -> Problem | None:
        """Return why a request is refused; None if it is not. It takes as long whatever is sent.

        Args:
            header: `Authorization`.
        """
        if self.digest is None:
            return None
        if header is None or header[: len(SCHEME)].lower() != SCHEME:
            return Problem(UNAUTHORISED, f"this service wants a token: {ADVICE}", "missing_token")
        given = hashlib.sha256(header[len(SCHEME) :].strip()).digest()
        if not hmac.compare_digest(given, self.digest):
            return Problem(UNAUTHORISED, f"the token is not that of this service: {ADVICE}", "invalid_token")
        return None
