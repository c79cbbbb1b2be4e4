"""Sets of pictures to be measured, looked at before any work: samples of `generate`, a corpus, parquet, picture files.

A set is cut into parts, a parquet file or some picture files each, which are read and committed at once.
"""

import hashlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ldm3d.captions import COLUMNS
from ldm3d.keys import make_key
from pipelines.finished_input import success_marker
from pipelines.preflight import CONFIG, SUCCESS
from pipelines.storage import CONCURRENCY, Folder

FILES = (".jpg", ".jpeg", ".png", ".webp")
WANTED = "the output of `generate`, a corpus, or a folder of parquet files with a column `image`, or of picture files"
ENDS = 2**16  # bytes at either end of a file by which it is known, together with its size
NAMED = re.compile(r"^([\w.+-]+)=(.+)$", re.DOTALL)


@dataclass(frozen=True, eq=False)
class Part:
    """Pictures that are committed together.

    files: one parquet file, or picture files, relative to the set.
    keys, numbers: (N,) int64 and int32, of the pictures in their order.
    """

    files: tuple[str, ...]
    keys: NDArray[np.int64]
    numbers: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class PictureSet:
    """
    name: as settings give it; a point of a grid has the point's name behind a slash.
    url: its folder.
    parts: sorted by name.
    columns: image, and caption, depth where it has them: how its files call them.
    fingerprint: hex, of the content of its files: their names, sizes, and first and last bytes; in a parquet file the
        last bytes say how large each picture is, and what is in the other columns.
    about: of the model and settings that drew it, as far as they are known: checkpoint, training_step, scheduler,
        guidance_scale, num_inference_steps, seed.
    """

    name: str
    url: str
    parts: list[Part]
    columns: dict[str, str]
    fingerprint: str
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(len(part.keys) for part in self.parts)


def open_sets(given: str, shard_pictures: int, setting: str) -> list[PictureSet]:
    """The sets in a folder: one, or one for each point of a grid.

    Args:
        given: a path or URL, or NAME=PATH.
        shard_pictures: picture files in a part.
        setting: what the flag is called, for messages.

    Raises:
        ValueError: there is nothing of use, or it is not finished, or cannot be read.
    """
    named = NAMED.match(given)
    name, url = named.groups() if named else ("", given)
    folder = Folder(url)
    name = name or PurePosixPath(folder.root).name
    try:
        if not folder.exists() or folder.is_file():
            raise ValueError(f"{setting} {url!r} is no folder; give {WANTED}")
        if folder.exists(SUCCESS) or folder.exists(CONFIG):
            return list(_finished(name, folder, success_marker(url, WANTED)))
        return [_of_files(name, folder, shard_pictures)]
    except OSError as error:
        raise ValueError(f"{setting} {url!r} cannot be read: {error}") from error
    except (ValueError, pa.ArrowException) as error:
        text = str(error).removeprefix("--input ")
        raise ValueError(text if text.startswith(setting) else f"{setting} {text}") from error


def _finished(name: str, folder: Folder, summary: dict[str, Any]) -> Iterator[PictureSet]:
    """What a stage has made: each point of a grid of samples, or a corpus as one."""
    if "points" not in summary:
        yield _of_parquet(name, Folder(folder.path("rgbd") if folder.is_local else f"{folder.url}/rgbd"))
        return
    seed = summary["settings"]["captions"]["seed"]
    for point, about in summary["points"].items():
        if not about["rows"]:
            continue
        known = {"checkpoint": summary.get("model", {}).get("fingerprint"), **about, "seed": seed}
        facts = ("checkpoint", "training_step", "scheduler", "guidance_scale", "num_inference_steps", "seed")
        drawn = _of_parquet(f"{name}/{point}", Folder(f"{folder.url}/samples/{point}"))
        yield PictureSet(
            drawn.name,
            drawn.url,
            drawn.parts,
            drawn.columns,
            drawn.fingerprint,
            {fact: known.get(fact) for fact in facts},
        )


