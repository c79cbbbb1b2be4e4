"""What a run of `evaluate` works on: sets of pictures, what is to be measured of each, all of it checked first."""

import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ldm3d.config import EvaluateConfig
from ldm3d.config.named import named
from ldm3d.decode.header import read_header
from ldm3d.measures.prepare import Size
from ldm3d.rejected import Rejected
from pipelines.commit import Record, Shard
from pipelines.feature_rows import Chosen
from pipelines.local_paths import absolute
from pipelines.measures import DEPTH, FEATURES, RECONSTRUCTION, SIMILARITY
from pipelines.picture_rows import PartRows
from pipelines.picture_sets import Part, PictureSet, open_sets
from pipelines.preflight import check_apart
from pipelines.storage import Folder

logger = logging.getLogger(__name__)

Role = Literal["input", "reference", "corpus"]
PRINT = 12  # hex digits of a fingerprint in the names of folders
TRIED = 16  # pictures of a part whose size is looked for


@dataclass(frozen=True, eq=False)
class Measured:
    """A set of pictures, and how it is measured.

    size: H, W that its pictures are brought to, None as they are. measures: names.
    seen: H, W of its first picture.
    """

    pictures: PictureSet
    role: Role
    size: Size | None
    measures: tuple[str, ...]
    seen: Size

    def look(self, config: EvaluateConfig) -> str:
        """How pictures are looked at, as names of folders have it."""
        return f"{self.size[0]}x{self.size[1]}-{config.pictures.resize}" if self.size else "as-they-are"

    @property
    def label(self) -> str:
        """A name that no other set of an evaluation has."""
        return self.pictures.name if self.role == "input" else f"{self.pictures.name} ({self.role})"


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
        _require_names([each.name for each in opened], "--input")
        _require_names([named(model)[0] for model in config.reconstruction.models], "--reconstruction.models")
        size = (config.pictures.size,) * 2 if config.pictures.size else None
        sets = [Measured(each, "input", size, tuple(_measures(each, config)), _size_of(each)) for each in opened]
        if config.reference is not None and {"fid", "kid"} & set(config.metrics):
            sets.append(_reference(config, list(sets), size))
        if config.reconstruction.models and "autoencoder" in config.metrics:
            sets.append(_corpus(config))
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
    name, path = named(model)
    return f"{name}={absolute(path)}"


def _require_names(names: list[str], setting: str) -> None:
    if again := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{setting} names {again[0]!r} twice; give one of them as NAME=PATH")


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


def _reference(config: EvaluateConfig, samples: list[Measured], size: Size | None) -> Measured:
    """The real pictures, at the size of the samples.

    Raises:
        ValueError: the samples have several.
    """
    found = open_sets(str(config.reference), config.shard_pictures, "--reference")
    if len(found) != 1:
        names = ", ".join(each.name for each in found)
        raise ValueError(f"--reference {config.reference!r} holds {len(found)} sets ({names}); give the folder of one")
    sizes = {each.pictures.name: size or each.seen for each in samples}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"the sets of --input have pictures of several sizes ({sizes}); give one as --pictures.size")
    return Measured(found[0], "reference", next(iter(sizes.values()), None), (FEATURES,), _size_of(found[0]))


def _corpus(config: EvaluateConfig) -> Measured:
    """What autoencoders reconstruct, as it is."""
    found = open_sets(str(config.reconstruction.corpus), config.shard_pictures, "--reconstruction.corpus")
    if len(found) != 1:
        raise ValueError(f"--reconstruction.corpus {config.reconstruction.corpus!r} holds {len(found)} sets; give one")
    models = range(len(config.reconstruction.models))
    return Measured(
        found[0], "corpus", None, (FEATURES, *(f"{RECONSTRUCTION}.{place}" for place in models)), _size_of(found[0])
    )


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


def _size_of(pictures: PictureSet) -> Size:
    """H, W of the first picture of a set that can be read.

    Raises:
        ValueError: none of those that were tried can.
    """
    folder, file = Folder(pictures.url), pictures.columns["image"] == "file"
    for part in pictures.parts:
        contents: Iterable[Any] = map(folder.read, part.files)
        if not file:
            batches = folder.read_batches(part.files[0], ["image"], 1)
            contents = (batch.to_pylist()[0]["image"] for batch in batches)
        for content in islice(contents, TRIED):
            with suppress(Rejected, TypeError):
                header = read_header(content["bytes"] if isinstance(content, dict) else content)
                return header.height, header.width
    raise ValueError(f"{pictures.url!r}: no picture can be read; give others, or --pictures.size")
