"""The settings that must change for an input: said all at once, before any work, as flags to add."""

import logging
import shlex
from typing import NoReturn

from ldm3d.config import CorpusConfig
from ldm3d.rows.columns import Columns, passed_over, recognise
from ldm3d.rows.metadata import texts
from ldm3d.rows.pictures import allowed_file, common_places, is_web
from pipelines.corpus.picture_column import PictureColumn
from pipelines.corpus.unknown_columns import UnknownColumns

logger = logging.getLogger(__name__)

Need = tuple[str, list[str]]
"""Why something must be added, and the words to add."""


def check_settings(
    names: list[str], columns: Columns, urls: list[str], config: CorpusConfig, pictures: PictureColumn
) -> None:
    """Check that the settings do not reject every row of a table.

    Args:
        names: columns of the table; those that look useful and are not read are logged.
        urls: of its first rows.

    Raises:
        ValueError: they do. The message has the flags to add.
    """
    similar = passed_over([name for name in names if name not in pictures.others], columns)
    needs = [*_of_ratings(columns, similar, config), *_of_places(urls, config)]
    if needs:
        raise ValueError(f"--input {config.input!r}: {_told(needs)}")
    similar |= {"image": list(pictures.others)} if pictures.others else {}
    if similar:
        found = "; ".join(f"{', '.join(names)} (for {field})" for field, names in similar.items())
        logger.warning(
            "--input: columns that look useful are not read: %s. Name them, such as --select.%s-column",
            found,
            next(iter(similar)),
        )


def warn_of_places(urls: list[str], config: CorpusConfig) -> None:
    """Log which of a table's first pictures will be rejected, as they are files in places that may not be read."""
    outside = _outside(urls, config)
    if outside and (places := common_places(outside)):
        flags = shlex.join(_with_places(places, config))
        logger.warning(
            "--input: of its first %d pictures, %d are in places that may not be read, and are rejected (%s first). "
            "Add, to read them, too: %s",
            len(urls),
            len(outside),
            outside[0],
            flags,
        )


def refuse_columns(table: UnknownColumns, error: ValueError, config: CorpusConfig) -> NoReturn:
    """Refuse a table whose columns are not recognised, with all that must be added for it.

    Args:
        error: of `recognise`.

    Raises:
        ValueError: always.
    """
    proposed, sample = table.proposed(), table.sample
    if not proposed:
        raise ValueError(f"--input: {table.table}: {error}") from error
    own = table.right | proposed
    try:
        columns = recognise(table.names, config.select.columns, own)
    except ValueError:  # there is none that could be proposed
        columns = Columns(url="", caption="", image=own.get("image"))
    similar = passed_over([name for name in table.names if name not in table.pictures], columns)
    urls = texts(sample, columns.url).to_pylist() if columns.url in sample.column_names and not columns.image else []
    needs = [
        (f"{table.table}: {error}", [word for field in proposed for word in _name(field, proposed[field])]),
        *_of_ratings(columns, similar, config),
        *_of_places([url for url in urls if url], config),
    ]
    raise ValueError(f"--input: {_told(needs)}") from error


def _told(needs: list[Need]) -> str:
    flags = shlex.join(word for _, words in needs for word in words)
    return f"{'; '.join(why for why, _ in needs)}. Add: {flags}"


def _of_ratings(columns: Columns, similar: dict[str, list[str]], config: CorpusConfig) -> list[Need]:
    """Return why, and what to add, where rows are to be judged by a column that there is not."""
    select, needs = config.select, []
    if columns.nsfw is None and "any" not in select.nsfw:
        why = f"--select.nsfw {' '.join(select.nsfw)} would reject every row, as it has no NSFW column that is known"
        if "nsfw" in similar:
            needs.append((f"{why} ({', '.join(similar['nsfw'])} may be one)", _name("nsfw", similar["nsfw"][0])))
        else:
            needs.append((f"{why} (any keeps unrated pictures)", ["--select.nsfw", "any"]))
    if columns.similarity is None and select.min_similarity > 0:
        why = f"--select.min-similarity {select.min_similarity:g} would reject every row, as it has no similarity"
        if "similarity" in similar:
            needs.append((f"{why} that is known", _name("similarity", similar["similarity"][0])))
        else:
            needs.append((why, ["--select.min-similarity", "0"]))
    return needs


def _name(field: str, column: str) -> list[str]:
    return [f"--select.{field}-column", column]


def _of_places(urls: list[str], config: CorpusConfig) -> list[Need]:
    """Return why, and what to add, where pictures lie in places that may not be read."""
    outside = _outside(urls, config)
    places = common_places(outside) if len(outside) == len(urls) else []
    if not places:
        return []
    return [(f"its pictures are neither on the web nor below it ({urls[0]})", _with_places(places, config))]


def _outside(urls: list[str], config: CorpusConfig) -> list[str]:
    return [url for url in urls if not is_web(url) and not allowed_file(url, config.download.files_under)]


def _with_places(places: list[str], config: CorpusConfig) -> list[str]:
    """Return the flag with places to add, and those that it has already: the last one given replaces the others."""
    given = config.download.files_under
    return ["--download.files-under", *given, *(place for place in places if place not in given)]
