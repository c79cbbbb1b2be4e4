"""What a run of `evaluate` works on: subjects and the networks that measure them, checked before any work."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ldm3d.config import EvaluateConfig
from ldm3d.config.named import named
from ldm3d.immersive.sphere import is_panorama
from ldm3d.models.unreadable import require_made
from ldm3d.results.metrics import METRICS
from pipelines.evaluation.chosen import Chosen
from pipelines.evaluation.networks import AGAINST_REAL, DEPTH, PANORAMA_DEPTH, SIMILARITY
from pipelines.evaluation.picture_rows import PartRows
from pipelines.evaluation.picture_set import Part
from pipelines.evaluation.picture_sets import without_pictures
from pipelines.evaluation.subjects import Role, Subject, open_subjects
from pipelines.evaluation.task import Task
from pipelines.storage.folder import Folder
from pipelines.storage.run import check_apart
from pipelines.storage.shards import Shard

OF_PANORAMAS = {"panorama_depth", "seam"}
OF_DEPTH = {"depth", "depth_edges", "panorama_depth"}
TITLES = {"precision_recall": "Precision and recall"}  # of metrics that have several results
PRINT = 12  # hex digits of a fingerprint in folder names


@dataclass(frozen=True)
class EvaluatePlan:
    """Subjects, networks, and the shards that their measurements become."""

    config: EvaluateConfig
    subjects: list[Subject]
    left_out: list[str]
    """What was asked for but the input does not allow, a sentence each."""
    keys: NDArray[np.int64] | None = None
    """Keys of the pictures that may count; None allows all."""
    fingerprints: dict[str, str] = field(default_factory=dict)
    """Fingerprints of the networks by name; empty until they have been tried (`with_networks`)."""
    judges: dict[str, str] = field(default_factory=dict)
    """The same, except that an autoencoder has the fingerprint of what measures it, without the autoencoder."""

    @classmethod
    def of(cls, config: EvaluateConfig) -> Self:
        """Open the subjects.

        Raises:
            ValueError: the input is missing, unusable, or allows none of the metrics.
        """
        if not config.input and not config.reconstruction.models:
            raise ValueError("--input is missing: give sets of pictures, or autoencoders (--reconstruction.models)")
        for given in (*config.input, config.reference, config.reconstruction.corpus):
            if given is not None:
                check_apart(named(given)[1], config.output)
        subjects = open_subjects(config)
        plan = cls(config, subjects, list(_left_out(config, subjects)), _keys(config.pictures.keys))
        plan._require_pictures()
        _require_made(config, plan.networks)
        return plan

    def with_networks(self, fingerprints: dict[str, str], judges: dict[str, str]) -> Self:
        """Add what was learnt by trying the networks."""
        return replace(self, fingerprints=fingerprints, judges=judges)

    def _require_pictures(self) -> None:
        """Raise ValueError if nothing can be measured, or fewer than two pictures of a subject count."""
        if not any(each.networks for each in self.subjects if each.role != "reference"):
            raise ValueError(f"nothing can be measured: {' '.join(self.left_out) or 'the input holds no pictures.'}")
        for each in self.subjects:
            if (count := len(self.chosen(each))) < 2:
                raise ValueError(
                    f"{each.pictures.url!r}: pictures that count: {count} of {each.pictures.rows}, wanted two or "
                    "more; see --pictures.keys and --pictures.count"
                )

    def chosen(self, subject: Subject) -> Chosen:
        """Return the pictures of a subject that count; all of the reference do."""
        if subject.role == "reference":
            return Chosen.of(*subject.pictures.names())
        return Chosen.of(*subject.pictures.names(), self.config.pictures.count, self.keys)

    @property
    def networks(self) -> list[str]:
        """Names of all networks needed."""
        return list(dict.fromkeys(name for each in self.subjects for name in each.networks))

    @property
    def autoencoders(self) -> list[str]:
        """Names of the autoencoders that are measured."""
        return [named(model)[0] for model in self.config.reconstruction.models]

    def role(self, role: Role) -> list[Subject]:
        return [each for each in self.subjects if each.role == role]

    def shard(self, subject: Subject, network: str, part: Part) -> Shard:
        """Return the shard of a network's measurements of a part, named by the content of both."""
        kind, fingerprint = network.partition(".")[0], self.fingerprints[network]
        folder = f"{kind}-{fingerprint[:PRINT]}.{subject.look(self.config)}"
        return Shard(f"{folder}-{part.fingerprint[: 2 * PRINT]}", part.files[0], None, len(part.keys))

    def rows_of(self, subject: Subject, part: Part) -> PartRows:
        """Return how a part is read and prepared."""
        return PartRows(
            url=subject.pictures.url,
            files=list(part.files),
            columns=subject.pictures.columns,
            key=part.keys.tolist(),
            number=part.numbers.tolist(),
            size=subject.size,
            resize=self.config.pictures.resize,
        )

    def tasks(self) -> list[Task]:
        """Return all tasks; needs `with_networks`."""
        tasks: dict[str, Task] = {}
        for subject in self.subjects:
            for part in subject.pictures.parts:
                shards = {name: self.shard(subject, name, part) for name in subject.networks}
                # a set may be given in two roles: its pictures are read once
                place = f"{subject.look(self.config)} {part.fingerprint}"
                known = tasks.setdefault(place, Task(self.rows_of(subject, part), {}))
                known.shards.update(shards)
        return [task for task in tasks.values() if task.shards]


