"""What a run of `evaluate` works on: sets of pictures, what is to be measured of each, all of it checked first."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ldm3d.config import EvaluateConfig
from ldm3d.config.named import named
from pipelines.evaluation.feature_rows import Chosen
from pipelines.evaluation.measured import Measured, Role, measured_sets
from pipelines.evaluation.picture_rows import PartRows
from pipelines.evaluation.picture_sets import Part
from pipelines.storage.folder import Folder
from pipelines.storage.run import check_apart
from pipelines.storage.shards import Record, Shard

PRINT = 12  # hex digits of a fingerprint in the names of folders


@dataclass(frozen=True)
class Task:
    """A part of a set and the shards that it becomes, by measure."""

    part: PartRows
    shards: dict[str, Shard]

    def without(self, done: dict[str, Record]) -> "Task":
        return Task(self.part, {name: shard for name, shard in self.shards.items() if shard.name not in done})

    def to_json(self) -> str:
        shards = {name: shard.name for name, shard in self.shards.items()}
        return json.dumps({"part": asdict(self.part), "shards": shards})


@dataclass(frozen=True)
class EvaluatePlan:
    """
    sets: each once, even where it is given twice.
    left_out: what was asked for and the input does not allow, a sentence each.
    keys: of the pictures that may count; None are all.
    """

    config: EvaluateConfig
    sets: list[Measured]
    left_out: list[str]
    keys: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, config: EvaluateConfig) -> Self:
        """
        Raises:
            ValueError: the input will not do.
        """
        if not config.input and not config.reconstruction.models:
            raise ValueError("--input is missing: give sets of pictures, or autoencoders (--reconstruction.models)")
        sets = measured_sets(config)
        for given in (*config.input, config.reference, config.reconstruction.corpus):
            if given is not None:
                check_apart(Folder(named(given)[1]).url, config.output)
        plan = cls(config, sets, list(_left_out(config, sets)), _keys(config.pictures.keys))
        plan._require_pictures()
        return plan

    def _require_pictures(self) -> None:
        """
        Raises:
            ValueError: nothing can be measured, or fewer than two pictures of a set count.
        """
        if not any(each.measures for each in self.sets if each.role != "reference"):
            raise ValueError(f"nothing can be measured: {' '.join(self.left_out) or 'the input holds no pictures.'}")
        for each in self.sets:
            if (count := len(self.chosen(each))) < 2:
                raise ValueError(
                    f"{each.pictures.url!r}: {count} of its {each.pictures.rows} pictures count, wanted two or more; "
                    "see --pictures.keys and --pictures.count"
                )

    def chosen(self, measured: Measured) -> Chosen:
        """The pictures of a set that count: all of the reference."""
        if measured.role == "reference":
            return Chosen.of(*measured.pictures.names())
        return Chosen.of(*measured.pictures.names(), self.config.pictures.count, self.keys)

    @property
    def measures(self) -> list[str]:
        """Every measure that is needed, each once."""
        return list(dict.fromkeys(name for each in self.sets for name in each.measures))

    @property
    def autoencoders(self) -> list[str]:
        """What those that are measured are called."""
        return [named(model)[0] for model in self.config.reconstruction.models]

    def role(self, role: Role) -> list[Measured]:
        return [each for each in self.sets if each.role == role]

    def shard(self, measured: Measured, measure: str, part: Part, fingerprints: dict[str, str]) -> Shard:
        """Where what a measure says of a part goes: named by the content of both, wherever else the part is."""
        what = f"{measure.partition('.')[0]}-{fingerprints[measure][:PRINT]}"
        name = f"{what}.{measured.look(self.config)}-{part.fingerprint[: 2 * PRINT]}"
        return Shard(name, part.files[0], None, len(part.keys))

    def rows_of(self, measured: Measured, part: Part) -> PartRows:
        """What of a part is read, and how it is looked at."""
        return PartRows(
            measured.pictures.url,
            list(part.files),
            measured.pictures.columns,
            part.keys.tolist(),
            part.numbers.tolist(),
            measured.size,
            self.config.pictures.resize,
        )

    def tasks(self, fingerprints: dict[str, str]) -> list[Task]:
        """
        Args:
            fingerprints: of the measures, by name.
        """
        tasks: dict[str, Task] = {}
        for measured in self.sets:
            for part in measured.pictures.parts:
                shards = {name: self.shard(measured, name, part, fingerprints) for name in measured.measures}
                # a set may be given in two roles: its pictures are read once
                place = f"{measured.look(self.config)} {part.fingerprint}"
                known = tasks.setdefault(place, Task(self.rows_of(measured, part), {}))
                known.shards.update(shards)
        return [task for task in tasks.values() if task.shards]


def _left_out(config: EvaluateConfig, sets: list[Measured]) -> Iterator[str]:
    asked = set(config.metrics)
    if {"fid", "kid"} & asked and config.reference is None and config.input:
        yield "FID and KID: no real pictures were given (--reference)."
    if "autoencoder" in asked and not config.reconstruction.models:
        yield "Autoencoders: none were given (--reconstruction.models)."
    for each in sets:
        if each.role == "input" and "clip" in asked and "caption" not in each.pictures.columns:
            yield f"CLIP similarity of {each.pictures.name}: its pictures have no captions."
        if each.role == "input" and "depth" in asked and "depth" not in each.pictures.columns:
            yield f"Depth of {each.pictures.name}: its pictures have none."


def _keys(file: str | None) -> NDArray[np.int64] | None:
    """The column `key` of a parquet file.

    Raises:
        ValueError: there is no such thing.
    """
    if file is None:
        return None
    try:
        column = Folder(file).read_table("", columns=["key"])["key"]
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"pictures.keys {file!r} is no parquet file with a column `key`: {error}") from error
    if not pa.types.is_integer(column.type) or column.null_count:
        raise ValueError(f"pictures.keys {file!r} has a key that is no whole number somewhere; mend it")
    return np.asarray(column.to_numpy(), np.int64)
