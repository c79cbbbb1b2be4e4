"""Whose columns a metadata table has: one `Columns` per publisher, and those of a user's own table."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The names that one publisher gives to the columns we read; None if it has no such column."""

    url: str | None  # None only where there is `image`
    caption: str
    width: str | None = None
    height: str | None = None
    similarity: str | None = None
    nsfw: str | None = None  # a word (UNLIKELY, UNSURE, NSFW), or if `nsfw_is_score`, a probability in [0, 1]
    nsfw_is_score: bool | None = False  # None: each value may be either
    image: str | None = None  # the picture itself; this and the next are no publisher's
    depth: str | None = None  # a file, or its path; named in the settings
    file: str | None = None  # the file that holds the picture; this and the next are of tables that we make
    offset: str | None = None  # of the picture in it, in bytes
    length: str | None = None
    fault: str | None = None  # why a row has no caption

    def named(self) -> dict[str, str]:
        """Return the columns to read, by field."""
        return {each.name: value for each in fields(self) if isinstance(value := getattr(self, each.name), str)}

    def names(self) -> list[str]:
        """Return the columns to read."""
        return list(self.named().values())


LAION = Columns(url="URL", caption="TEXT", width="WIDTH", height="HEIGHT", similarity="similarity", nsfw="NSFW")
PUBLISHERS = {
    "laion400m": LAION,
    "laion5b": replace(LAION, nsfw="punsafe", nsfw_is_score=True),
    "coyo": Columns(
        url="url",
        caption="text",
        width="width",
        height="height",
        similarity="clip_similarity_vitl14",
        nsfw="nsfw_score_opennsfw2",
        nsfw_is_score=True,
    ),
    "datacomp": Columns(
        url="url",
        caption="text",
        width="original_width",
        height="original_height",
        similarity="clip_l14_similarity_score",
    ),
    "cc12m": Columns(url="url", caption="caption"),
    "relaion": replace(
        LAION, url="url", caption="caption", width="width", height="height", nsfw="punsafe", nsfw_is_score=True
    ),
}

# Parts of column names that suggest what a column holds, whoever published it.
_HINTS = {
    "url": ("url", "link", "href", "src", "path", "file", "image", "img"),
    "caption": ("caption", "text", "desc", "title", "prompt", "alt", "label"),
    "nsfw": ("nsfw", "safe"),
    "similarity": ("similarity", "clip"),
    "width": ("width",),
    "height": ("height",),
}
ADDRESS = ("url", "image_url", "img_url")
"""What people call a column of addresses, in any case, that identify pictures that a table holds itself."""

COMMON = {
    "url": (*ADDRESS, "link", "file_name", "filename", "image_path", "path", "image", "file"),
    "caption": ("caption", "text", "description", "prompt", "title", "alt"),
}
"""What people call these columns in tables of their own, in any case; the first that is there is taken."""


def recognise(names: list[str], publisher: str = "auto", own: Mapping[str, str] | None = None) -> Columns:
    """Return the `Columns` for a table with these column names.

    They are those of the publisher that shares most of them, or of the named one; else what people commonly call a URL
    and a caption.

    Args:
        own: columns that are named, by field of `Columns`; they take precedence. With `image` no URL is needed.

    Raises:
        ValueError: a named column is absent, the named publisher does not fit, or there is no URL or caption.
    """
    given: dict[str, Any] = dict(own or {})
    if absent := {field: name for field, name in given.items() if name not in names}:
        flags = ", ".join(f"--select.{field}-column {name}" for field, name in absent.items())
        raise ValueError(f"{flags}: no such column; it has {names}")
    image = given.pop("image", None)
    names = [name for name in names if name != image]
    needed = [field for field in COMMON if field != "url" or image is None]
    if "nsfw" in given:
        given["nsfw_is_score"] = None
    if publisher != "auto":
        columns = replace(PUBLISHERS[publisher], **given)
        if missing := [name for field in needed if (name := getattr(columns, field)) not in names]:
            raise ValueError(f"--select.columns is {publisher!r}, which needs {missing}; it has {names}")
        return replace(_only(columns, names), image=image)
    known = [replace(columns, **given) for columns in PUBLISHERS.values()]
    fitting = [
        _only(columns, names) for columns in known if {getattr(columns, field) for field in needed} <= set(names)
    ]
    if fitting:
        most = max(fitting, key=lambda columns: len(columns.names()))  # among equals, the first
        return replace(most, image=image)
    if lacking := [field for field in unknown(names, given) if field in needed]:
        wanted = {"url": "the URL or path of a picture", "caption": "its caption"}
        raise ValueError(f"no column of {names} is known to hold {' or '.join(wanted[field] for field in lacking)}")
    usual: dict[str, Any] = {field: first_of(COMMON[field], names) for field in needed}
    usual.setdefault("url", first_of(ADDRESS, names))
    return Columns(**usual | given | {"image": image})


def unknown(names: list[str], own: Mapping[str, str]) -> list[str]:
    """Return which of `url` and `caption` no column is known to hold. With `image` no URL is needed."""
    known = own.keys() | ({"url"} if "image" in own else set())
    return [field for field in COMMON if field not in known and first_of(COMMON[field], names) is None]


def closest(name: str, names: list[str], least: float = 0.6) -> str | None:
    """Return the column whose name is most like a given one; None where none is, by difflib's ratio of 0 to 1."""
    lower = {each.lower(): each for each in reversed(names)}
    found = difflib.get_close_matches(name.lower(), list(lower), n=1, cutoff=least)
    return lower[found[0]] if found else None


def resembling(field: str, names: list[str]) -> list[str]:
    """Return the columns whose name suggests that they hold a field of `Columns`."""
    return [name for name in names if any(hint in name.lower() for hint in _HINTS[field])]


def first_of(wanted: tuple[str, ...], names: list[str]) -> str | None:
    """Return the column that has the first of some names that there is, in any case."""
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[name] for name in wanted if name in lower), None)


def repeated(names: list[str], wanted: list[str]) -> list[str]:
    """Return which of the wanted columns a table has more than once, so that nobody knows which one is meant."""
    return [name for name in wanted if names.count(name) > 1]


def passed_over(names: list[str], columns: Columns) -> dict[str, list[str]]:
    """Return, for each field that `columns` lacks, the columns of the table that look like it nevertheless."""
    unread = [name for name in names if name not in columns.names()]
    lacking = [field for field in _HINTS if getattr(columns, field) is None and (field != "url" or not columns.image)]
    found = {field: resembling(field, unread) for field in lacking}
    return {field: similar for field, similar in found.items() if similar}


def _only(columns: Columns, names: list[str]) -> Columns:
    """Return `columns` without the optional ones that a table lacks."""
    asked = {field.name: getattr(columns, field.name) for field in fields(columns)}
    absent = [name for name, column in asked.items() if isinstance(column, str) and column not in names]
    nothing: dict[str, Any] = dict.fromkeys(absent)
    return replace(columns, **nothing)
