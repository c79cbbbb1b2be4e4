"""Why rows are rejected."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a row was rejected. The list is closed: a new failure needs a line here and in docs/corpus-reference.md."""

    INVALID_ROW = "invalid_row"  # a null, a wrong type, an empty URL, or an empty caption to draw
    NSFW = "nsfw"
    LOW_SIMILARITY = "low_similarity"
    TOO_SMALL = "too_small"
    BAD_ASPECT_RATIO = "bad_aspect_ratio"
    CAPTION_TOO_SHORT = "caption_too_short"
    CAPTION_TOO_LONG = "caption_too_long"
    DUPLICATE_URL = "duplicate_url"
    NOT_SAMPLED = "not_sampled"  # counted, not written: there may be hundreds of millions

    REFUSED_URL = "refused_url"  # not http(s), or not a URL; or a file outside the folders that may be read
    REFUSED_ADDRESS = "refused_address"  # private, loopback, link-local, metadata, ...
    DNS_FAILED = "dns_failed"
    CONNECTION_FAILED = "connection_failed"  # refused, reset, TLS
    TIMEOUT = "timeout"
    HTTP_NOT_FOUND = "http_not_found"  # 404, 410
    HTTP_FORBIDDEN = "http_forbidden"  # 401, 402, 403, 451
    HTTP_ERROR = "http_error"  # every other status
    RATE_LIMITED = "rate_limited"  # 429 to the end
    HOST_UNAVAILABLE = "host_unavailable"  # the circuit breaker is open
    OPTED_OUT = "opted_out"  # X-Robots-Tag
    TOO_MANY_REDIRECTS = "too_many_redirects"
    TOO_MANY_BYTES = "too_many_bytes"
    TRUNCATED = "truncated"
    FILE_NOT_FOUND = "file_not_found"  # of a picture on a disk or in a store
    FILE_FORBIDDEN = "file_forbidden"

    NOT_AN_IMAGE = "not_an_image"
    TOO_MANY_PIXELS = "too_many_pixels"
    DECODE_FAILED = "decode_failed"
    DECODE_TIMEOUT = "decode_timeout"
    DECODER_CRASHED = "decoder_crashed"

    DEPTH_FAILED = "depth_failed"
    DUPLICATE_BYTES = "duplicate_bytes"
    NEAR_DUPLICATE = "near_duplicate"

    ENCODE_FAILED = "encode_failed"  # the autoencoder's output is not finite, or beyond float16
    GENERATE_FAILED = "generate_failed"  # the networks' output is not finite, or they do not take the picture
    RENDER_FAILED = "render_failed"  # a panorama is too large for a format


TRANSPORT = frozenset(
    {
        Reason.DNS_FAILED,
        Reason.CONNECTION_FAILED,
        Reason.TIMEOUT,
        Reason.HTTP_ERROR,
        Reason.RATE_LIMITED,
        Reason.HOST_UNAVAILABLE,
        Reason.TRUNCATED,
    }
)
"""Reasons that lie with the network or the host, not with the picture: another attempt may succeed."""


class Rejected(Exception):  # noqa: N818 -- it happens to a row, and is not an error
    """Raised to reject one URL or image: it becomes a row of the rejects, and never ends a run."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        """Keep `reason`, by which rejects are counted, and up to 300 characters of `detail` on this one row."""
        super().__init__(reason, detail[:300])  # both as arguments: the exception survives pickling
        self.reason = reason
        self.detail = detail[:300]

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"
