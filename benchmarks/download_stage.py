"""The Download stage alone, without Ray, as a command: URLs in a parquet file -> squares in parquet files.

    python -m benchmarks.download_stage URLS OUTPUT --image-size 512 --decoders 1 --decode full

It drives `pipelines.corpus.download.Downloader` shard by shard, like an actor of the corpus stage, for comparison with
the img2dataset command. Prints, as JSON, the times of the first URL and the last file in seconds since the epoch; so
starting and ending the decoders is not included.
"""

import argparse
import json
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ldm3d.config import CorpusConfig, DownloadConfig, ShardConfig
from ldm3d.reject import Rejected
from pipelines.corpus.download import Downloader
from pipelines.storage.folder import Folder

THREADS = 64
SHARD_ROWS = ShardConfig().rows
SOURCE = "urls.parquet"


def download(urls: list[str], output: str, download_config: DownloadConfig, decoders: int) -> tuple[float, float]:
    """Download and write everything. Returns when it began, after starting the decoders, and when it ended."""
    folder = Folder(output)
    starts = range(0, len(urls), SHARD_ROWS)
    folder.write_tables(SOURCE, [pa.table({"url": urls[start : start + SHARD_ROWS]}) for start in starts])
    stage = Downloader(
        CorpusConfig(input="", output=output, download=download_config), actors=1, cpus=decoders, calls=1
    )
    for trial in [stage.decoder.submit(b"no image") for _ in range(decoders)]:  # waits for the imports
        if not isinstance(trial.exception(), Rejected):
            trial.result()
    began = time.time()
    for number in range(len(starts)):
        shard = pa.table({"name": [f"train-{number:05d}"], "source": [SOURCE], "row_group": [number]})
        rows = stage(shard)
        folder.write_tables(f"{number:05d}.parquet", [rows], compression="none", use_dictionary=False)
    ended = time.time()
    stage.fetcher.close()
    stage.decoder.close()
    return began, ended


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("urls", type=Path)
    parser.add_argument("output")
    parser.add_argument("--image-size", type=int, default=512)
    parser.add_argument("--decoders", type=int, default=1)
    parser.add_argument("--decode", choices=("full", "scaled"), default="full")
    asked = parser.parse_args()
    config = DownloadConfig(
        image_size=asked.image_size,
        decode=asked.decode,
        threads=THREADS,
        per_host=THREADS,  # all URLs have the same host here
        allow_addresses=("127.0.0.1",),
    )
    urls = pq.read_table(asked.urls)["url"].to_pylist()
    print(json.dumps(download(urls, asked.output, config, asked.decoders)))


if __name__ == "__main__":
    main()
