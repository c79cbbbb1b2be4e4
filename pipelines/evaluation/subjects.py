"""What an evaluation measures: sets of pictures, each with its role, its size, and the networks that measure it."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from ldm3d.config import EvaluateConfig
from ldm3d.config.named import named
from ldm3d.decode.header import read_header
from ldm3d.immersive.sphere import is_panorama
from ldm3d.measures.prepare import Size
from ldm3d.reject import Rejected
from pipelines.evaluation.networks import (
    AGAINST_REAL,
    DEPTH,
    DINOV2,
    FEATURES,
    PANORAMA_DEPTH,
    RECONSTRUCTION,
    SEAM,
    SIMILARITY,
)
from pipelines.evaluation.picture_set import PictureSet
from pipelines.evaluation.picture_sets import open_sets
from pipelines.storage.folder import Folder

Role = Literal["input", "reference", "corpus"]
TRIED = 16  # pictures per part that are tried for their size


@dataclass(frozen=True, eq=False)
class Subject:
    """A set of pictures and how it is measured."""

    pictures: PictureSet
    role: Role
    size: Size | None
    """Height and width that its pictures are resized to; None leaves them as they are."""
    networks: tuple[str, ...]
    """Names of the networks that measure it."""
    seen: Size
    """Height and width of its first picture."""

    def look(self, config: EvaluateConfig) -> str:
        """How its pictures are prepared, as part of a folder's name."""
        return f"{self.size[0]}x{self.size[1]}-{config.pictures.resize}" if self.size else "as-they-are"

    @property
    def label(self) -> str:
        """A name that is unique within an evaluation."""
        return self.pictures.name if self.role == "input" else f"{self.pictures.name} ({self.role})"


def open_subjects(config: EvaluateConfig) -> list[Subject]:
    """Open the sets of the input, then the real pictures and the corpus if the metrics need them.

    Raises:
        ValueError: a set cannot be read, two have the same name, or they do not fit together.
    """
    opened = [each for given in config.input for each in open_sets(given, config.shard_pictures, "--input")]
    _require_unique([each.name for each in opened], "--input")
    _require_unique([named(model)[0] for model in config.reconstruction.models], "--reconstruction.models")
    size = (config.pictures.size,) * 2 if config.pictures.size else None
    subjects = []
    for each in opened:
        seen = _size_of(each)
        subjects.append(Subject(each, "input", size, tuple(_networks(each, config, size or seen)), seen))
    if config.reference is not None and AGAINST_REAL.keys() & set(config.metrics):
        subjects.append(_reference(config, list(subjects), size))
    if config.reconstruction.models and "autoencoder" in config.metrics:
        subjects.append(_corpus(config))
    return subjects


def _require_unique(names: list[str], setting: str) -> None:
    if again := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{setting} names {again[0]!r} twice; give one of them as NAME=PATH")


def _networks(pictures: PictureSet, config: EvaluateConfig, size: Size) -> Iterator[str]:
    """Yield the networks that the metrics need and the set, whose pictures have a size, allows."""
    asked, comparing = set(config.metrics), _comparing(config)
    if "inception_score" in asked or FEATURES in comparing:
        yield FEATURES
    if ("clip" in asked and "caption" in pictures.columns) or SIMILARITY in comparing:
        yield SIMILARITY
    if DINOV2 in comparing:
        yield DINOV2
    if {"depth", "depth_edges"} & asked and ("depth" in pictures.columns or config.depth.peer):
        yield DEPTH
    if is_panorama(*size):
        if PANORAMA_DEPTH in asked and ("depth" in pictures.columns or config.depth.peer):
            yield PANORAMA_DEPTH
        if SEAM in asked:
            yield SEAM


def _comparing(config: EvaluateConfig) -> tuple[str, ...]:
    """Return the networks that see real pictures, too."""
    if config.reference is None:
        return ()
    return tuple(dict.fromkeys(network for metric, network in AGAINST_REAL.items() if metric in config.metrics))


def _reference(config: EvaluateConfig, samples: list[Subject], size: Size | None) -> Subject:
    """Open the real pictures, at the size of the samples.

    Raises:
        ValueError: there are several sets, or samples of several sizes.
    """
    found = open_sets(str(config.reference), config.shard_pictures, "--reference")
    if len(found) != 1:
        names = ", ".join(each.name for each in found)
        raise ValueError(f"--reference {config.reference!r} holds {len(found)} sets ({names}); give the folder of one")
    sizes = {each.pictures.name: size or each.seen for each in samples}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"the sets of --input have pictures of several sizes ({sizes}); give one as --pictures.size")
    return Subject(found[0], "reference", next(iter(sizes.values()), None), _comparing(config), _size_of(found[0]))


def _corpus(config: EvaluateConfig) -> Subject:
    """Open the pictures that autoencoders reconstruct, as they are."""
    found = open_sets(str(config.reconstruction.corpus), config.shard_pictures, "--reconstruction.corpus")
    if len(found) != 1:
        raise ValueError(f"--reconstruction.corpus {config.reconstruction.corpus!r} holds {len(found)} sets; give one")
    autoencoders = (f"{RECONSTRUCTION}.{place}" for place in range(len(config.reconstruction.models)))
    return Subject(found[0], "corpus", None, (FEATURES, *autoencoders), _size_of(found[0]))


def _size_of(pictures: PictureSet) -> Size:
    """Return height and width of the first readable picture of a set.

    Raises:
        ValueError: none of the pictures tried can be read.
    """
    folder, is_file = Folder(pictures.url), pictures.columns["image"] == "file"
    for part in pictures.parts:
        contents: Iterable[Any] = map(folder.read, part.files)
        if not is_file:
            batches = folder.read_batches(part.files[0], ["image"], 1)
            contents = (batch.to_pylist()[0]["image"] for batch in batches)
        for content in islice(contents, TRIED):
            with suppress(Rejected, TypeError):
                header = read_header(content["bytes"] if isinstance(content, dict) else content)
                return header.height, header.width
    raise ValueError(f"{pictures.url!r}: no picture can be read; give others, or --pictures.size")
