"""Exactly-once output: what a finished shard is, and which shards are still to be done.

The unit of commit is the shard, a fixed set of rows whose name and files are fixed before work starts:

    rgbd/train/00042.parquet        the rows that were kept      (absent when there are none)
    rejects/train/00042.parquet     the rows that were rejected  (absent when there are none)
    _state/shards/train-00042.json  the marker, written last: counts and file sizes

A shard is done when its marker is there and its files have the sizes that the marker says. Because the names do not
depend on who writes them, work that is done twice (a retried task, a worker that outlives its driver, a marker that
was lost) replaces rows and never doubles them. A run owns its output through `_state/run.json`: one that finds another
run's name there stops writing.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from pipelines.storage.folder import Folder, is_damage

RUN = "_state/run.json"
MARKERS = "_state/shards"
CORPUS = ("rgbd", "rejects")  # folders of a corpus: of the rows that are kept, and of the others


class TakenOverError(RuntimeError):
    """Another run owns the output now."""


class LostRowsError(RuntimeError):
    """Rows read are not rows kept and rejected."""


@dataclass(frozen=True)
class Shard:
    """A fixed set of input rows, processed and committed together.

    name: `<split>-<number>`; source: the file with its rows, relative to `folder`; row_group: which of the file's row
    groups holds them, None for all; rows: how many they are.
    """

    name: str
    source: str
    row_group: int | None
    rows: int

    def file(self, contract: str) -> str:
        """Where rows of a contract go, relative to the output: `rgbd`, `rejects` and so on."""
        return shard_file(self.name, contract)


@dataclass(frozen=True)
class Record:
    """The marker of a finished shard: rows = kept + the sum of rejected; sizes in bytes by file."""

    name: str
    rows: int
    kept: int
    rejected: dict[str, int]
    sizes: dict[str, int]
    label_seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.rows != self.kept + sum(self.rejected.values()):
            raise LostRowsError(
                f"shard {self.name}: {self.rows} rows read, but {self.kept} kept and {self.rejected} rejected: "
                "rows were lost or doubled, which is a fault of this program"
            )


def shard_file(name: str, contract: str) -> str:
    split, number = name.rsplit("-", 1)
    return f"{contract}/{split}/{number}.parquet"


def claim(output: Folder, run: str, about: dict[str, Any]) -> None:
    """Make `run` the owner of an output; whoever owned it before can commit no more."""
    output.write(RUN, json.dumps({"run": run, **about}, indent=2).encode())


def check_owner(output: Folder, run: str) -> None:
    """
    Raises:
        TakenOverError: the output belongs to another run.
    """
    owner = json.loads(output.read(RUN))
    if owner["run"] != run:
        raise TakenOverError(f"{output.url} was taken over by run {owner['run']} (started {owner.get('started')})")


def commit_shard(
    output: Folder,
    run: str,
    record: Record,
    tables: dict[str, list[pa.Table]],
    options: dict[str, dict[str, Any]] | None = None,
) -> Record:
    """Write a shard's files, then its marker.

    Args:
        record: the counts; its sizes are filled in here.
        tables: by contract (`rgbd`, `rejects`), the row groups of its file; an empty list removes the file.
        options: by contract, arguments of the parquet writer.

    Raises:
        TakenOverError: the output belongs to another run; nothing, or only files without a marker, was written.
    """
    check_owner(output, run)
    sizes = {}
    for contract, groups in tables.items():
        name = shard_file(record.name, contract)
        if groups:
            sizes[name] = output.write_tables(name, groups, **(options or {}).get(contract, {}))
        else:
            output.delete(name)
    done = Record(**{**asdict(record), "sizes": sizes})
    check_owner(output, run)
    output.write(f"{MARKERS}/{done.name}.json", json.dumps(asdict(done)).encode())
    return done


def finished(output: Folder, shards: list[Shard], contracts: tuple[str, str] = CORPUS) -> dict[str, Record]:
    """The records of the shards that are done, by name; files of other shards are left for them to replace."""
    markers = output.sizes(MARKERS, ".json")
    present = {name: size for contract in contracts for name, size in output.sizes(contract, ".parquet").items()}
    wanted = {shard.name: shard for shard in shards}
    names = [name for name in markers if name.rsplit("/", 1)[-1].removesuffix(".json") in wanted]
    records = {}
    for content in output.read_many(names):
        try:
            record = Record(**json.loads(content))
        except (ValueError, TypeError, LostRowsError):
            continue  # a damaged marker is no marker
        if record.name not in wanted:  # it was renamed
            continue
        shard = wanted[record.name]
        expected = {shard.file(contract): present.get(shard.file(contract)) for contract in contracts}
        if record.rows == shard.rows and record.sizes == {k: v for k, v in expected.items() if v is not None}:
            records[record.name] = record
    return records


@contextmanager
def redone_if_damaged(output: Folder, name: str) -> Iterator[None]:
    """Where a file of a shard turns out to be damaged, its marker goes, so that the next run does the shard again."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        if is_damage(error):
            forget(output, [name])
            error.add_note(f"the shard {name} is done again by the same command")
        raise


def forget(output: Folder, names: list[str]) -> None:
    """Take shards' markers away, so that the next run does them again."""
    for name in names:
        output.delete(f"{MARKERS}/{name}.json")


def totals(records: list[Record]) -> tuple[int, int, dict[str, int]]:
    """(rows, kept, rejected by reason) over many shards."""
    rejected: dict[str, int] = {}
    for record in records:
        for reason, count in record.rejected.items():
            rejected[reason] = rejected.get(reason, 0) + count
    return sum(r.rows for r in records), sum(r.kept for r in records), dict(sorted(rejected.items()))
