"""The outputs of other stages as inputs: only finished ones are read."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from pipelines.storage.folder import DamagedError, Folder
from pipelines.storage.run import CONFIG, SUCCESS

CORPUS = "a finished corpus, the output of `rebuild_corpus`"


@contextmanager
def readable(url: str, setting: str = "--input") -> Iterator[None]:
    """Name a setting and its URL in the failures of their store.

    Raises:
        ValueError: an OSError came.
    """
    try:
        yield
    except OSError as error:
        raise ValueError(f"{setting} {url!r} cannot be read: {error}") from error


def require_finished(url: str, wanted: str, makers: Collection[str] = ()) -> dict[str, Any]:
    """Read the success marker of an input.

    Args:
        wanted: what the input should be, for messages.
        makers: the stages whose output it may be; by default any.

    Raises:
        ValueError: the input does not exist, is not finished, was made by another stage, or cannot be read.
    """
    folder = Folder(url)
    with readable(url):
        try:
            if folder.exists(SUCCESS):
                if makers and (maker := _maker(folder)) and maker not in makers:
                    raise ValueError(f"--input {url!r} is the output of `{maker}`: give {wanted}")
                return folder.read_json(SUCCESS)
        except DamagedError as error:
            raise ValueError(f"--input: {error}: repair it by running the command that made it again") from error
        if folder.exists(CONFIG):
            raise ValueError(
                f"--input {url!r} is not finished: run the command that makes it once more, then this one"
            )
        got = "is not the output of a stage" if folder.exists() else "does not exist"
        got = "is a file" if folder.is_file() else got
    raise ValueError(f"--input {url!r} {got}: give {wanted}")


def _maker(folder: Folder) -> str | None:
    """Return the stage that made an output; None where it does not say so."""
    stage = folder.read_json(CONFIG).get("identity", {}).get("stage") if folder.exists(CONFIG) else None
    return stage if isinstance(stage, str) else None
