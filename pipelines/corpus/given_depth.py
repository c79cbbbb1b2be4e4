"""Images -> depth labels from a column of the metadata, on CPU actors. No model is loaded."""

import posixpath
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ldm3d.config import CorpusConfig
from ldm3d.depth.given import MAGIC, label_of
from ldm3d.depth.meaning import Meaning
from ldm3d.reject import Reason, Rejected
from pipelines.corpus.depth_model import about_labels
from pipelines.corpus.label_depth import Label, with_labels
from pipelines.corpus.picture_files import NO_FILE, metadata_folder
from pipelines.workers.resources import prepare_process

COLUMNS = ("given_depth", "original_width", "original_height")
THREADS = 4  # per actor: one waits for its file while another one decodes


def about_column(config: CorpusConfig) -> dict[str, Any]:
    """Return what is known of the labels, as `depth_model.try_model` does."""
    return {"depth_column": config.label.column, **about_labels(inverted=config.label.predicts == "depth")}


class GivenDepth:
    """Takes depth from the column `given_depth` of the candidates: the bytes of a file, or its path.

    INPUT   image, original_width, original_height, reason, given_depth: large_binary, null where there is none
    OUTPUT  as of `pipelines.corpus.label_depth.DepthLabeler`
    Fan-out 1:1; a row without a readable depth keeps its place and carries a reason.
    """

    def __init__(self, config: CorpusConfig) -> None:
        import cv2

        prepare_process(config.cluster.label_cpus)
        cv2.setNumThreads(1)
        self.config, self.folder = config.label, metadata_folder(config.input)
        self.meaning: Meaning = "depth" if config.label.predicts == "depth" else "inverse_depth"
        self.image_size = config.download.image_size
        self.threads = ThreadPoolExecutor(THREADS)

    def __call__(self, rows: pa.Table) -> pa.Table:
        good = np.flatnonzero(pc.equal(rows["reason"], "").to_numpy()).tolist()

        def label(place: int) -> Label:
            cell, width, height = (rows[name][place].as_py() for name in COLUMNS)
            return self._label(cell, width, height)

        labels = dict(zip(good, self.threads.map(label, good), strict=True))
        return with_labels(rows.drop_columns(["given_depth"]), labels)

    def _label(self, cell: bytes | None, width: int, height: int) -> Label:
        began = time.perf_counter()
        try:
            content = self._content(cell)
            found = label_of(content, self.meaning, self.config.scale or 1.0, (width, height), self.image_size)
        except Rejected as rejected:
            return Label(fault=rejected.detail, seconds=time.perf_counter() - began)
        raw = float(found.raw_min[0]), float(found.raw_max[0])
        return Label(found.depth[0].tobytes(), *raw, seconds=time.perf_counter() - began)

    def _content(self, cell: bytes | None) -> bytes:
        """Return the bytes of a file of depth, given by themselves or by a path.

        Raises:
            Rejected: there is none.
            OSError: the store fails.
        """
        if not cell:
            raise Rejected(Reason.DEPTH_FAILED, f"the column {self.config.column} is empty")
        if cell.startswith(MAGIC):
            return cell
        try:
            name = posixpath.normpath(cell.decode())
        except UnicodeDecodeError:
            start = cell[:8].hex(" ")
            raise Rejected(Reason.DEPTH_FAILED, f"neither a PNG, TIFF or .npy nor a path ({start} ...)") from None
        if name.startswith(("/", "..")) or "://" in cell.decode() or "\0" in name:
            raise Rejected(Reason.DEPTH_FAILED, f"{name} is not a path below the folder of the metadata")
        try:
            return self.folder.read(name)
        except OSError as error:
            if error.errno in NO_FILE or isinstance(error, FileNotFoundError):
                raise Rejected(Reason.DEPTH_FAILED, f"the file {name} does not exist") from error
            raise
