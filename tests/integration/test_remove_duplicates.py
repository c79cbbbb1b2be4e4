"""The second pass on stored pictures: a copy goes, the same picture in another colour stays."""

import cv2
import pyarrow as pa
from skimage import data

from benchmarks.near_duplicates import with_hue_turned
from ldm3d.config import ClusterConfig, CorpusConfig
from ldm3d.duplicates.perceptual_hash import perceptual_hash
from ldm3d.images import decode_rgb
from ldm3d.schema import conform
from ldm3d.toy.pictures import jpeg
from pipelines.corpus.remove_duplicates import remove_duplicates
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Record, claim, commit_shard, shard_file
from pipelines.workers.session import configure_data
from tests.builders.hashes import hamming


def rows_of(pictures: dict[int, bytes]) -> pa.Table:
    rows = [
        {
            "key": key,
            "url": f"https://example.invalid/{key}",
            "caption": "a cup of espresso on a saucer",
            "image": {"bytes": picture, "path": ""},
            "depth": {"bytes": b"", "path": ""},
            "depth_min": 0.0,
            "depth_max": 1.0,
            "original_width": 256,
            "original_height": 256,
            "sha256": f"{key:064x}",
            "perceptual_hash": perceptual_hash(decode_rgb(picture)),
            "similarity": None,
            "nsfw": None,
            "split": "train",
        }
        for key, picture in pictures.items()
    ]
    return conform(pa.Table.from_pylist(rows), "rgbd/v1")


def test_a_copy_goes_and_the_same_picture_in_another_colour_stays(tmp_path):
    configure_data(ClusterConfig())
    red = cv2.resize(data.coffee()[:, 100:500], (256, 256), interpolation=cv2.INTER_AREA)
    green = with_hue_turned(red, 90)
    shards = {
        "train-00000": rows_of({4: jpeg(red, 95), 3: jpeg(green, 90)}),
        "train-00001": rows_of({9: jpeg(red, 50), 8: jpeg(green, 40), 7: jpeg(red[:, ::-1].copy(), 90)}),
    }
    hashes = [value for rows in shards.values() for value in rows["perceptual_hash"].to_pylist()]
    assert max(hamming(hashes[0], value) for value in hashes[:4]) <= 3 < hamming(hashes[0], hashes[4])
    output = Folder(str(tmp_path))
    claim(output, "run", {})
    records = {
        name: commit_shard(output, "run", Record.of(name, len(rows), len(rows), []), {"rgbd": [rows]})
        for name, rows in shards.items()
    }
    config = CorpusConfig(input="unused", output=output.url)
    done = remove_duplicates(config, "run", records)
    assert output.read_table(shard_file("train-00000", "rgbd"))["key"].to_pylist() == [4, 3]
    assert output.read_table(shard_file("train-00001", "rgbd"))["key"].to_pylist() == [7]
    rejects = output.read_table(shard_file("train-00001", "rejects")).to_pylist()
    assert {row["key"]: row["detail"] for row in rejects} == {
        9: "like the row of key 4",
        8: "like the row of key 3",
    }
    assert done["train-00000"] == records["train-00000"]
    assert done["train-00001"].rejected == {"near_duplicate": 2}
    assert remove_duplicates(config, "run", done) == done
