"""Candidates -> square images: fetched politely or read from files, decoded in isolation.

Every failure is a reject with its reason.
"""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from queue import SimpleQueue
from typing import Any

import pyarrow as pa

from ldm3d.config import CorpusConfig
from ldm3d.decode import IsolatedDecoder, SquareImage
from ldm3d.fetch import Fetched, Fetcher
from ldm3d.fetch.outcome import Outcome
from ldm3d.reject import Reason, Rejected
from ldm3d.rows.pictures import is_web
from pipelines.corpus.picture_files import PictureFile, PictureReader
from pipelines.corpus.plan import PICTURES
from pipelines.corpus.retry import left_of
from pipelines.storage.folder import Folder
from pipelines.storage.parquet import binaries, with_columns

WAITING = 64  # fetched bodies of an actor that may wait for its decoder: a bound on memory where decoding is slow
COLUMNS: dict[str, tuple[pa.DataType, Any]] = {  # type, and value where there is nothing
    "image": (pa.binary(), b""),
    "original_width": (pa.int32(), 0),
    "original_height": (pa.int32(), 0),
    "sha256": (pa.string(), ""),
    "perceptual_hash": (pa.int64(), 0),
    "stage": (pa.string(), ""),
    "reason": (pa.string(), ""),
    "detail": (pa.string(), ""),
}
PLACE = ("file", "offset", "length", "part")  # where a picture lies that is not on the web
OUTSIDE = Outcome(
    Reason.REFUSED_URL, "neither http(s) nor a file below the metadata or a folder of --download.files-under"
)
NAMED_OUTSIDE = Outcome(
    Reason.REFUSED_URL,
    "its cell names a picture that is neither below the metadata nor in a folder of --download.files-under",
)
SCHEMA = pa.schema({name: kind for name, (kind, _) in COLUMNS.items()})
NOTHING = {name: value for name, (_, value) in COLUMNS.items()}


class Downloader:
    """One fetcher and its decoder processes.

    INPUT   one shard: name, source, row_group
    OUTPUT  its rows, or those to retry: the candidate's columns; image: S x S JPEG, empty where rejected; and stage,
            reason, detail
    Fan-out 1 shard : its rows, in order
    """

    def __init__(self, config: CorpusConfig, actors: int, cpus: float, calls: int, *, retries: bool = False) -> None:
        """Start the decoder processes.

        Args:
            actors: downloaders in all, which share the limits on a host.
            cpus: of this actor.
            calls: shards that may be processed at a time, each in its own thread.
            retries: fetch only the rows that a finished shard rejected for transport reasons.
        """
        self.retries = retries
        self.candidates = Folder(config.output)
        self.files = PictureReader(config.input, config.download, f"{self.candidates.url}/{PICTURES}")
        self.fetcher = Fetcher(config.download, share_of_host=actors, calls=calls)
        self.decoder = IsolatedDecoder(config.download, config.select, processes=max(1, int(cpus)))
        self.waiting = max(1, WAITING // calls)

    def __call__(self, shard: pa.Table) -> pa.Table:
        name, source, row_group = (shard[column][0].as_py() for column in ("name", "source", "row_group"))
        rows = self.candidates.read_table(source, row_group=row_group)
        if self.retries:
            rows = left_of(self.candidates, name, rows)
        outcomes: list[dict[str, Any]] = [NOTHING] * rows.num_rows
        for index, outcome in self.images(self._contents(rows)):
            outcomes[index] = NOTHING | outcome
        columns = {name: [outcome[name] for outcome in outcomes] for name in COLUMNS}
        found = pa.table(columns | {"image": binaries(columns["image"])}, SCHEMA)
        names = pa.array([name] * rows.num_rows, pa.string())
        rows = rows.drop_columns([name for name in PLACE if name in rows.column_names])
        rows = with_columns(rows, shard=names, **dict(zip(found.column_names, found.columns, strict=True)))
        return rows.replace_schema_metadata(None)

    def _contents(self, rows: pa.Table) -> Iterator[Fetched]:
        """Yield the contents of pictures as they come: first of files, then of the web."""
        urls = rows["url"].to_pylist()
        if "file" not in rows.column_names:
            yield from self.fetcher.fetch_all(urls)
            return
        nothing = [None] * len(urls)
        places = [rows[name].to_pylist() if name in rows.column_names else nothing for name in PLACE]
        files = [PictureFile(index, *place) for index, place in enumerate(zip(*places, strict=True))]
        yield from self.files.read_all(file for file in files if file.is_there)
        others, in_tables = [file.place for file in files if not file.is_there], "part" in rows.column_names
        of_web = [index for index in others if is_web(urls[index]) and not in_tables]
        for index in sorted(set(others) - set(of_web)):
            yield Fetched.of(index, NAMED_OUTSIDE if in_tables else OUTSIDE, 0)
        for fetched in self.fetcher.fetch_all([urls[index] for index in of_web]):
            yield replace(fetched, index=of_web[fetched.index])

    def images(self, contents: Iterable[Fetched]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield outcomes by index as they come. Images are decoded while other URLs are still being fetched."""
        decoding: dict[Future[SquareImage], Fetched] = {}
        done: SimpleQueue[Future[SquareImage]] = SimpleQueue()
        for fetched in contents:
            if fetched.reason:
                yield fetched.index, {"stage": "download", "reason": fetched.reason, "detail": fetched.detail}
                continue
            future = self.decoder.submit(fetched.content)
            decoding[future] = fetched
            future.add_done_callback(done.put)
            if (
                len(decoding) >= self.waiting
            ):  # fetching one for each that is decoded would wake every thread each time
                while len(decoding) > self.waiting // 2:
                    future = done.get()
                    yield self._decoded(future, decoding.pop(future))
        while decoding:
            future = done.get()
            yield self._decoded(future, decoding.pop(future))

    @staticmethod
    def _decoded(future: Future[SquareImage], fetched: Fetched) -> tuple[int, dict[str, Any]]:
        try:
            square = future.result()
        except Rejected as rejected:
            return fetched.index, {
                "stage": "decode",
                "reason": str(rejected.reason),
                "detail": rejected.detail,
                "sha256": hashlib.sha256(fetched.content).hexdigest(),
            }
        return fetched.index, {
            "image": square.jpeg,
            "original_width": square.original_width,
            "original_height": square.original_height,
            "sha256": hashlib.sha256(fetched.content).hexdigest(),
            "perceptual_hash": square.perceptual_hash,
        }
