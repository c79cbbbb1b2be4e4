"""The rules of the selection: which one a row breaks first, what it has there, and what was wanted."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ldm3d.config import SelectConfig
from ldm3d.reject import Reason
from ldm3d.rows.columns import Columns

_WORD_CHARS = 40  # of an NSFW word: the column may turn out to hold anything


@dataclass(frozen=True)
class _Rule:
    """Which rows break a rule, and what is said of each row that does."""

    reason: Reason
    broken: Any
    """(N,) booleans; null counts as false."""
    detail: Any
    """(N,) strings, or one for all rows."""


def judge(rows: pa.Table, columns: Columns, config: SelectConfig) -> dict[str, pa.ChunkedArray]:
    """Return the first rule that each row breaks. NSFW words may be in any case.

    A null size passes (the image itself is measured later). A null similarity fails if `min_similarity` is above 0,
    and a null NSFW value fails unless the policy is `any`.

    Args:
        rows: N, as `ldm3d.rows.metadata.adapt` returns them.

    Returns:
        reason, detail: (N,) strings, "" for a row that breaks none. Numbers in details are rounded, always to the
            side on which they fail: there are few different details, however many rows.
    """
    found = {name: pa.chunked_array([pa.array([""] * rows.num_rows, pa.string())]) for name in ("reason", "detail")}
    for rule in reversed(_rules(rows, columns, config)):  # the first rule is applied last, and wins
        broken = pc.fill_null(rule.broken, False)
        found["reason"] = pc.if_else(broken, str(rule.reason), found["reason"])
        found["detail"] = pc.if_else(broken, rule.detail, found["detail"])
    return found


def _rules(rows: pa.Table, columns: Columns, config: SelectConfig) -> list[_Rule]:
    shorter = pc.min_element_wise(rows["width"], rows["height"])
    longer = pc.max_element_wise(rows["width"], rows["height"])
    characters, similarity = pc.utf8_length(rows["caption"]), rows["similarity"]
    least_size, most_ratio = max(1, config.min_size), config.max_aspect_ratio
    no_caption = pc.coalesce(rows["fault"], pa.scalar(_empty(columns.caption)))
    ratio = pc.divide(pc.ceil(pc.multiply(pc.divide(longer, shorter), 10)), 10)
    length = _said("a caption of ", characters, " characters")
    return [
        _Rule(Reason.INVALID_ROW, pc.equal(pc.coalesce(rows["url"], pa.scalar("")), ""), _empty(columns.url)),
        _Rule(Reason.INVALID_ROW, pc.is_null(rows["caption"]), no_caption),
        _Rule(
            Reason.NSFW,
            _none_of(rows["nsfw"], config.nsfw),
            _said("nsfw is ", _word(rows["nsfw"]), f", wanted {' or '.join(config.nsfw)}"),
        ),
        _Rule(
            Reason.LOW_SIMILARITY,
            _below(similarity, config.min_similarity),
            _said("similarity is ", _floor(similarity, 100), f", wanted at least {config.min_similarity:g}"),
        ),
        _Rule(
            Reason.TOO_SMALL,
            pc.less(shorter, least_size),
            _said("a shorter side of ", _floor(shorter, 1), f" by the metadata, wanted {least_size}"),
        ),
        _Rule(
            Reason.BAD_ASPECT_RATIO,
            pc.greater(longer, pc.multiply(shorter, most_ratio)),
            _said("", ratio, f" : 1 by the metadata, wanted at most {most_ratio:g} : 1"),
        ),
        _Rule(
            Reason.CAPTION_TOO_SHORT,
            pc.less(characters, config.min_caption_chars),
            _said("", length, f", wanted at least {config.min_caption_chars}"),
        ),
        _Rule(
            Reason.CAPTION_TOO_LONG,
            pc.greater(characters, config.max_caption_chars),
            _said("", length, f", wanted at most {config.max_caption_chars}"),
        ),
    ]


def _empty(column: str | None) -> str:
    return f"the column {column} is empty, or holds no text"


def _said(before: str, values: Any, after: str) -> Any:
    """Join texts and a column, whose nulls are unknown, row by row."""
    texts = values.cast(pa.string())
    return pc.binary_join_element_wise(before, texts, after, "", null_handling="replace", null_replacement="unknown")


def _floor(values: Any, parts: int) -> Any:
    """Round numbers down to whole `parts` of one."""
    return pc.divide(pc.floor(pc.multiply(values, parts)), parts)


def _word(values: Any) -> Any:
    return pc.replace_substring_regex(pc.utf8_slice_codeunits(values, 0, _WORD_CHARS), r"\p{C}", "?")


def _none_of(values: pa.ChunkedArray, allowed: tuple[str, ...]) -> pa.ChunkedArray:
    words = [word.lower() for word in allowed]
    if "any" in words:
        return pa.chunked_array([pa.array([False] * len(values))])
    return pc.invert(pc.is_in(pc.utf8_lower(values), pa.array(words, pa.string())))  # null is not in any set


def _below(values: pa.ChunkedArray, least: float) -> pa.ChunkedArray:
    if least <= 0:
        return pc.less(values, least)
    return pc.fill_null(pc.less(values, least), True)
