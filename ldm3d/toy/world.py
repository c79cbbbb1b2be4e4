"""A small world for the corpus stage: LAION-style metadata, the pages behind its URLs, and every row's outcome.

with ToyWeb() as web:
    world = build_world("metadata", web.base_url)
    web.pages.update(world.pages)
    ...
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ldm3d.config import PRESETS, SelectConfig
from ldm3d.decode import make_square
from ldm3d.keys import make_key
from ldm3d.reject import Reason
from ldm3d.toy import pictures
from ldm3d.toy.catalogue import KEPT, ROW_FAULTS, WEB_FAULTS
from ldm3d.toy.faults import Content
from ldm3d.toy.pictures import Pixels
from ldm3d.toy.scenes import Scene, render
from ldm3d.toy.web import Page

# The outcomes hold for this, with the preset's other settings.
SELECT: SelectConfig = PRESETS["toy"]["select"]

LAION = pa.schema(  # as in the files of LAION-400M
    [
        ("SAMPLE_ID", pa.int64()),
        ("URL", pa.string()),
        ("TEXT", pa.string()),
        ("HEIGHT", pa.int64()),
        ("WIDTH", pa.int64()),
        ("LICENSE", pa.string()),
        ("NSFW", pa.string()),
        ("similarity", pa.float64()),
    ]
)
FILES = 2
SCENE_SEEDS = 1_000_000  # per world; models are trained on other scenes

# Perceptual hashes of two scenes in the same encoding differ in 7 or more of 64 bits. In different encodings they may
# differ in fewer, but in more than near-duplicates do (3).
MIN_HASH_DISTANCE = 7


@dataclass(frozen=True)
class Row:
    """One row of metadata, and its expected outcome."""

    name: str
    """The name of the fault, or "scene"."""
    url: str | None
    caption: str | None
    width: int | None
    height: int | None
    nsfw: str | None = "UNLIKELY"
    similarity: float | None = 0.35
    expected: str = KEPT
    """KEPT or a `Reason`."""
    scene: Scene | None = None
    """The scene that the kept picture shows exactly; None if it differs, or is rejected."""


@dataclass(frozen=True)
class World:
    """The metadata that was written, and its expected outcome under `SELECT`."""

    rows: tuple[Row, ...]
    """In the order of the metadata files."""
    pages: dict[str, Page]
    """By path, for `ToyWeb` to serve."""

    @property
    def expected(self) -> dict[str, str]:
        """URL -> "" (kept) or a `Reason`. Rows without a URL, and second rows of a URL, are only in `counts`."""
        return {row.url: row.expected for row in self.rows if row.url and row.expected != Reason.DUPLICATE_URL}

    @property
    def counts(self) -> Counter[str]:
        """Outcome -> number of rows; every row counts once."""
        return Counter(row.expected for row in self.rows)

    @property
    def scenes(self) -> dict[str, Scene]:
        """URL -> scene, for kept pictures that show one exactly."""
        return {row.url: row.scene for row in self.rows if row.url and row.scene}


class Picture(NamedTuple):
    scene: Scene
    image: Pixels


def build_world(
    folder: str | Path, base_url: str, scenes: int = 512, seed: int = 0, faults: bool = True, image_size: int = 64
) -> World:
    """Write metadata to `folder` and return the world it describes.

    Args:
        folder: receives `FILES` parquet files; created if missing.
        base_url: of the server, such as `ToyWeb.base_url`.
        scenes: number of rows that are plain pictures of scenes (JPEG, PNG and WebP).
        seed: chooses the scenes and their order.
        faults: whether to mix in the duplicates and every fault of the catalogue, each once.
        image_size: side of the served pictures in pixels, 32 or more.
    """
    if image_size < 32:
        raise ValueError(f"image_size is {image_size}, wanted 32 or more: smaller pictures look too much alike")
    builder = _Builder(base_url, distinct_pictures(seed, image_size))
    for index in range(scenes):
        builder.add_scene(index)
    if faults:
        builder.add_web_faults()
        builder.add_row_faults()
        builder.add_duplicates()
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(builder.rows))
    rows = tuple(builder.rows[index] for index in order)
    write_metadata(Path(folder), rows)
    return World(rows, builder.pages)


def distinct_pictures(seed: int, size: int) -> Iterator[Picture]:
    """Yield scenes, no two of them near-duplicates, rendered at `size` x `size`."""
    download = PRESETS["toy"]["download"]
    hashes = np.zeros(0, np.uint64)
    for scene_seed in range(seed * SCENE_SEEDS, (seed + 1) * SCENE_SEEDS):
        scene = Scene.from_seed(scene_seed)
        image = render(scene, size).image
        # hashed as in the corpus: in a dark scene, a small difference in scaling flips many bits
        kept = make_square(pictures.jpeg(image), download, SELECT)
        bits = np.array([kept.perceptual_hash]).astype(np.uint64)
        if np.all(np.bitwise_count(hashes ^ bits) >= MIN_HASH_DISTANCE):
            hashes = np.concatenate([hashes, bits])
            yield Picture(scene, image)


def write_metadata(folder: Path, rows: tuple[Row, ...], files: int = FILES) -> None:
    """Write LAION-400M's columns and types, in `files` files of nearly equal length."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = {
        "SAMPLE_ID": range(len(rows)),
        "URL": [row.url for row in rows],
        "TEXT": [row.caption for row in rows],
        "HEIGHT": [row.height for row in rows],
        "WIDTH": [row.width for row in rows],
        "LICENSE": ["?"] * len(rows),
        "NSFW": [row.nsfw for row in rows],
        "similarity": [row.similarity for row in rows],
    }
    table = pa.table(columns, schema=LAION)
    length = math.ceil(len(rows) / files)
    for part in range(files):
        pq.write_table(table.slice(part * length, length), folder / f"part-{part:05d}.parquet")


