"""The toy world has everything that can go wrong, states its outcome correctly, and is valid LAION metadata."""

import io
import urllib.request
from collections import Counter
from itertools import combinations
from urllib.parse import quote, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps

from ldm3d.config import PRESETS, DuplicatesConfig
from ldm3d.decode import make_square
from ldm3d.keys import make_key
from ldm3d.reject import Reason, Rejected
from ldm3d.rows.columns import recognise
from ldm3d.rows.selection import drop_url_duplicates, select
from ldm3d.toy.catalogue import KEPT, ROW_FAULTS, WEB_FAULTS
from ldm3d.toy.faults import Content, Recovers, RedirectChain
from ldm3d.toy.scenes import render
from ldm3d.toy.web import ToyWeb
from ldm3d.toy.world import SELECT, build_world
from tests.builders.hashes import hamming

BASE_URL = "http://127.0.0.1:8000"
BY_DOWNLOAD = {  # reasons found after selection
    *(Reason.REFUSED_URL, Reason.REFUSED_ADDRESS, Reason.CONNECTION_FAILED),
    *(Reason.DUPLICATE_BYTES, Reason.NEAR_DUPLICATE),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("metadata")


@pytest.fixture(scope="module")
def world(folder):
    return build_world(folder, BASE_URL, scenes=24)


def page_of(world, url):
    return world.pages[quote(urlsplit(url).path)]


def content_of(world, url) -> Content | None:
    """Return what a patient client gets from `url` in the end; None if that is not content."""
    page = page_of(world, url)
    if isinstance(page, Recovers | RedirectChain):
        page = page.then
    return page if isinstance(page, Content) else None


def test_metadata_has_laions_columns_and_types(world, folder):
    files = sorted(folder.glob("*.parquet"))
    assert len(files) >= 2
    for file in files:
        assert pq.read_schema(file).equals(
            pa.schema(
                {
                    "SAMPLE_ID": pa.int64(),
                    "URL": pa.string(),
                    "TEXT": pa.string(),
                    "HEIGHT": pa.int64(),
                    "WIDTH": pa.int64(),
                    "LICENSE": pa.string(),
                    "NSFW": pa.string(),
                    "similarity": pa.float64(),
                }
            )
        )
    table = pq.read_table(folder)
    assert table["URL"].to_pylist() == [row.url for row in world.rows]
    assert table["SAMPLE_ID"].to_pylist() == list(range(len(world.rows)))


def test_every_fault_occurs_once(world):
    names = Counter(row.name for row in world.rows)
    assert names.pop("scene") == 24
    faults = [fault.name for fault in (*WEB_FAULTS, *ROW_FAULTS)]
    assert {*faults, "same-bytes", "same-picture", "duplicate-url"} <= set(names)
    assert set(names.values()) == {1}


def test_by_default_six_rows_of_seven_are_plain_scenes():
    others = len(WEB_FAULTS) + len(ROW_FAULTS) + 5
    assert 512 / (512 + others) > 0.85


def test_every_row_has_an_expected_outcome(world):
    assert sum(world.counts.values()) == len(world.rows)
    assert set(world.counts) <= {KEPT, *Reason}
    assert set(world.expected) == {row.url for row in world.rows if row.url}
    kept = [url for url, outcome in world.expected.items() if outcome == KEPT]
    assert len(kept) == world.counts[KEPT]
    assert set(world.scenes) <= set(kept)


def test_every_reason_that_a_download_can_end_in_is_there(world):
    absent = {
        *(Reason.NOT_SAMPLED, Reason.HOST_UNAVAILABLE),  # depend on the run's settings
        Reason.DNS_FAILED,  # would ask a name server
        *(Reason.DECODE_TIMEOUT, Reason.DECODER_CRASHED, Reason.DEPTH_FAILED),  # our faults, not the web's
        *(Reason.FILE_NOT_FOUND, Reason.FILE_FORBIDDEN),  # of a disk or a store
        *(Reason.ENCODE_FAILED, Reason.GENERATE_FAILED, Reason.RENDER_FAILED),  # of other stages
    }
    assert set(world.counts) == {KEPT, *Reason} - absent


def test_selection_judges_every_row_as_expected(world, folder):
    table = pq.read_table(folder)
    judged = select(table, recognise(table.column_names), SELECT)
    web_faults = {fault.name for fault in WEB_FAULTS}
    for row, reason in zip(world.rows, judged["reason"].to_pylist(), strict=True):
        is_later = row.name in web_faults or row.expected in BY_DOWNLOAD or row.expected == Reason.DUPLICATE_URL
        assert reason == (KEPT if is_later else row.expected), row.name
    _, again = drop_url_duplicates(judged.filter(pc.equal(judged["reason"], "")))
    assert [row.url for row in world.rows if row.expected == Reason.DUPLICATE_URL] == again["url"].to_pylist()


def test_every_served_file_decodes_as_expected(world):
    checked = 0
    for row in world.rows:
        if not (row.url or "").startswith(BASE_URL + "/faults") or row.expected == Reason.OPTED_OUT:
            continue
        if (content := content_of(world, row.url)) is None or row.expected == Reason.TOO_MANY_REDIRECTS:
            continue
        try:
            make_square(content.body, PRESETS["toy"]["download"], SELECT)
            outcome = KEPT
        except Rejected as rejected:
            outcome = rejected.reason
        assert outcome == row.expected, row.name
        checked += 1
    assert checked > 20


def test_kept_pictures_show_their_scenes_upright(world):
    for url, scene in world.scenes.items():
        served = ImageOps.exif_transpose(Image.open(io.BytesIO(content_of(world, url).body)))
        error = np.abs(np.asarray(served.convert("RGB"), float) - render(scene, 64).image)
        assert error.mean() < 5, url
    assert len(world.scenes) > 24


def test_captions_of_scenes_are_theirs(world):
    assert all(row.caption == row.scene.caption for row in world.rows if row.name == "scene")


def test_no_two_scenes_pass_for_duplicates_and_copies_do(world):
    hashes = {}
    for url in [*world.scenes, *(row.url for row in world.rows if row.name == "same-picture")]:
        body = content_of(world, url).body
        hashes[url] = make_square(body, PRESETS["toy"]["download"], SELECT).perceptual_hash
    near = [pair for pair in combinations(hashes, 2) if hamming(hashes[pair[0]], hashes[pair[1]]) <= 3]
    copies = {row.name: row.url for row in world.rows}
    assert [set(pair) for pair in near] == [{copies["same-picture"], copies["same-picture-kept"]}]
    assert DuplicatesConfig().max_distance == 3


def test_of_two_copies_the_smaller_key_is_kept(world):
    urls = {row.name: row.url for row in world.rows}
    for same in ("same-bytes", "same-picture"):
        assert make_key(urls[f"{same}-kept"]) % 2**64 < make_key(urls[same]) % 2**64
    bodies = [content_of(world, urls[name]).body for name in ("same-bytes", "same-bytes-kept")]
    assert bodies[0] == bodies[1]


def test_names_with_spaces_and_accents_are_served_under_their_encoded_paths(world):
    urls = [row.url for row in world.rows if row.name in ("a picture with spaces", "grüße-aus-京都")]
    with ToyWeb(world.pages) as web:
        for url in urls:
            path = quote(urlsplit(url).path)
            assert path != urlsplit(url).path
            with urllib.request.urlopen(web.base_url + path, timeout=5) as answer:
                assert answer.read().startswith(b"\xff\xd8")


def test_a_seed_is_the_same_world_and_another_is_not(tmp_path):
    seeds = {"a": 0, "b": 0, "c": 1}
    a, b, c = (build_world(tmp_path / name, BASE_URL, scenes=3, seed=seed) for name, seed in seeds.items())
    assert repr(a.rows) == repr(b.rows)  # repr, as one similarity is NaN
    assert a.pages == b.pages
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()
    assert repr(a.rows) != repr(c.rows)


def test_without_faults_every_row_is_a_scene(tmp_path):
    world = build_world(tmp_path, BASE_URL, scenes=5, faults=False)
    assert world.counts == {KEPT: 5}
    assert len(world.scenes) == 5


def test_pictures_too_small_to_tell_apart_are_refused(tmp_path):
    with pytest.raises(ValueError, match="32 or more"):
        build_world(tmp_path, BASE_URL, image_size=16)
