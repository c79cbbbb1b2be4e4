"""Open the sets of pictures in a folder: samples of `generate`, a corpus, parquet files, or picture files."""

import hashlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ldm3d.config.named import named
from ldm3d.keys import make_key
from ldm3d.prompt_files import beside_pictures
from ldm3d.rows.captions import COLUMNS
from pipelines.evaluation.picture_set import Part, PictureSet
from pipelines.storage.folder import Folder, concurrently
from pipelines.storage.input_files import input_files
from pipelines.storage.inputs import require_finished
from pipelines.storage.run import CONFIG, SUCCESS

logger = logging.getLogger(__name__)

PARQUET = (".parquet",)
FILES = (".jpg", ".jpeg", ".png", ".webp")
WANTED = "the output of `generate`, a corpus, or a folder of parquet files with a column `image`, or of picture files"
FACTS = ("checkpoint", "training_step", "scheduler", "guidance_scale", "num_inference_steps", "seed", "sampling")
GRID = ("scheduler", "guidance_scale", "num_inference_steps", "batch_size")  # stated per point, or without effect
CHUNK = 2**22  # bytes hashed at a time


def without_pictures(given: str) -> list[str]:
    """Name the points of a grid whose samples were all rejected: `open_sets` leaves them out."""
    name, folder = _name_and_folder(given)
    points = folder.read_json(SUCCESS).get("points", {}) if folder.exists(SUCCESS) else {}
    return [f"{name}/{point}" for point, about in points.items() if not about["rows"]]


def open_sets(given: str, shard_pictures: int, setting: str) -> list[PictureSet]:
    """Open the sets in a folder: one, or one per point of a grid that has samples.

    Args:
        given: a path or URL, or NAME=PATH.
        shard_pictures: picture files per part.
        setting: name of the flag, for messages.

    Raises:
        ValueError: the folder holds nothing usable, is not finished, or cannot be read.
    """
    (name, folder), url = _name_and_folder(given), named(given)[1]
    try:
        if not folder.exists() or folder.is_file():
            read = "" if url == given else f" ({given!r} was read as NAME=PATH)"
            raise ValueError(f"{setting} {url!r} is not a folder{read}; give {WANTED}")
        if folder.exists(SUCCESS) or folder.exists(CONFIG):
            return list(_finished(name, folder, require_finished(url, WANTED), setting))
        return [_of_files(name, folder, shard_pictures, setting)]
    except OSError as error:
        raise ValueError(f"{setting} {url!r} cannot be read: {error}") from error
    except (ValueError, pa.ArrowException) as error:
        text = str(error).removeprefix("--input ")
        raise ValueError(text if text.startswith(setting) else f"{setting} {text}") from error


def _name_and_folder(given: str) -> tuple[str, Folder]:
    name, url = named(given)
    folder = Folder(url)
    return (PurePosixPath(folder.root).name if url == given else name), folder


def _finished(name: str, folder: Folder, summary: dict[str, Any], setting: str) -> Iterator[PictureSet]:
    """Open the output of a stage: each point of a grid of samples, or a corpus as one set."""
    if "points" not in summary:
        rgbd = Folder(f"{folder.url}/rgbd")
        if not rgbd.exists():
            made_by = folder.read_json(CONFIG).get("identity", {}).get("stage", "another stage")
            raise ValueError(f"{folder.url!r} is an output of {made_by}; give {WANTED}")
        yield _of_parquet(name, rgbd, input_files(rgbd, setting, PARQUET))
        return
    settings = summary["settings"]
    sampling = {name: value for name, value in settings["sampling"].items() if name not in GRID}
    for point, about in summary["points"].items():
        if not about["rows"]:
            continue
        # older outputs name one model for all points
        known = {
            "checkpoint": summary.get("model", {}).get("fingerprint"),
            **about,
            "seed": settings["captions"]["seed"],
        }
        known |= {"sampling": sampling | {"precision": settings.get("precision")}}
        samples = Folder(f"{folder.url}/samples/{point}")
        drawn = _of_parquet(f"{name}/{point}", samples, input_files(samples, setting, PARQUET))
        yield replace(drawn, about={fact: known.get(fact) for fact in FACTS})


