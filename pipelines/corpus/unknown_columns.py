"""A table whose columns are not recognised, and which of them are likely to be meant."""

from dataclasses import dataclass

import pyarrow as pa

from ldm3d.rows.columns import COMMON, closest, first_of, unknown
from ldm3d.rows.likely import likely

UNKNOWN = "COLUMN"  # stands for the name of a column where none is likely


@dataclass(frozen=True)
class UnknownColumns:
    """What is known of the table."""

    table: str
    names: list[str]
    own: dict[str, str]
    """Those that are said to be read, by field of `ldm3d.rows.columns.Columns`."""
    pictures: tuple[str, ...]
    """Those that hold pictures, and not URLs or paths."""
    sample: pa.Table
    """Some rows, with the columns that could be read."""

    @property
    def right(self) -> dict[str, str]:
        """Return those of `own` that the table has."""
        return {field: name for field, name in self.own.items() if name in self.names}

    def proposed(self) -> dict[str, str]:
        """Propose columns, by field: in place of absent ones those of the nearest name, and likely ones where none is
        known."""
        usual = {first_of(COMMON[field], self.names) for field in COMMON if field not in self.own}
        free = [name for name in self.names if name not in {*self.right.values(), *self.pictures, *usual}]
        absent = {field: name for field, name in self.own.items() if field not in self.right}
        choices = {"image": list(self.pictures)}
        near = {field: found for field, name in absent.items() if (found := closest(name, choices.get(field, free)))}
        lacking = [field for field in unknown(self.names, self.right) if field not in near]
        if "url" in lacking and self.pictures:
            lacking.remove("url")
            near["image"] = self.pictures[0]
        guesses = likely(lacking, [name for name in free if name not in near.values()], self.sample)
        return near | {field: guesses.get(field, UNKNOWN) for field in lacking}
