"""The settings that must change for an input: said all at once, before any work, as flags to add."""

import logging
import shlex
from typing import NoReturn

from ldm3d.config import CorpusConfig
from ldm3d.rows.columns import Columns, passed_over, resembling, unknown
from ldm3d.rows.pictures import allowed_file, common_places, is_web

logger = logging.getLogger(__name__)


def check_settings(names: list[str], columns: Columns, urls: list[str], config: CorpusConfig) -> None:
    """Check that the settings do not reject every row of a table.

    Args:
        names: columns of the table; those that look useful and are not read are logged.
        urls: of its first rows.

    Raises:
        ValueError: they do. The message has the flags to add.
    """
    similar = passed_over(names, columns)
    needs = [*_of_ratings(columns, similar, config), *_of_places(urls, config)]
    if needs:
        raise ValueError(f"--input {config.input!r}: {_told(needs)}")
    if similar:
        found = "; ".join(f"{', '.join(names)} (for {field})" for field, names in similar.items())
        logger.warning(
            "--input: columns that look useful are not read: %s. Name them, such as --select.%s-column",
            found,
            next(iter(similar)),
        )


def refuse_columns(name: str, names: list[str], error: ValueError, config: CorpusConfig) -> NoReturn:
    """Refuse a table whose columns are not recognised, with all that must be added for it.

    Args:
        error: of `recognise`.

    Raises:
        ValueError: always.
    """
    lacking = unknown(names, config.select.own_columns())
    guesses = {field: (resembling(field, names) or ["COLUMN"])[0] for field in lacking}
    words = [word for field, guess in guesses.items() for word in (f"--select.{field}-column", guess)]
    nothing = Columns(url="", caption="")
    needs = [(f"{name}: {error}", words), *_of_ratings(nothing, passed_over(names, nothing), config)]
    raise ValueError(f"--input: {_told(needs)}" if lacking else f"--input: {needs[0][0]}") from error


def _told(needs: list[tuple[str, list[str]]]) -> str:
    flags = shlex.join(word for _, words in needs for word in words)
    return f"{'; '.join(why for why, _ in needs)}. Add: {flags}"


def _of_ratings(columns: Columns, similar: dict[str, list[str]], config: CorpusConfig) -> list[tuple[str, list[str]]]:
    """Return why, and what to add, where rows are to be judged by a column that there is not."""
    select, needs = config.select, []
    if columns.nsfw is None and "any" not in select.nsfw:
        why = f"--select.nsfw {' '.join(select.nsfw)} would reject every row, as it has no NSFW column that is known"
        if "nsfw" in similar:
            needs.append((f"{why} ({', '.join(similar['nsfw'])} may be one)", _name("nsfw", similar)))
        else:
            needs.append((f"{why} (any keeps unrated pictures)", ["--select.nsfw", "any"]))
    if columns.similarity is None and select.min_similarity > 0:
        why = f"--select.min-similarity {select.min_similarity:g} would reject every row, as it has no similarity"
        if "similarity" in similar:
            needs.append((f"{why} that is known", _name("similarity", similar)))
        else:
            needs.append((why, ["--select.min-similarity", "0"]))
    return needs


def _name(field: str, similar: dict[str, list[str]]) -> list[str]:
    return [f"--select.{field}-column", similar[field][0]]


def _of_places(urls: list[str], config: CorpusConfig) -> list[tuple[str, list[str]]]:
    """Return why, and what to add, where pictures lie in places that may not be read."""
    under = config.download.files_under
    if not urls or any(is_web(url) or allowed_file(url, under) for url in urls):
        return []
    places = common_places(urls)
    if not places:
        return []
    return [(f"its pictures are neither on the web nor below it ({urls[0]})", ["--download.files-under", *places])]