def _of_files(name: str, folder: Folder, shard_pictures: int, setting: str) -> PictureSet:
    """Open a folder of parquet files, or else of picture files."""
    found = input_files(folder, setting, PARQUET, FILES)
    if any(file.lower().endswith(PARQUET) for file in found):
        return _of_parquet(name, folder, found)
    files = _pictures(found, f"{setting} {folder.url!r}")
    if not files:
        raise ValueError(f"{folder.url!r} holds no .parquet file and no {', '.join(FILES)}; give {WANTED}")
    cuts = [tuple(files[start : start + shard_pictures]) for start in range(0, len(files), shard_pictures)]
    digests = dict(zip(files, concurrently(partial(_digest, folder), files), strict=True))
    parts = []
    for some in cuts:
        keys = np.array([make_key(file) for file in some], np.int64)
        parts.append(Part(some, keys, np.zeros(len(some), np.int32), None, tuple(digests[file] for file in some)))
    return PictureSet(name, folder.url, parts, {"image": "file"})


def _pictures(found: Iterable[str], given: str) -> list[str]:
    """Leave out what `generate --prompt` writes beside a picture, and say so."""
    beside = beside_pictures(found)
    if beside:
        logger.info(
            "%s: left out %d files that show the depth of a picture beside them (%s first)",
            given,
            len(beside),
            min(beside),
        )
    return [name for name in found if name not in beside]


def _of_parquet(name: str, folder: Folder, sizes: dict[str, int]) -> PictureSet:
    if not sizes:
        raise ValueError(f"{folder.url!r} holds no .parquet file; give {WANTED}")
    found = concurrently(partial(_part, folder), sizes)
    columns = found[0][1]
    if differing := [file for file, (_, each) in zip(sizes, found, strict=True) if each != columns]:
        raise ValueError(
            f"{folder.url!r}: {differing[0]} has other columns than {next(iter(sizes))}; put them into two folders"
        )
    parts = [part for part, _ in found if len(part.keys)]
    if not parts:
        raise ValueError(f"{folder.url!r} holds no row; give {WANTED}")
    _require_unique(folder, parts)
    return PictureSet(name, folder.url, parts, columns)


def _part(folder: Folder, file: str) -> tuple[Part, dict[str, str]]:
    """Read keys and captions of a parquet file, and the names of its columns."""
    with folder.parquet_file(file) as opened:
        schema, rows = opened.schema_arrow, opened.metadata.num_rows
        if "image" not in schema.names:
            raise ValueError(f"{folder.url!r}: {file} has the columns {schema.names}, wanted `image`: rename one")
        captions = [column for column in COLUMNS if column in schema.names][:1]
        columns = {"image": "image"} | ({"caption": captions[0]} if captions else {})
        if "depth" in schema.names and not _all_null(opened, "depth"):  # a model without depth leaves it empty
            columns["depth"] = "depth"
        given = [column for column in ("key", "number") if column in schema.names]
        read = opened.read(columns=[*given, *captions])
    for column in given:
        if not pa.types.is_integer(read[column].type) or read[column].null_count:
            raise ValueError(
                f"{folder.url!r}: {file} has a column `{column}` of type {read[column].type} with "
                f"{read[column].null_count} nulls, wanted whole numbers and no nulls: correct or drop it"
            )
    # without keys and numbers of its own, a row is named by file and place
    keys = read["key"].to_numpy() if "key" in given else np.array([make_key(f"{file}:{row}") for row in range(rows)])
    numbers = read["number"].to_numpy() if "number" in given else np.zeros(rows)
    texts = [make_key(str(text)) for text in read[captions[0]].to_pylist()] if captions else None
    hashes = None if texts is None else np.array(texts, np.int64).view(np.uint64)
    part = Part((file,), keys.astype(np.int64), numbers.astype(np.int32), hashes, (_digest(folder, file),))
    return part, columns


def _all_null(file: pq.ParquetFile, column: str) -> bool:
    """Say whether a column holds no picture. The files' names tell and are quicker to read."""
    leaf = f"{column}.path" if pa.types.is_struct(file.schema_arrow.field(column).type) else column
    return bool(file.read(columns=[leaf])[column].null_count == file.metadata.num_rows)


def _require_unique(folder: Folder, parts: list[Part]) -> None:
    keys, numbers = (np.concatenate([getattr(part, each) for part in parts]) for each in ("keys", "numbers"))
    order = np.lexsort((numbers, keys))
    same = (np.diff(keys[order]) == 0) & (np.diff(numbers[order]) == 0)
    if same.any():
        again = keys[order][1:][same][0]
        raise ValueError(f"{folder.url!r} has the key {again} twice; wanted a key for each picture, or no such column")


def _digest(folder: Folder, file: str) -> str:
    """Return the SHA-256 of a file, hex. All of it is read: pictures of equal size may swap places within a file."""
    digest = hashlib.sha256()
    with folder.open(file) as opened:
        while chunk := opened.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