class _Builder:
    """Collects rows and the pages that their URLs lead to."""

    def __init__(self, base_url: str, source: Iterator[Picture]) -> None:
        self.rows: list[Row] = []
        self.pages: dict[str, Page] = {}
        self._base_url = base_url
        self._source = source

    def add_scene(self, index: int) -> None:
        picture = next(self._source)
        suffix, content = _plain_content(index, picture.image)
        self._add(f"/scenes/{index:06d}.{suffix}", content, _row("scene", picture))

    def add_web_faults(self) -> None:
        for fault in WEB_FAULTS:
            picture = next(self._source)
            shown = picture.scene if fault.plain and fault.expected == KEPT else None
            row = dataclasses.replace(_row(fault.name, picture), expected=fault.expected, scene=shown)
            self._add(f"/faults/{fault.name}", fault.page(picture.image), row)

    def add_row_faults(self) -> None:
        for fault in ROW_FAULTS:
            picture = next(self._source)
            row = _row(fault.name, picture)
            url = self._serve(f"/rows/{fault.name}.png", Content(pictures.png(picture.image), "image/png"))
            shown = picture.scene if fault.expected == KEPT else None
            changes = {"url": url, "expected": fault.expected, "scene": shown, **fault.changes}
            self.rows.append(dataclasses.replace(row, **changes))

    def add_duplicates(self) -> None:
        """Add the same bytes at another URL, the same picture re-encoded, and a second row for a URL."""
        self._add_pair("bytes", Reason.DUPLICATE_BYTES, copy_quality=95)
        kept = self._add_pair("picture", Reason.NEAR_DUPLICATE, copy_quality=60)
        again = dataclasses.replace(kept, name="duplicate-url", caption=f"{kept.caption}, again")
        self.rows.append(dataclasses.replace(again, expected=Reason.DUPLICATE_URL, scene=None))

    def _add_pair(self, same: str, expected: Reason, copy_quality: int) -> Row:
        """Add two pages with one picture. Returns the row to be kept, that of the smaller key."""
        picture = next(self._source)
        urls = []
        for name, quality in (("original", 95), ("copy", copy_quality)):
            page = Content(pictures.jpeg(picture.image, quality))
            urls.append(self._serve(f"/same-{same}/{name}.jpg", page))
        kept_url, copy_url = sorted(urls, key=lambda url: make_key(url) % 2**64)
        kept = dataclasses.replace(_row(f"same-{same}-kept", picture), url=kept_url)
        rejected = dataclasses.replace(kept, name=f"same-{same}", url=copy_url, expected=expected, scene=None)
        self.rows += [kept, rejected]
        return kept

    def _add(self, path: str, page: Page, row: Row) -> None:
        self.rows.append(dataclasses.replace(row, url=self._serve(path, page)))

    def _serve(self, path: str, page: Page) -> str:
        """Serve `page` and return its URL as people write it; on the wire it is percent-encoded."""
        self.pages[quote(path)] = page
        return self._base_url + path


def _row(name: str, picture: Picture) -> Row:
    height, width = picture.image.shape[:2]
    return Row(name, None, picture.scene.caption, width, height, scene=picture.scene)


def _plain_content(index: int, image: Pixels) -> tuple[str, Content]:
    """Return suffix and content. Of every four pictures, two are JPEG, one is PNG and one WebP."""
    if index % 4 == 2:
        return "png", Content(pictures.png(image), "image/png")
    if index % 4 == 3:
        return "webp", Content(pictures.webp(image), "image/webp")
    return "jpg", Content(pictures.jpeg(image))
