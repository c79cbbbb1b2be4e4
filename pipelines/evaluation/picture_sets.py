"""Sets of pictures to be measured, looked at before any work: samples of `generate`, a corpus, parquet, picture files.

A set is cut into parts, a parquet file or some picture files each, which are read and committed at once.
"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ldm3d.config.named import named
from ldm3d.keys import make_key
from ldm3d.rows.captions import COLUMNS
from pipelines.storage.folder import CONCURRENCY, Folder
from pipelines.storage.inputs import require_finished
from pipelines.storage.run import CONFIG, SUCCESS

FILES = (".jpg", ".jpeg", ".png", ".webp")
WANTED = "the output of `generate`, a corpus, or a folder of parquet files with a column `image`, or of picture files"
FACTS = ("checkpoint", "training_step", "scheduler", "guidance_scale", "num_inference_steps", "seed", "sampling")
GRID = ("scheduler", "guidance_scale", "num_inference_steps", "batch_size")  # known of each point, or changes nothing
CHUNK = 2**22  # bytes that are hashed at a time


@dataclass(frozen=True, eq=False)
class Part:
    """Pictures that are committed together.

    files: one parquet file, or picture files, relative to the set.
    keys, numbers: (N,) int64 and int32, of the pictures in their order.
    captions: (N,) uint64, hashes of their captions; None where there are none.
    fingerprint: hex, of all bytes of its files, and of keys and numbers.
    """

    files: tuple[str, ...]
    keys: NDArray[np.int64]
    numbers: NDArray[np.int32]
    captions: NDArray[np.uint64] | None
    fingerprint: str


@dataclass(frozen=True, eq=False)
class PictureSet:
    """
    name: as settings give it; a point of a grid has the point's name behind a slash.
    url: its folder.
    parts: sorted by name.
    columns: image, and caption, depth where it has them: how its files call them.
    about: of the model and settings that drew it, as far as they are known: checkpoint, training_step, scheduler,
        guidance_scale, num_inference_steps, seed, sampling (other settings).
    """

    name: str
    url: str
    parts: list[Part]
    columns: dict[str, str]
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(len(part.keys) for part in self.parts)

    @property
    def fingerprint(self) -> str:
        """Hex, of the content of its files."""
        return hashlib.sha256("".join(part.fingerprint for part in self.parts).encode()).hexdigest()

    def names(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Keys and numbers of all pictures, in the order of the parts."""
        return np.concatenate([part.keys for part in self.parts]), np.concatenate(
            [part.numbers for part in self.parts]
        )


def open_sets(given: str, shard_pictures: int, setting: str) -> list[PictureSet]:
    """The sets in a folder: one, or one for each point of a grid.

    Args:
        given: a path or URL, or NAME=PATH.
        shard_pictures: picture files in a part.
        setting: what the flag is called, for messages.

    Raises:
        ValueError: there is nothing of use, or it is not finished, or cannot be read.
    """
    name, url = named(given)
    folder = Folder(url)
    name = name if url != given else PurePosixPath(folder.root).name
    try:
        if not folder.exists() or folder.is_file():
            read = "" if url == given else f" ({given!r} was read as NAME=PATH)"
            raise ValueError(f"{setting} {url!r} is no folder{read}; give {WANTED}")
        if folder.exists(SUCCESS) or folder.exists(CONFIG):
            return list(_finished(name, folder, require_finished(url, WANTED)))
        return [_of_files(name, folder, shard_pictures)]
    except OSError as error:
        raise ValueError(f"{setting} {url!r} cannot be read: {error}") from error
    except (ValueError, pa.ArrowException) as error:
        text = str(error).removeprefix("--input ")
        raise ValueError(text if text.startswith(setting) else f"{setting} {text}") from error


def _finished(name: str, folder: Folder, summary: dict[str, Any]) -> Iterator[PictureSet]:
    """What a stage has made: each point of a grid of samples, or a corpus as one."""
    if "points" not in summary:
        rgbd = Folder(f"{folder.url}/rgbd")
        if not rgbd.exists():
            made_by = folder.read_json(CONFIG).get("identity", {}).get("stage", "another stage")
            raise ValueError(f"{folder.url!r} is what {made_by} has made; give {WANTED}")
        yield _of_parquet(name, rgbd)
        return
    settings = summary["settings"]
    sampling = {name: value for name, value in settings["sampling"].items() if name not in GRID}
    for point, about in summary["points"].items():
        if not about["rows"]:
            continue
        # older outputs say once what drew all points
        known = {
            "checkpoint": summary.get("model", {}).get("fingerprint"),
            **about,
            "seed": settings["captions"]["seed"],
        }
        known |= {"sampling": sampling | {"precision": settings.get("precision")}}
        drawn = _of_parquet(f"{name}/{point}", Folder(f"{folder.url}/samples/{point}"))
        yield replace(drawn, about={fact: known.get(fact) for fact in FACTS})


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
    cuts = [tuple(files[start : start + shard_pictures]) for start in range(0, len(files), shard_pictures)]
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        digests = dict(zip(files, pool.map(partial(_digest, folder), files), strict=True))
    parts = []
    for some in cuts:
        keys = np.array([make_key(file) for file in some], np.int64)
        parts.append(_named(some, keys, np.zeros(len(some), np.int32), None, [digests[file] for file in some]))
    return PictureSet(name, folder.url, parts, {"image": "file"})


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
    return PictureSet(name, folder.url, parts, columns)


def _part(folder: Folder, file: str) -> tuple[Part, dict[str, str]]:
    """A parquet file's keys and captions, and what its columns are called."""
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
            raise ValueError(f"{folder.url!r}: {file} has a {column} that is no whole number somewhere; mend it")
    keys = read["key"].to_numpy() if "key" in given else np.array([make_key(f"{file}:{row}") for row in range(rows)])
    numbers = read["number"].to_numpy() if "number" in given else np.zeros(rows)
    texts = [make_key(str(text)) for text in read[captions[0]].to_pylist()] if captions else None
    hashes = None if texts is None else np.array(texts, np.int64).view(np.uint64)
    names = keys.astype(np.int64), numbers.astype(np.int32)
    return _named((file,), *names, hashes, [_digest(folder, file)]), columns


def _named(
    files: tuple[str, ...],
    keys: NDArray[np.int64],
    numbers: NDArray[np.int32],
    captions: NDArray[np.uint64] | None,
    digests: list[str],
) -> Part:
    digest = hashlib.sha256("".join(digests).encode() + keys.tobytes() + numbers.tobytes())
    return Part(files, keys, numbers, captions, digest.hexdigest())


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


def _digest(folder: Folder, file: str) -> str:
    """SHA-256 of a file, hex. All of it is read: pictures of one size may change places within a file."""
    digest = hashlib.sha256()
    with folder.open(file) as opened:
        while chunk := opened.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
