"""Everything that can be wrong with a row of web metadata, and the outcome that a careful downloader reaches for each.

The outcomes hold for the preset `toy` with the selection in `ldm3d.toy.world.SELECT`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ldm3d.reject import Reason
from ldm3d.toy import pictures
from ldm3d.toy.faults import (
    Content,
    DripBody,
    DripHeaders,
    HangUp,
    HugeBody,
    Recovers,
    Redirect,
    RedirectChain,
    Stall,
    Status,
    Truncated,
)
from ldm3d.toy.pictures import Pixels, jpeg
from ldm3d.toy.web import Page

KEPT = ""
BUSY = {"Retry-After": "1"}
HTML = b"<!doctype html><title>Sorry</title><p>This picture has moved."


@dataclass(frozen=True)
class WebFault:
    """A page that does anything but answer with a plain JPEG, PNG or WebP at once."""

    name: str
    """Last part of the URL, as a person would write it."""
    page: Callable[[Pixels], Page]
    expected: str = KEPT
    plain: bool = True
    """Whether a kept picture shows the whole scene in its colours, so that its exact depth is known."""


@dataclass(frozen=True)
class RowFault:
    """A row of metadata that differs from a good one; the picture at its original URL is good."""

    name: str
    expected: str
    changes: dict[str, Any] = field(default_factory=dict)
    """New values of fields of `ldm3d.toy.world.Row`."""


WEB_FAULTS = (
    WebFault("not-found", lambda image: Status(404), Reason.HTTP_NOT_FOUND),
    WebFault("gone", lambda image: Status(410), Reason.HTTP_NOT_FOUND),
    WebFault("forbidden", lambda image: Status(403), Reason.HTTP_FORBIDDEN),
    WebFault("broken-server", lambda image: Status(500), Reason.HTTP_ERROR),
    WebFault("restarting-server", lambda image: Recovers(Status(503), 2, _jpeg(image))),
    WebFault("busy", lambda image: Recovers(Status(429, BUSY), 1, _jpeg(image))),
    WebFault("always-busy", lambda image: Status(429, BUSY), Reason.RATE_LIMITED),
    WebFault("stall", lambda image: Stall(), Reason.TIMEOUT),
    WebFault("drip", lambda image: DripBody(jpeg(image)), Reason.TIMEOUT),
    WebFault("drip-headers", lambda image: DripHeaders(), Reason.TIMEOUT),
    WebFault("hang-up", lambda image: HangUp(), Reason.CONNECTION_FAILED),
    WebFault("hangs-up-once", lambda image: Recovers(HangUp(), 1, _jpeg(image))),
    WebFault("truncated", lambda image: Truncated(jpeg(image)), Reason.TRUNCATED),
    WebFault("huge", lambda image: HugeBody(6 * 2**20), Reason.TOO_MANY_BYTES),
    WebFault("moved", lambda image: RedirectChain(1, _jpeg(image))),
    WebFault("moved-far", lambda image: RedirectChain(8, _jpeg(image)), Reason.TOO_MANY_REDIRECTS),
    WebFault("moved-in-a-circle", lambda image: Redirect("moved-in-a-circle"), Reason.TOO_MANY_REDIRECTS),
    WebFault("moved-inside", lambda image: Redirect("http://127.0.0.2/picture"), Reason.REFUSED_ADDRESS),
    WebFault("moved-to-a-file", lambda image: Redirect("file:///etc/hostname"), Reason.REFUSED_URL),
    WebFault("opted-out", lambda image: _jpeg(image, {"X-Robots-Tag": "noai"}), Reason.OPTED_OUT),
    WebFault("opted-out-by-name", lambda image: _jpeg(image, {"X-Robots-Tag": "ldm3d: noai"}), Reason.OPTED_OUT),
    WebFault("others-opted-out", lambda image: _jpeg(image, {"X-Robots-Tag": "otherbot: noai"})),
    WebFault("a picture with spaces", lambda image: _jpeg(image)),
    WebFault("grüße-aus-京都", lambda image: _jpeg(image)),
    WebFault("mislabelled", lambda image: Content(jpeg(image), "text/html")),
    WebFault("html", lambda image: Content(HTML), Reason.NOT_AN_IMAGE),
    WebFault("empty", lambda image: Content(b""), Reason.NOT_AN_IMAGE),
    WebFault("vast", lambda image: Content(pictures.vast_png(image), "image/png"), Reason.TOO_MANY_PIXELS),
    WebFault("cut", lambda image: Content(pictures.cut_jpeg(image)), Reason.DECODE_FAILED),
    WebFault("broken", lambda image: Content(pictures.broken_jpeg(image)), Reason.DECODE_FAILED),
    WebFault("flipped-byte", lambda image: Content(pictures.flipped_png(image), "image/png"), Reason.DECODE_FAILED),
    WebFault("flipped-bit", lambda image: Content(pictures.flipped_jpeg(image)), plain=False),
    WebFault("tiny", lambda image: Content(jpeg(image[:8, :8])), Reason.TOO_SMALL),
    WebFault("banner", lambda image: Content(jpeg(np.tile(image, (1, 4, 1)))), Reason.BAD_ASPECT_RATIO),
    WebFault("greyscale", lambda image: Content(jpeg(image, mode="L")), plain=False),
    WebFault("greyscale-16-bit", lambda image: Content(pictures.grey16_png(image), "image/png"), plain=False),
    WebFault("cmyk", lambda image: Content(jpeg(image, mode="CMYK"))),
    WebFault("transparent", lambda image: Content(pictures.transparent_png(image), "image/png"), plain=False),
    WebFault("palette", lambda image: Content(pictures.transparent_palette_png(image), "image/png"), plain=False),
    WebFault("turned", lambda image: Content(pictures.turned_jpeg(image))),
    WebFault("gif", lambda image: Content(pictures.gif(image), "image/gif")),
    WebFault("animated", lambda image: Content(pictures.gif(image, image[::-1], image[:, ::-1]), "image/gif")),
)

ROW_FAULTS = (
    RowFault("no-url", Reason.INVALID_ROW, {"url": None}),
    RowFault("empty-url", Reason.INVALID_ROW, {"url": ""}),
    RowFault("not-a-url", Reason.REFUSED_URL, {"url": "see the picture below"}),
    RowFault("ftp-url", Reason.REFUSED_URL, {"url": "ftp://127.0.0.1/picture.jpg"}),
    RowFault("file-url", Reason.REFUSED_URL, {"url": "file:///etc/hostname"}),
    RowFault("data-url", Reason.REFUSED_URL, {"url": "data:image/gif;base64,R0lGODlhAQABAAAAACw="}),
    RowFault("inside-url", Reason.REFUSED_ADDRESS, {"url": "http://127.0.0.2/picture.jpg"}),
    RowFault("closed-port", Reason.CONNECTION_FAILED, {"url": "http://127.0.0.1:1/picture.jpg"}),
    RowFault("no-caption", Reason.INVALID_ROW, {"caption": None}),
    RowFault("empty-caption", Reason.CAPTION_TOO_SHORT, {"caption": ""}),
    RowFault("blank-caption", Reason.CAPTION_TOO_SHORT, {"caption": " \t\r\n\x00 "}),
    RowFault("megabyte-caption", Reason.CAPTION_TOO_LONG, {"caption": "a red sphere, " * 75_000}),
    RowFault("control-characters", KEPT, {"caption": "a\x00 red\x1b[31m\r\nsphere\u2028 on\x07 the\u202e floor"}),
    RowFault("nsfw", Reason.NSFW, {"nsfw": "NSFW"}),
    RowFault("nsfw-unsure", Reason.NSFW, {"nsfw": "UNSURE"}),
    RowFault("nsfw-unknown", Reason.NSFW, {"nsfw": None}),
    RowFault("unlike-its-caption", Reason.LOW_SIMILARITY, {"similarity": 0.05}),
    RowFault("similarity-unknown", Reason.LOW_SIMILARITY, {"similarity": None}),
    RowFault("similarity-not-a-number", Reason.LOW_SIMILARITY, {"similarity": float("nan")}),
    RowFault("small-by-metadata", Reason.TOO_SMALL, {"width": 8, "height": 8}),
    RowFault("empty-by-metadata", Reason.TOO_SMALL, {"width": 0, "height": 0}),
    RowFault("banner-by-metadata", Reason.BAD_ASPECT_RATIO, {"width": 728, "height": 90}),
    RowFault("size-unknown", KEPT, {"width": None, "height": None}),
    RowFault("larger-by-metadata", KEPT, {"width": 640, "height": 480}),
)


def _jpeg(image: Pixels, headers: dict[str, str] | None = None) -> Content:
    return Content(jpeg(image), headers=headers or {})
