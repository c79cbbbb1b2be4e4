"""Own data: a folder of pictures, a table of paths, store URLs and web URLs, tar shards, and tables that hold pictures
give the same pictures."""

import csv
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ldm3d.config import CorpusConfig
from ldm3d.schema import IMAGE
from ldm3d.toy.faults import Content
from ldm3d.toy.scenes import Scene, render
from ldm3d.toy.web import ToyWeb
from pipelines.corpus import candidates
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
    (reject,) = pq.ParquetFile(output / "rejects/select/00000.parquet").read().to_pylist()
    assert (reject["url"], reject["detail"]) == ("no caption.png", "there is no .txt of its name beside it")
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


def test_pictures_that_datasets_wrote_into_parquet_are_read_from_it(pictures, of_folder, make, tmp_path, monkeypatch):
    """In buckets of a few rows, as of tables of many millions."""
    monkeypatch.setattr(candidates, "BUCKET_ROWS", 3)
    (tmp_path / "hf").mkdir()
    names, contents = list(pictures), [png for png, _ in pictures.values()]
    for shard in range(2):
        rows = {
            "image": [{"bytes": png, "path": "image.png"} for png in contents[shard::2]],
            "text": [pictures[name][1] for name in names[shard::2]],
            "label": list(range(len(names[shard::2]))),
        }
        features = datasets.Features(
            {"image": datasets.Image(), "text": datasets.Value("string"), "label": datasets.Value("int64")}
        )
        file = tmp_path / f"hf/train-{shard:05d}-of-00002.parquet"
        datasets.Dataset.from_dict(rows, features=features).to_parquet(file, batch_size=2)
    _, kept, rejects = make(tmp_path / "hf")
    assert kept.keys() == {f"train-{number % 2:05d}-of-00002.parquet/{number // 2}" for number in range(COUNT)}
    assert not rejects
    assert same(kept, of_folder)


def test_a_column_of_bytes_or_of_names_is_read_and_a_bad_cell_costs_its_row_alone(pictures, of_folder, make, tmp_path):
    tables = tmp_path / "tables"
    (tables / "p").mkdir(parents=True)
    contents, texts = [png for png, _ in pictures.values()], [text for _, text in pictures.values()]
    useless = {
        "none": None,
        "empty": b"",
        "broken": b"no picture",
        "cut off": contents[0][:100],
        "large": bytes(10_001),
    }
    cells = [*contents[:3], *useless.values()]
    table = pa.table({"photo": pa.array(cells, pa.binary()), "note": [*texts[:3], *useless]})
    pq.write_table(table, tables / "bytes.parquet", row_group_size=2)
    for name, png in zip("abc", contents[3:], strict=True):
        (tables / f"p/{name}.png").write_bytes(png)
    paths = ["p/a.png", "p/b.png", "./p/c.png", "p/none.png", "../other.png", "http://a.example/1.png"]
    named = pa.array([{"bytes": None, "path": path} for path in paths], IMAGE)
    table = pa.table({"photo": named, "note": [*texts[3:], "gone", "outside", "on the web"]})
    pq.write_table(table, tables / "named.parquet")
    columns = {"caption_column": "note", "image_column": "photo"}
    _, kept, rejects = make(tables, select=ALL | columns, download={"max_bytes": 10_000})
    assert same(kept, of_folder)
    assert {url: row["reason"] for url, row in rejects.items()} == {
        "bytes.parquet/3": "not_an_image",
        "bytes.parquet/4": "not_an_image",
        "bytes.parquet/5": "not_an_image",
        "bytes.parquet/6": "decode_failed",
        "bytes.parquet/7": "too_many_bytes",
        "named.parquet/3": "file_not_found",
        "named.parquet/4": "refused_url",
        "named.parquet/5": "refused_url",
    }
    assert all(row["detail"] for row in rejects.values())
    assert rejects["bytes.parquet/3"]["detail"] == "there is nothing: it is empty"
