"""Text of any origin -> text that can be written and that shows what it is."""

import unicodedata

UNSEEN = "\N{REPLACEMENT CHARACTER}"
TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # the direction of what follows


def clean(text: str) -> str:
    """Without control characters, halves of surrogate pairs, which UTF-8 does not have, and turns of direction."""
    return "".join(letter if letter in "\n\t" or not _unfit(letter) else UNSEEN for letter in text)


def _unfit(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cs") or letter in TURNING
