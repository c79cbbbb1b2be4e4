"""Exactly-once output: what a finished shard is, and which shards are still to be done.

The unit of commit is the shard, a fixed set of rows whose name and files are fixed before work starts:

    rgbd/train/00042.parquet        the kept rows      (absent when there are none)
    rejects/train/00042.parquet     the rejected rows  (absent when there are none)
    _state/shards/train-00042.json  the marker, written last: counts and file sizes

A shard is done when its marker exists and its files have the sizes in the marker. File names do not depend on who
writes them, so work that is done twice (a retried task, a worker that outlives its driver, a lost marker) replaces
rows and never doubles them. A run owns its output through `_state/run.json`; a run that finds another name there stops
writing.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import pyarrow as pa

from pipelines.storage.folder import Folder, is_damage

RUN = "_state/run.json"
MARKERS = "_state/shards"


class TakenOverError(RuntimeError):
    """Another run owns the output now."""


class LostRowsError(RuntimeError):
    """The rows kept and rejected do not add up to the rows read."""


class NothingKeptError(RuntimeError):
    """Not one row of a stage came out."""


@dataclass(frozen=True)
class Shard:
    """A fixed set of input rows, processed and committed together."""

    name: str
    """`<split>-<number>`"""
    source: str
    """The file that holds its rows, relative to the stage's input or output."""
    row_group: int | None
    """The row group of that file; None for the whole file."""
    rows: int

    def file(self, folder: str) -> str:
        """Return where rows of a folder (`rgbd`, `rejects` ...) go, relative to the output."""
        return shard_file(self.name, folder)


@dataclass(frozen=True)
class Record:
    """The marker of a finished shard. Every row that was read is kept or rejected.

    Raises:
        LostRowsError: the counts do not add up.
    """

    name: str
    rows: int
    kept: int
    rejected: dict[str, int]
    """Counts by reason."""
    sizes: dict[str, int]
    """Bytes by file, relative to the output."""
    device_seconds: float = 0.0
    """Time that the accelerator spent on the shard."""

    def __post_init__(self) -> None:
        if self.rows != self.kept + sum(self.rejected.values()):
            raise LostRowsError(
                f"shard {self.name}: {self.rows} rows read, but {self.kept} kept and {self.rejected} rejected: "
                "rows were lost or doubled, which is a bug in this program"
            )

    @classmethod
    def of(cls, name: str, rows: int, kept: int, reasons: Iterable[str], device_seconds: float = 0.0) -> Self:
        """Count a shard, given the reason of each rejected row. Its files have no sizes yet."""
        return cls(name, rows, kept, dict(Counter(reasons)), {}, device_seconds)

    @property
    def split(self) -> str:
        return split_and_number(self.name)[0]

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError, TypeError, LostRowsError: it is not a record.
        """
        values = json.loads(text)
        if "label_seconds" in values:  # the name in markers of earlier versions
            values["device_seconds"] = values.pop("label_seconds")
        return cls(**values)


def read_record(output: Folder, name: str) -> Record:
    """Read the marker of a finished shard."""
    return Record.from_json(output.read(f"{MARKERS}/{name}.json"))


def split_and_number(name: str) -> tuple[str, str]:
    """Take the name of a shard apart: `train-00042` is ("train", "00042")."""
    split, _, number = name.rpartition("-")
    return split, number


def shard_file(name: str, folder: str) -> str:
    """Return where the rows of a folder go, relative to the output."""
    split, number = split_and_number(name)
    return f"{folder}/{split}/{number}.parquet"


def read_rows(
    output: Folder, shard: str, folder: str, schema: pa.Schema, columns: list[str] | None = None
) -> pa.Table:
    """Read the rows of a shard's file. A file that is absent has none."""
    name = shard_file(shard, folder)
    if output.exists(name):
        return output.read_table(name, columns=columns)
    return schema.empty_table().select(columns or schema.names)


