"""Types of settings that name a place. `pipelines.storage.paths` makes local ones absolute before workers see them."""

import enum
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