def _require_made(config: EvaluateConfig, networks: list[str]) -> None:
    """Raise ValueError if a network of the demo is asked for and not there: it takes a cluster to try the others."""
    kinds = {name.partition(".")[0] for name in networks}
    if SIMILARITY in kinds:
        require_made("--clip.model", config.clip.model)
    if {DEPTH, PANORAMA_DEPTH} & kinds:
        require_made("--depth.reference", config.depth.reference)
        if config.depth.peer is not None:
            require_made("--depth.peer", config.depth.peer)


def _left_out(config: EvaluateConfig, subjects: list[Subject]) -> Iterator[str]:
    for name in (name for given in config.input for name in without_pictures(given)):
        yield f"{name}: all of its samples were rejected, so there is nothing to measure."
    asked = set(config.metrics)
    if config.reference is None and config.input:
        if {"fid", "kid"} & asked:
            yield "FID and KID: no real pictures were given (--reference)."
        for metric in AGAINST_REAL:
            if metric in asked and metric not in ("fid", "kid"):
                yield f"{TITLES.get(metric) or METRICS[metric].title}: no real pictures were given (--reference)."
    if "autoencoder" in asked and not config.reconstruction.models:
        yield "Autoencoders: none were given (--reconstruction.models)."
    for each in subjects:
        if each.role == "input" and "clip" in asked and "caption" not in each.pictures.columns:
            yield f"CLIP similarity of {each.pictures.name}: its pictures have no captions."
        if each.role == "input" and OF_DEPTH & asked and "depth" not in each.pictures.columns:
            yield f"Depth of {each.pictures.name}: its pictures have none."
        if each.role == "input" and OF_PANORAMAS & asked and not is_panorama(*(each.size or each.seen)):
            height, width = each.size or each.seen
            yield (
                f"Panoramic depth and seams of {each.pictures.name}: its pictures are seen at {width} x {height}, and "
                "panoramas are twice as wide as high."
            )


def _keys(file: str | None) -> NDArray[np.int64] | None:
    """Read the column `key` of a parquet file.

    Raises:
        ValueError: the file or column cannot be read, or does not hold whole numbers.
    """
    if file is None:
        return None
    try:
        column = Folder(file).read_table("", columns=["key"])["key"]
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"--pictures.keys {file!r} is not a parquet file with a column `key`: {error}") from error
    if not pa.types.is_integer(column.type) or column.null_count:
        raise ValueError(
            f"--pictures.keys {file!r} has a column `key` of type {column.type} with {column.null_count} nulls, "
            "wanted whole numbers and no nulls: correct it"
        )
    return np.asarray(column.to_numpy(), np.int64)
