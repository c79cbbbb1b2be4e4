"""Types of settings that name a place. `pipelines.storage.paths` makes local ones absolute before workers see them."""

import enum
import re
from typing import Annotated


class Place(enum.Enum):
    FOLDER = enum.auto()
    OUTPUT = enum.auto()
    NAMED_FOLDER = enum.auto()
    MODEL = enum.auto()
    NAMED_MODEL = enum.auto()
    GRID_MODEL = enum.auto()


FolderUrl = Annotated[str, Place.FOLDER]
"""A folder or file, local or on an object store."""
OutputUrl = Annotated[str, Place.OUTPUT]
"""A folder to write to, local or on an object store."""
NamedFolderUrl = Annotated[str, Place.NAMED_FOLDER]
"""The same, or NAME=PATH."""
ModelPlace = Annotated[str, Place.MODEL]
"""A local file or folder, a URL, a hub id, or a keyword such as `torchvision`."""
NamedModelPlace = Annotated[str, Place.NAMED_MODEL]
"""The same, or NAME=PLACE."""
GridModelPlace = Annotated[str, Place.GRID_MODEL]
"""The same, but the name counts only where several are given."""

_LOCAL = re.compile(r"((?:[\w.+-]+=)?)/(?:.*/)?([^/]+/[^/]+)/?")  # an absolute path, with NAME= before it or without


def shown(value: str) -> str:
    """Write a setting for readers elsewhere: of an absolute path of this machine the last two parts.

    URLs, hub ids and any other text stay as they are.
    """
    match = _LOCAL.fullmatch(value)
    return match[1] + match[2] if match else value
