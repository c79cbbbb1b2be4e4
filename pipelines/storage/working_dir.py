"""The working directory of a submitted job: a temporary copy on the head node, whose files nobody finds afterwards."""

from pathlib import Path

from pipelines.storage.folder import Folder
from pipelines.storage.submission import COPIES, sent_directory

WHERE = "an absolute path on storage that all nodes share, or s3://"


def require_lasting(flag: str, given: str, url: str) -> None:
    """Check that an output will outlast the job.

    Args:
        flag, given: the setting, and its value as it was typed.
        url: the folder, as in `Folder.url`.

    Raises:
        ValueError: the output is in the copy of the working directory.
    """
    if _is_in_copy(url):
        raise ValueError(
            f"{flag} {given!r} would be written to {url!r}, in the temporary copy of --working-dir that Ray keeps on "
            f"the head node while the job runs, and would be lost: give {WHERE}"
        )


def require_sent(flag: str, given: str, url: str) -> None:
    """Check that an input in the copy of the working directory was sent with the job, as a small file may be.

    Args:
        flag, given: the setting, and its value as it was typed.
        url: the folder or file, as in `Folder.url`.

    Raises:
        ValueError: it was not.
    """
    if _is_in_copy(url) and not Folder(url).exists():
        raise ValueError(
            f"{flag} {given!r} was not sent with the job: Ray copies --working-dir to the head node without what "
            f".rayignore and .gitignore name, and a relative path is looked up in that copy. Give {WHERE}"
        )


def _is_in_copy(url: str) -> bool:
    copy = _copy()
    return copy is not None and "://" not in url and Path(url).resolve().is_relative_to(copy.resolve())


def _copy() -> Path | None:
    """Return the folder of the copies; None where this is no submitted job, or one that was sent no folder."""
    sent = sent_directory()
    if not sent or sent.startswith("local://"):  # a folder that is on every node already
        return None
    here = Path.cwd()
    return next((folder for folder in here.parents if folder.name == COPIES), here)
