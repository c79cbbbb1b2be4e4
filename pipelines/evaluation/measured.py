"""Sets of pictures of an evaluation: which, at what size, and what of each can be measured."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from ldm3d.config import EvaluateConfig
from ldm3d.config.named import named
from ldm3d.decode.header import read_header
from ldm3d.measures.prepare import Size
from ldm3d.reject import Rejected
from pipelines.evaluation.networks import DEPTH, FEATURES, RECONSTRUCTION, SIMILARITY
from pipelines.evaluation.picture_sets import PictureSet, open_sets
from pipelines.storage.folder import Folder

Role = Literal["input", "reference", "corpus"]
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


def measured_sets(config: EvaluateConfig) -> list[Measured]:
    """Those of the input, then the real pictures, then the corpus, as far as they are asked for.

    Raises:
        ValueError: a set cannot be read, or two have one name, or they do not go together.
    """
    opened = [each for given in config.input for each in open_sets(given, config.shard_pictures, "--input")]
    _require_names([each.name for each in opened], "--input")
    _require_names([named(model)[0] for model in config.reconstruction.models], "--reconstruction.models")
    size = (config.pictures.size,) * 2 if config.pictures.size else None
    sets = [Measured(each, "input", size, tuple(_measures(each, config)), _size_of(each)) for each in opened]
    if config.reference is not None and {"fid", "kid"} & set(config.metrics):
        sets.append(_reference(config, list(sets), size))
    if config.reconstruction.models and "autoencoder" in config.metrics:
        sets.append(_corpus(config))
    return sets


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
