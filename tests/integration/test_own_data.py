"""Own data: a folder of pictures, a table of paths, store URLs and web URLs, and tar shards give the same pictures."""

import csv
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from ldm3d.config import CorpusConfig
from ldm3d.toy.faults import Content
from ldm3d.toy.scenes import Scene, render
from ldm3d.toy.web import ToyWeb
from pipelines.rebuild_corpus import rebuild_corpus
from pipelines.storage.folder import Folder
from tests.integration.flaky_s3 import FlakyS3

COUNT = 6
ALL = {"nsfw": ("any",), "min_similarity": 0.0, "min_size": 0}
BUCKET = "s3://own-pictures"


@pytest.fixture(scope="module")
def pictures() -> dict[str, tuple[bytes, str]]:
    """PNG and caption by name."""
    made = {}
    for seed in range(COUNT):
        scene, file = Scene.from_seed(seed), io.BytesIO()
        Image.fromarray(render(scene, 64).image).save(file, "png")
        made[f"{seed:02d}"] = (file.getvalue(), scene.caption)
    return made


@pytest.fixture
def make(make_config, tmp_path) -> Callable[..., tuple[dict, dict[str, dict], dict[str, dict]]]:
    """Make a corpus: its summary, its kept rows and its rejects by URL."""

    def run(source: object, **changes: dict) -> tuple[dict, dict[str, dict], dict[str, dict]]:
        config: CorpusConfig = make_config(source, tmp_path / "corpus", **({"select": ALL} | changes))
        summary = rebuild_corpus(config)
        tables = (
            [pq.ParquetFile(file).read() for file in (tmp_path / "corpus" / part).rglob("*.parquet")]
            for part in ("rgbd", "rejects")
        )
        kept, rejects = ({row["url"]: row for table in part for row in table.to_pylist()} for part in tables)
        assert summary["rows_read"] == len(kept) + len(rejects)
        return summary, kept, rejects

    return run


@pytest.fixture(scope="module")
def folder(pictures, tmp_path_factory) -> Path:
    """Each picture in a folder of its own, with its caption beside it; and two that are of no use."""
    root = tmp_path_factory.mktemp("pictures")
    for name, (png, caption) in pictures.items():
        (root / name).mkdir()
        (root / name / "a@b.png").write_bytes(png)
        (root / name / "a@b.txt").write_text(caption)
    (root / "no caption.png").write_bytes(pictures["00"][0])
    (root / "broken.jpg").write_bytes(b"no picture")
    (root / "broken.txt").write_text("a broken file")
    return root


@pytest.fixture(scope="module")
def of_folder(folder, make_config, tmp_path_factory) -> dict[str, bytes]:
    """The stored pictures of the folder, by caption."""
    output = tmp_path_factory.mktemp("corpus") / "corpus"
    summary = rebuild_corpus(make_config(folder, output, select=ALL))
    assert (summary["rows_read"], summary["rows_kept"]) == (COUNT + 2, COUNT)
    assert summary["rows_rejected"] == {"invalid_row": 1, "not_an_image": 1}
    rows = [row for file in (output / "rgbd").rglob("*.parquet") for row in pq.ParquetFile(file).read().to_pylist()]
    assert {row["url"] for row in rows} == {f"{seed:02d}/a@b.png" for seed in range(COUNT)}
    return {row["caption"]: row["image"]["bytes"] for row in rows}


def same(kept: dict[str, dict], of_folder: dict[str, bytes]) -> bool:
    return {row["caption"]: row["image"]["bytes"] for row in kept.values()} == of_folder


def test_a_folder_of_pictures_with_captions_beside_them(of_folder, pictures):
    assert of_folder.keys() == {caption for _, caption in pictures.values()}


def test_a_table_names_files_beside_it_in_a_store_elsewhere_and_on_the_web(
    pictures, of_folder, make, web: ToyWeb, s3: FlakyS3, tmp_path
):
    bucket, elsewhere, tables = Folder(BUCKET), tmp_path / "elsewhere", tmp_path / "tables"
    bucket.fs.mkdir("own-pictures")
    elsewhere.mkdir()
    (tables / "beside").mkdir(parents=True)
    rows = []
    for number, (name, (png, caption)) in enumerate(pictures.items()):
        if number % 4 == 0:
            (tables / "beside" / f"{name}.png").write_bytes(png)
            rows.append((f"beside/{name}.png", caption))
        elif number % 4 == 1:
            bucket.write(f"p/{name}.png", png)
            rows.append((f"{BUCKET}/p/{name}.png", caption))
        elif number % 4 == 2:
            (elsewhere / f"{name}.png").write_bytes(png)
            rows.append((f"{elsewhere}/{name}.png", caption))
        else:
            web.pages[f"/own/{name}.png"] = Content(png, "image/png")
            rows.append((f"{web.base_url}/own/{name}.png", caption))
    bucket.write("p/empty.png", b"")
    (tables / "beside/large.png").write_bytes(bytes(10_001))
    useless = {
        "beside/none.png": "file_not_found",
        "beside": "file_not_found",
        "beside/large.png": "too_many_bytes",
        f"{BUCKET}/p/none.png": "file_not_found",
        f"{BUCKET}/p/empty.png": "not_an_image",
        "s3://other-bucket/1.png": "refused_url",
        "../elsewhere/00.png": "refused_url",
        "/etc/hostname": "refused_url",
    }
    with (tables / "own.csv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerows([("Link", "id", "Description"), *((url, 7, text) for url, text in rows)])
        writer.writerows((url, 7, "something") for url in useless)
    under = {"files_under": (f"{BUCKET}/p", str(elsewhere)), "max_bytes": 10_000}
    _, kept, rejects = make(tables / "own.csv", download=under)
    assert {url: row["reason"] for url, row in rejects.items()} == useless
    assert same(kept, of_folder)


def test_tar_shards_are_read_in_place(pictures, of_folder, make, tmp_path):
    (tmp_path / "tars").mkdir()
    for shard in range(2):
        with tarfile.open(tmp_path / f"tars/{shard:05d}.tar", "w") as tar:
            for name, (png, caption) in list(pictures.items())[shard::2]:
                for ending, content in (("png", png), ("txt", caption.encode())):
                    member = tarfile.TarInfo(f"{name}.{ending}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    _, kept, rejects = make(tmp_path / "tars")
    assert kept.keys() == {f"{number % 2:05d}.tar/{name}.png" for number, name in enumerate(pictures)}
    assert not rejects
    assert same(kept, of_folder)
