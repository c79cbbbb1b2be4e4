"""Shards of planned panoramas -> folders of files, and committed shards that list them, on actors."""

import json
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray

from ldm3d.config import DepthFusionConfig
from ldm3d.fusion.behind import behind_of
from ldm3d.fusion.estimate import PanoramaEstimator
from ldm3d.fusion.panorama import Panorama
from ldm3d.fusion.place import write_place
from ldm3d.fusion.redraw import Redrawer
from ldm3d.fusion.unmeasured import Unmeasured
from ldm3d.reject import Reason, Rejected
from ldm3d.sampling.samples import NotFiniteError
from ldm3d.schema import PLACES, conform, reject_rows
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Record, check_owner, commit_shard, split_and_number
from pipelines.views.depth_model import open_estimator
from pipelines.views.read_panorama import name_of, read_panorama
from pipelines.workers.resources import prepare_process

FOLDERS = ("facts", "rejects")  # folders of rows in the output
FILES = "places"  # folder of the places' own folders
STAGE = "depth_fusion"


@dataclass(frozen=True)
class Rendering:
    """What the actors of a run need to know."""

    config: DepthFusionConfig
    is_drawn: bool
    """Whether `generate` made the panoramas."""
    model: "ray.ObjectRef | None"
    """The pipeline that redraws them, or what they hide, in the object store."""
    depth_model: str | None
    """Fingerprint of what estimates depth where there is no map."""
    cpus: float
    """CPUs of an actor."""
    owner: str
    provenance: dict[str, Any]
    """Metadata of each file of rows."""


class ShardRenderer:
    """Makes places of the panoramas of shards.

    INPUT   one shard: name, source, row_group
    OUTPUT  record, the JSON of its `Record`; its files are committed
    Fan-out 1:1

    Two calls may run at once: while one place is rendered, the files of the previous one are written.
    """

    def __init__(self, work: Rendering) -> None:
        prepare_process(work.cpus)
        self.work, self.output = work, Folder(work.config.output)
        self.turn = threading.Lock()
        self.redrawer = None if work.model is None else Redrawer(ray.get(work.model), work.config)
        self.estimator: PanoramaEstimator | None = None
        if work.depth_model is not None:
            self.estimator = open_estimator(work.config.depth, work.depth_model)

    def __call__(self, shards: pa.Table) -> pa.Table:
        (shard,) = shards.to_pylist()
        check_owner(self.output, self.work.owner)
        planned = self.output.read_table(shard["source"], row_group=shard["row_group"])
        kept, rejected = [], []
        for row in planned.to_pylist():
            folder = folder_of(split_and_number(shard["name"])[0], row["key"], row["number"])
            try:
                kept.append(self._placed(row, folder))
            except Rejected as error:
                self.output.delete(folder)  # of an earlier attempt
                rejected.append((row, error))
        record = Record.of(shard["name"], planned.num_rows, len(kept), [str(error.reason) for _, error in rejected])
        tables = {"facts": _table(kept, self.work.provenance), "rejects": _rejects(rejected)}
        return pa.table({"record": [commit_shard(self.output, self.work.owner, record, tables).to_json()]})

    def _placed(self, row: dict[str, Any], folder: str) -> dict[str, Any]:
        """Write the files of a place. Returns its row of `places/v1`."""
        with tempfile.TemporaryDirectory() as scratch:
            with self.turn:
                panorama = self._panorama(row)
                behind = behind_of(self.work.config, self.redrawer, row["seed"], panorama.caption)
                try:
                    facts = write_place(panorama, self.work.config, Path(scratch), behind)
                except ValueError as error:
                    raise Rejected(Reason.RENDER_FAILED, str(error)) from error
                except NotFiniteError as error:
                    raise Rejected(Reason.GENERATE_FAILED, str(error)) from error
            sizes = self._upload(Path(scratch), folder)
        return {
            "key": row["key"],
            "number": row["number"],
            "title": panorama.title,
            "source": name_of(row),
            "folder": folder,
            "width": panorama.picture.shape[1],
            "height": panorama.picture.shape[0],
            "nearest": panorama.near,
            "farthest": panorama.far,
            "files": json.dumps(sizes),
            "depth": json.dumps(facts["depth"]),
        }

    def _panorama(self, row: dict[str, Any]) -> Panorama:
        panorama = read_panorama(row, self.work.config, is_drawn=self.work.is_drawn)
        if isinstance(panorama, Unmeasured):
            assert self.estimator is not None  # else it is rejected when it is read
            panorama = self.estimator(panorama)
        if self.redrawer is None or self.work.config.prompt is None:
            return panorama
        try:
            return self.redrawer(panorama, row["seed"])
        except (ValueError, NotFiniteError) as error:
            raise Rejected(Reason.GENERATE_FAILED, str(error)) from error

    def _upload(self, made: Path, folder: str) -> dict[str, int]:
        """Put files into the output, in place of what an earlier attempt left. Returns their sizes in bytes."""
        contents = {file.name: file.read_bytes() for file in sorted(made.iterdir())}
        for name, content in contents.items():
            self.output.write(f"{folder}/{name}", content)
        for name in self.output.sizes(folder).keys() - {f"{folder}/{name}" for name in contents}:
            self.output.delete(name)
        return {name: len(content) for name, content in contents.items()}


def folder_of(group: str, key: int, number: int) -> str:
    """Return the folder of a place, relative to the output."""
    return f"{FILES}/{group}/{key & (2**64 - 1):016x}-{number}"


def _table(rows: list[dict[str, Any]], provenance: dict[str, Any]) -> list[pa.Table]:
    """Return the row group of a shard; an empty one has none."""
    return [conform(pa.Table.from_pylist(rows, PLACES), "places/v1", provenance)] if rows else []


def _rejects(rejected: list[tuple[dict[str, Any], Rejected]]) -> list[pa.Table]:
    if not rejected:
        return []
    keys = pa.array([row["key"] for row, _ in rejected], pa.int64())
    reasons = [str(error.reason) for _, error in rejected]
    details = [f"{name_of(row)}: {error.detail}" for row, error in rejected]
    return [reject_rows(keys, STAGE, reasons, details)]
