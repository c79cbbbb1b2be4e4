"""A text that chooses panoramas: the path of a picture on each line, relative to it."""

from pathlib import PurePosixPath

from pipelines.storage.folder import Folder

ENDING = ".txt"


def is_list(url: str) -> bool:
    """Tell whether an input is such a text."""
    return url.lower().endswith(ENDING) and Folder(url).is_file()


def panorama_folder(url: str) -> Folder:
    """Return the folder that files of panoramas are relative to: that of a list, or the input."""
    return Folder(Folder(url).url.rpartition("/")[0]) if is_list(url) else Folder(url)


def listed_pictures(url: str) -> dict[str, int]:
    """Return the sizes of the pictures of a list, by name; -1 for one that is not there, which will be a reject.

    Raises:
        ValueError: it is not UTF-8, is empty, names a picture twice, or one outside its folder.
    """
    try:
        lines = [line.strip() for line in Folder(url).read("").decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise ValueError(f"--input {url!r} is not UTF-8 ({error}): save it so") from error
    names = [line.removeprefix("./") for line in lines if line]
    if not names:
        raise ValueError(f"--input {url!r} names no picture: write the path of one on each line")
    for name in names:
        if name.startswith("/") or "://" in name or ".." in PurePosixPath(name).parts:
            raise ValueError(f"--input {url!r} names {name!r}, wanted paths below its own folder")
    if len(set(names)) < len(names):
        raise ValueError(f"--input {url!r} names {max(names, key=names.count)!r} twice: wanted each picture once")
    sizes = panorama_folder(url).sizes()
    return {name: sizes.get(name, -1) for name in names}