def _of_files(name: str, folder: Folder, shard_pictures: int) -> PictureSet:
    """A folder of parquet files, or else of picture files."""
    sizes = folder.sizes()
    if any(file.endswith(".parquet") for file in sizes):
        return _of_parquet(name, folder)
    files = sorted(
        file for file in sizes if file.lower().endswith(FILES) and not PurePosixPath(file).name.startswith(".")
    )
    if not files:
        raise ValueError(f"{folder.url!r} holds no .parquet file and no {', '.join(FILES)}; give {WANTED}")
    parts = [
        Part(tuple(some), np.array([make_key(file) for file in some], np.int64), np.zeros(len(some), np.int32))
        for some in (files[start : start + shard_pictures] for start in range(0, len(files), shard_pictures))
    ]
    return PictureSet(name, folder.url, parts, {"image": "file"}, _fingerprint(folder, {f: sizes[f] for f in files}))


def _of_parquet(name: str, folder: Folder) -> PictureSet:
    sizes = {file: size for file, size in sorted(folder.sizes("", ".parquet").items()) if "/." not in f"/{file}"}
    if not sizes:
        raise ValueError(f"{folder.url!r} holds no .parquet file; give {WANTED}")
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        found = list(pool.map(partial(_part, folder), sizes))
    columns = found[0][1]
    if differing := [file for file, (_, each) in zip(sizes, found, strict=True) if each != columns]:
        raise ValueError(
            f"{folder.url!r}: {differing[0]} has other columns than {next(iter(sizes))}; put them into two folders"
        )
    parts = [part for part, _ in found if len(part.keys)]
    if not parts:
        raise ValueError(f"{folder.url!r} holds no row; give {WANTED}")
    _require_unique(folder, parts)
    return PictureSet(name, folder.url, parts, columns, _fingerprint(folder, sizes))


def _part(folder: Folder, file: str) -> tuple[Part, dict[str, str]]:
    """A parquet file's keys, and what its columns are called."""
    with folder.parquet_file(file) as opened:
        schema, rows = opened.schema_arrow, opened.metadata.num_rows
        if "image" not in schema.names:
            raise ValueError(f"{folder.url!r}: {file} has the columns {schema.names}, wanted `image`: rename one")
        captions = [column for column in COLUMNS if column in schema.names]
        columns = {"image": "image"} | ({"caption": captions[0]} if captions else {})
        if "depth" in schema.names and not _all_null(opened, "depth"):  # a model without depth leaves it empty
            columns["depth"] = "depth"
        given = [column for column in ("key", "number") if column in schema.names]
        read = opened.read(columns=given) if given else pa.table({})
    for column in given:
        if not pa.types.is_integer(read[column].type) or read[column].null_count:
            raise ValueError(f"{folder.url!r}: {file} has a {column} that is no whole number somewhere; mend it")
    keys = read["key"].to_numpy() if "key" in given else np.array([make_key(f"{file}:{row}") for row in range(rows)])
    numbers = read["number"].to_numpy() if "number" in given else np.zeros(rows)
    return Part((file,), keys.astype(np.int64), numbers.astype(np.int32)), columns


def _all_null(file: pq.ParquetFile, column: str) -> bool:
    """Whether a column of pictures holds none: their names say so, which are quicker to read."""
    leaf = f"{column}.path" if pa.types.is_struct(file.schema_arrow.field(column).type) else column
    return bool(file.read(columns=[leaf])[column].null_count == file.metadata.num_rows)


def _require_unique(folder: Folder, parts: list[Part]) -> None:
    keys, numbers = (np.concatenate([getattr(part, each) for part in parts]) for each in ("keys", "numbers"))
    order = np.lexsort((numbers, keys))
    same = (np.diff(keys[order]) == 0) & (np.diff(numbers[order]) == 0)
    if same.any():
        again = keys[order][1:][same][0]
        raise ValueError(f"{folder.url!r} has the key {again} twice; wanted a key for each picture, or no such column")


def _fingerprint(folder: Folder, sizes: dict[str, int]) -> str:
    digest = hashlib.sha256()
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        for file, ends in zip(sizes, pool.map(partial(_ends, folder), sizes.items()), strict=True):
            digest.update(f"{file}:{sizes[file]}:{ends}\n".encode())
    return digest.hexdigest()


def _ends(folder: Folder, file: tuple[str, int]) -> str:
    """The hash of the first and last bytes of a file, which are all of a small one."""
    name, size = file
    with folder.open(name) as opened:
        digest = hashlib.sha256(opened.read(ENDS))
        opened.seek(max(0, size - ENDS))
        digest.update(opened.read(ENDS))
    return digest.hexdigest()
