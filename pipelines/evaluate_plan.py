"""What a run of `evaluate` works on: sets of pictures, what is to be measured of each, all of it checked first."""

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from ldm3d.config import EvaluateConfig
from ldm3d.measures.prepare import Size, picture_of
from ldm3d.rejected import Rejected
from pipelines.commit import Record, Shard
from pipelines.local_paths import absolute
from pipelines.measures import DEPTH, FEATURES, RECONSTRUCTION, SIMILARITY
from pipelines.picture_rows import PartRows
from pipelines.picture_sets import Part, PictureSet, open_sets
from pipelines.preflight import check_apart
from pipelines.storage import Folder

logger = logging.getLogger(__name__)

Role = Literal["input", "reference", "corpus"]
PRINT = 12  # hex digits of a fingerprint in the names of folders


@dataclass(frozen=True, eq=False)
class Measured:
    """A set of pictures, and how it is measured.

    size: H, W that its pictures are brought to, None as they are. measures: names.
    """

    pictures: PictureSet
    role: Role
    size: Size | None
    measures: tuple[str, ...]

    def fingerprint(self, config: EvaluateConfig) -> str:
        """Hex, of the pictures as networks see them."""
        seen = [self.pictures.fingerprint, self.size, config.pictures.resize if self.size else None]
        return hashlib.sha256(json.dumps(seen).encode()).hexdigest()


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
    config: with absolute paths, as workers may run in another folder than the driver.
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
        config = _absolute(config)
        opened = [each for given in config.input for each in open_sets(given, config.shard_pictures, "--input")]
        _require_names(opened)
        size = (config.pictures.size,) * 2 if config.pictures.size else None
        sets = [Measured(each, "input", size, tuple(_measures(each, config))) for each in opened]
        if config.reference is not None and {"fid", "kid"} & set(config.metrics):
            sets.append(_reference(config, opened, size))
        if config.reconstruction.models and "autoencoder" in config.metrics:
            sets.append(_corpus(config))
        for each in sets:
            check_apart(each.pictures.url, config.output)
        return cls(config, sets, list(_left_out(config, sets)), _keys(config.pictures.keys))

    @property
    def measures(self) -> list[str]:
        """Every measure that is needed, each once."""
        return list(dict.fromkeys(name for each in self.sets for name in each.measures))

    @property
    def autoencoders(self) -> list[str]:
        """What those that are measured are called."""
        named = [model.rpartition("=") for model in self.config.reconstruction.models]
        return [name or path.rstrip("/").rpartition("/")[2] for name, _, path in named]

    def role(self, role: Role) -> list[Measured]:
        return [each for each in self.sets if each.role == role]

    def shard(self, measured: Measured, measure: str, number: int, fingerprints: dict[str, str]) -> Shard:
        """Where what a measure says of a part goes."""
        what = f"{measure.partition('.')[0]}-{fingerprints[measure][:PRINT]}"
        name = f"{measured.fingerprint(self.config)[:PRINT]}.{what}-{number:05d}"
        part = measured.pictures.parts[number]
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
            for number, part in enumerate(measured.pictures.parts):
                shards = {name: self.shard(measured, name, number, fingerprints) for name in measured.measures}
                # a set may be given in two roles: its pictures are read once
                place, rows = f"{measured.fingerprint(self.config)}-{number}", self.rows_of(measured, part)
                known = tasks.setdefault(place, Task(rows, {}))
                known.shards.update(shards)
        return [task for task in tasks.values() if task.shards]


def _absolute(config: EvaluateConfig) -> EvaluateConfig:
    """Where workers find what the settings name."""
    perceptual = config.reconstruction.perceptual
    depth = replace(
        config.depth,
        reference=absolute(config.depth.reference),
        peer=config.depth.peer and absolute(config.depth.peer),
    )
    return replace(
        config,
        output=Folder(config.output).url,
        inception=replace(config.inception, weights=absolute(config.inception.weights)),
        clip=replace(config.clip, model=absolute(config.clip.model)),
        depth=depth,
        reconstruction=replace(
            config.reconstruction,
            models=tuple(_absolute_named(model) for model in config.reconstruction.models),
            perceptual=replace(perceptual, weights=absolute(perceptual.weights)),
        ),
    )


def _absolute_named(model: str) -> str:
    name, separator, path = model.rpartition("=")
    return f"{name}{separator}{absolute(path)}"


def _require_names(opened: list[PictureSet]) -> None:
    names = [each.name for each in opened]
    if again := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"--input names {again[0]!r} twice; give one of them as NAME=PATH")


def _measures(pictures: PictureSet, config: EvaluateConfig) -> Iterator[str]:
    """What of a set can be measured, of what is asked for."""
    asked = set(config.metrics)
    if "inception_score" in asked or (config.reference is not None and {"fid", "kid"} & asked):
        yield FEATURES
    if "clip" in asked and "caption" in pictures.columns:
        yield SIMILARITY
    if "depth" in asked and ("depth" in pictures.columns or config.depth.peer):
        yield DEPTH


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


def _reference(config: EvaluateConfig, opened: list[PictureSet], size: Size | None) -> Measured:
    """The real pictures, at the size of the samples."""
    found = open_sets(str(config.reference), config.shard_pictures, "--reference")
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise ValueError(f"--reference {config.reference!r} holds several sets ({names}); give the folder of one")
    return Measured(found[0], "reference", size or (_size_of(opened[0]) if opened else None), (FEATURES,))


def _corpus(config: EvaluateConfig) -> Measured:
    """What autoencoders reconstruct, as it is."""
    (found,) = open_sets(str(config.reconstruction.corpus), config.shard_pictures, "--reconstruction.corpus")[:1]
    models = range(len(config.reconstruction.models))
    return Measured(found, "corpus", None, (FEATURES, *(f"{RECONSTRUCTION}.{place}" for place in models)))


def _keys(file: str | None) -> NDArray[np.int64] | None:
    """The column `key` of a parquet file.

    Raises:
        ValueError: there is no such thing.
    """
    if file is None:
        return None
    try:
        return np.asarray(Folder(file).read_table("", columns=["key"])["key"].to_numpy(), np.int64)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"pictures.keys {file!r} is no parquet file with a column `key`: {error}") from error


def _size_of(pictures: PictureSet) -> Size:
    """H, W of the first picture of a set.

    Raises:
        ValueError: it cannot be read.
    """
    folder, first = Folder(pictures.url), pictures.parts[0].files[0]
    if pictures.columns["image"] == "file":
        content = folder.read(first)
    else:
        row = next(folder.read_batches(first, ["image"], 1)).to_pylist()[0]["image"]
        content = row["bytes"] if isinstance(row, dict) else row
    try:
        image = picture_of(content, None)
    except (Rejected, TypeError) as error:
        raise ValueError(f"{pictures.url}/{first}: its first picture cannot be read ({error})") from error
    return int(image.shape[0]), int(image.shape[1])


def picture_names(measured: Measured) -> tuple[np.ndarray, np.ndarray]:
    """Keys and numbers of all pictures of a set, in the order of its parts."""
    parts = measured.pictures.parts
    return np.concatenate([part.keys for part in parts]), np.concatenate([part.numbers for part in parts])
