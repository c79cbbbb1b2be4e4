"""Outputs of other stages as input: finished, or refused."""

from typing import Any

from pipelines.storage.folder import DamagedError, Folder
from pipelines.storage.run import CONFIG, SUCCESS


def require_finished(url: str, wanted: str) -> dict[str, Any]:
    """What the success marker of an input says.

    Args:
        wanted: what the input should be, for messages.

    Raises:
        ValueError: there is nothing, or nothing that is finished, or it cannot be read.
    """
    folder = Folder(url)
    try:
        if folder.exists(SUCCESS):
            return folder.read_json(SUCCESS)
        if folder.exists(CONFIG):
            raise ValueError(f"--input {url!r} is not finished: run the command that makes it again, then this one")
        got = "holds no such thing" if folder.exists() else "does not exist"
    except DamagedError as error:
        raise ValueError(f"--input: {error}: run the command that makes it again to mend it") from error
    except OSError as error:
        raise ValueError(f"--input {url!r} cannot be read: {error}") from error
    raise ValueError(f"--input {url!r} {got}: give {wanted}")
