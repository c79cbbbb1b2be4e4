"""What every kind of metadata table offers."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pipelines.storage.folder import Folder


@dataclass(frozen=True)
class TableFacts:
    """What is known of a table before any work."""

    rows: int
    columns: list[str]
    depth_bytes: int = 0
    """Of the column with depth, in memory; 0 where there is none."""
    reading: dict[str, Any] = field(default_factory=dict)
    """How the file is to be read, as it turned out: for `batches`."""
    pictures: dict[str, int] = field(default_factory=dict)
    """Columns whose type is one that may hold pictures, and their bytes in memory."""


class Table(ABC):
    """A file of an input, or the input itself."""

    def __init__(self, folder: Folder, name: str) -> None:
        self.folder, self.name = folder, name

    @abstractmethod
    def facts(self, depth: str | None) -> TableFacts:
        """Count the rows and read the names of the columns.

        Args:
            depth: the column with depth, if there is one.

        Raises:
            ValueError: the file is damaged, or of another kind than its name says.
            OSError: the store fails.
        """

    @abstractmethod
    def batches(self, columns: list[str], rows: int, reading: dict[str, Any]) -> Iterator[pa.RecordBatch]:
        """Read the rows in order, as many as `facts` has counted, holding little in memory.

        Args:
            columns: to read; others may be there, too.
            rows: in a batch, at most.
            reading: of the facts.

        Raises:
            pa.ArrowException: the file is damaged.
            OSError: the store fails.
        """

    def unreadable(self, kind: str, error: Exception) -> ValueError:
        """Return the error that says that this is not a file of a kind."""
        reason = " ".join(str(error).split()) or type(error).__name__
        return ValueError(
            f"--input: {self.folder.path(self.name)} is not a readable {kind} file ({reason}): give {kind} files, or "
            "download it again"
        )