def claim(output: Folder, owner: str, about: dict[str, Any]) -> None:
    """Make a run the owner of an output. Whoever owned it before can commit nothing more."""
    output.write_json(RUN, {"run": owner, **about})


def check_owner(output: Folder, owner: str) -> None:
    """Check that an output still belongs to a run.

    Raises:
        TakenOverError: it belongs to another one.
    """
    found = json.loads(output.read(RUN))
    if found["run"] != owner:
        raise TakenOverError(f"{output.url} was taken over by run {found['run']} (started {found.get('started')})")


def commit_shard(
    output: Folder,
    owner: str,
    record: Record,
    tables: dict[str, list[pa.Table]],
    options: dict[str, dict[str, Any]] | None = None,
) -> Record:
    """Write a shard's files, then its marker.

    Args:
        record: the counts. The sizes are filled in here.
        tables: by folder (`rgbd`, `rejects`), the row groups of its file. An empty list removes the file.
        options: by folder, arguments of the parquet writer.

    Raises:
        TakenOverError: the output belongs to another run. At most files without a marker were written.
    """
    check_owner(output, owner)
    sizes = {}
    for folder, groups in tables.items():
        name = shard_file(record.name, folder)
        if groups:
            sizes[name] = output.write_tables(name, groups, **(options or {}).get(folder, {}))
        else:
            output.delete(name)
    done = replace(record, sizes=sizes)
    check_owner(output, owner)
    output.write(f"{MARKERS}/{done.name}.json", done.to_json().encode())
    return done


def finished(output: Folder, shards: list[Shard], folders: tuple[str, str]) -> dict[str, Record]:
    """Find the shards that are done: their records, by name.

    Args:
        folders: those of kept and of rejected rows.
    """
    markers = output.sizes(MARKERS, ".json")
    present = {name: size for folder in folders for name, size in output.sizes(folder, ".parquet").items()}
    wanted = {shard.name: shard for shard in shards}
    names = [name for name in markers if name.rsplit("/", 1)[-1].removesuffix(".json") in wanted]
    records = {}
    for content in output.read_many(names):
        try:
            record = Record.from_json(content)
        except (ValueError, TypeError, LostRowsError):
            continue  # a damaged marker does not count
        if record.name not in wanted:  # the file was renamed
            continue
        shard = wanted[record.name]
        expected = {shard.file(folder): present.get(shard.file(folder)) for folder in folders}
        if record.rows == shard.rows and record.sizes == {k: v for k, v in expected.items() if v is not None}:
            records[record.name] = record
    return records


@contextmanager
def redone_if_damaged(output: Folder, name: str) -> Iterator[None]:
    """Delete a shard's marker when one of its files turns out to be damaged: the next run makes the shard again."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        if is_damage(error):
            forget(output, [name])
            error.add_note(f"run the same command again: it makes the shard {name} again")
        raise


def forget(output: Folder, names: list[str]) -> None:
    """Delete the markers of shards, so that the next run makes them again."""
    for name in names:
        output.delete(f"{MARKERS}/{name}.json")


def totals(records: list[Record]) -> tuple[int, int, dict[str, int]]:
    """Add up many shards: rows read, rows kept, rows rejected by reason."""
    rejected: Counter[str] = Counter()
    for record in records:
        rejected.update(record.rejected)
    return sum(r.rows for r in records), sum(r.kept for r in records), dict(sorted(rejected.items()))


def require_kept(records: Iterable[Record], remedy: str) -> None:
    """Check that a stage has made anything of its rows: total failure must not pass for an end.

    Raises:
        NothingKeptError: every row was rejected.
    """
    rows, kept, rejected = totals(list(records))
    if rows and not kept:
        reasons = ", ".join(f"{reason} ({count})" for reason, count in rejected.items())
        raise NothingKeptError(f"all {rows} rows were rejected: {reasons}. {remedy}")
