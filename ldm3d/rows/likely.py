"""Which columns of an unknown table are likely to hold what: by their values, and by their names."""

import re
from collections.abc import Callable

import pyarrow as pa

from ldm3d.rows.columns import COMMON, closest, resembling
from ldm3d.rows.metadata import as_texts, first_of_lists, is_list

NEARLY = 0.8  # `captoin` is 0.86 like `caption`; `title` is 0.67 like `file`
_PLACE = re.compile(r"[a-z][a-z0-9+.-]*://\S|.*\S\.(jpe?g|png|webp|bmp|gif|tiff?|avif)(\?\S*)?$", re.IGNORECASE)


def likely(lacking: list[str], names: list[str], sample: pa.Table) -> dict[str, str]:
    """Return the columns that are likely to hold the URL and the caption of a picture, by field.

    A URL is in a column of addresses or paths, a caption in one of other text; of several, the one that is named like
    it, or else the one with the longest text.

    Args:
        lacking: which of `url` and `caption` are wanted.
        names: of the columns that are not taken.
        sample: some rows, with the columns that could be read; without any, names alone decide.
    """
    values = {name: _texts(sample, name) for name in _once(sample.column_names)}
    lists = [name for name in values if is_list(sample.schema.field(name).type)]  # of these only captions are read
    places = [name for name in values if name in names and name not in lists and _mostly(_is_place, values[name])]
    words = [name for name in names if name not in places and not _mostly(_is_number, values.get(name, []))]
    words = [name for name in words if values.get(name) or not values]
    found = {}
    single = [name for name in words if name not in lists]
    if "url" in lacking and (url := _named("url", places) or next(iter(places), None) or _named("url", single)):
        found["url"] = url
    words = [name for name in words if name != found.get("url")]
    if "caption" in lacking and (caption := _named("caption", words) or _longest(words, values)):
        found["caption"] = caption
    return found


def _texts(sample: pa.Table, name: str) -> list[str]:
    return [text for text in as_texts(first_of_lists(sample, name)).to_pylist() if text]


def _named(field: str, names: list[str]) -> str | None:
    """Return the column whose name suggests a field, or is nearly one that people give it."""
    similar = resembling(field, names)
    nearly = (closest(common, names, NEARLY) for common in COMMON[field])
    return similar[0] if similar else next(filter(None, nearly), None)


def _longest(names: list[str], values: dict[str, list[str]]) -> str | None:
    lengths = {name: sum(map(len, values[name])) / len(values[name]) for name in names if values.get(name)}
    return max(lengths, key=lambda name: lengths[name]) if lengths else None


def _once(names: list[str]) -> list[str]:
    return [name for name in names if names.count(name) == 1]


def _mostly(test: Callable[[str], bool], values: list[str]) -> bool:
    return sum(map(test, values)) * 2 > len(values)


def _is_place(text: str) -> bool:
    return _PLACE.match(text.strip()) is not None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
