"""Settings of the corpus stage."""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from ldm3d.config.checks import require, require_finite, require_least, require_positive, to_json, without_unset
from ldm3d.config.places import FolderUrl, ModelPlace, OutputUrl
from ldm3d.config.select import OWN_COLUMNS, SelectConfig

ARROW_BYTES = 2**31 - 1  # the most that one Arrow array of `binary`, the type of image columns, can hold
PICTURE_BYTES_A_PIXEL = 3  # the worst case is noise: 2.5 as a JPEG of quality 100, 2.8 as lossless depth
PICTURE_BYTES = 4_096  # for headers


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


PACING = (
    "timeout_s",
    "deadline_s",
    "max_pause_s",
    "decode_timeout_s",
    "retries",
    "backoff_s",
    "threads",
    "per_host",
    "breaker_failures",
    "breaker_cooldown_s",
)
"""Download settings that only set patience and speed. They may change between runs on the same output."""


@dataclass(frozen=True, kw_only=True)
class DownloadConfig:
    """How each URL is fetched, and its limits. Pictures come out as img2dataset's would."""

    image_size: int = 512
    """Side S of the stored square image, in pixels."""
    encode_quality: int = 95
    """JPEG quality of the stored image, 1 to 100."""
    decode: Literal["full", "scaled"] = "full"
    """`full` is byte-identical to img2dataset; `scaled` decodes large JPEGs at 1/2, 1/4 or 1/8 (about 44 dB PSNR)."""
    timeout_s: float = 10.0
    """Seconds without progress (DNS, connect, one read) before an attempt is abandoned."""
    deadline_s: float = 30.0
    """Seconds for one URL in total: includes redirects, retries and the backoff before them, but neither time in a
    queue nor pauses that the host asks for."""
    max_pause_s: float = 300.0
    """Seconds in total that a URL may wait while its host asks to be left alone (429 or Retry-After). A URL that would
    have to wait longer is rejected as `rate_limited`."""
    max_bytes: int = 32 * 2**20
    """Largest response body in bytes."""
    max_pixels: int = 100_000_000
    """Largest declared width x height, checked before decoding."""
    decode_timeout_s: float = 20.0
    """Seconds allowed for decoding and resizing one image."""
    max_redirects: int = 5
    """Longest redirect chain; each hop is checked like the first URL."""
    retries: int = 2
    """Number of additional attempts after a transient failure (timeout, reset, 408, 429, 5xx)."""
    backoff_s: float = 1.0
    """Seconds before the first retry, doubled for each further one; a Retry-After header that names a time to come
    takes precedence."""
    threads: int = 64
    """Number of concurrent fetches per download actor."""
    per_host: int = 4
    """Number of concurrent fetches per host, across all download actors (but at least 1 per actor)."""
    breaker_failures: int = 10
    """Number of consecutive transport failures after which a host is left alone for `breaker_cooldown_s`."""
    breaker_cooldown_s: float = 60.0
    """Seconds for which a failing host is left alone; its URLs are rejected meanwhile."""
    user_agent_token: str | None = "ldm3d"
    """Name in the User-Agent header, and the agent that X-Robots-Tag lines may address."""
    opt_out_headers: tuple[str, ...] = ("noai", "noimageai", "noindex", "noimageindex")
    """X-Robots-Tag directives that forbid using an image; `noindex` covers `none`, too. While there is any,
    `TDM-Reservation: 1` forbids it as well."""
    files_under: tuple[FolderUrl, ...] = ()
    """Folders and buckets (`/data/pictures`, `s3://bucket`) whose pictures a table may name, beside those below the
    table's own folder. They are read as files, without what guards downloads."""
    allow_addresses: tuple[str, ...] = ()
    """Non-public IP addresses that may be contacted nevertheless, such as that of a server of your own."""

    def __post_init__(self) -> None:
        require(1 <= self.encode_quality <= 100, "download.encode_quality", self.encode_quality, "1 to 100")
        counts = ("image_size", "max_bytes", "max_pixels", "threads", "per_host", "breaker_failures")
        require_least(self, "download", 1, *counts)
        for name in ("timeout_s", "deadline_s", "decode_timeout_s"):
            require(getattr(self, name) > 0, f"download.{name}", getattr(self, name), "more than 0 seconds")
        require_least(self, "download", 0, "max_redirects", "backoff_s", "max_pause_s", "breaker_cooldown_s")
        require(0 <= self.retries <= 100, "download.retries", self.retries, "0 to 100")
        token = self.user_agent_token
        named = token is None or re.fullmatch(r"[!-~]{1,64}", token) is not None  # it goes into a header
        require(named, "download.user_agent_token", token, "up to 64 printable ASCII characters without a space")
        for address in self.allow_addresses:
            require(_is_address(address), "download.allow_addresses", address, "IP addresses such as 127.0.0.1")


OF_A_MODEL = ("depth_model", "revision", "batch_size", "dtype")
"""Label settings that mean nothing where depth comes from a column."""


@dataclass(frozen=True, kw_only=True)
class LabelConfig:
    """The depth estimator, or the column that holds depth, and how depth is stored."""

    column: str | None = None
    """Column of the metadata with the depth of each picture: a file (PNG, TIFF or .npy, of one channel), or its path,
    relative to the metadata. No model is loaded then, and --label.predicts says what the values mean."""
    scale: float | None = None
    """What the values of the column are multiplied by, such as 0.001 for millimetres; None takes them as they are."""
    depth_model: ModelPlace = "Intel/dpt-large"
    """Any transformers depth-estimation model, by hub id or local path."""
    revision: str | None = None
    """Commit of the model on the hub; None takes the main branch."""
    predicts: Literal["auto", "inverse_depth", "depth"] = "auto"
    """What the model predicts, or the column holds: inverse depth (larger = nearer), or depth in metres, which is
    inverted before storing. `auto` reads it from the model's configuration."""
    batch_size: int = 32
    """Number of images per forward pass."""
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """Precision of the forward pass; `auto` is float16 on a GPU and float32 on a CPU."""
    depth_codec: Literal["png", "jxl"] = "png"
    """Lossless 16-bit codec of the depth column; `png` opens everywhere, `jxl` is smaller but needs our reader."""

    def __post_init__(self) -> None:
        require(self.batch_size >= 1, "label.batch_size", self.batch_size, "1 or more")
        require(self.depth_model != "", "label.depth_model", self.depth_model, "a model id or path")
        require(self.column != "", "label.column", self.column, "the name of a column")
        require(self.scale is None or self.scale > 0, "label.scale", self.scale, "more than 0, or None")


@dataclass(frozen=True, kw_only=True)
class DuplicatesConfig:
    """The second pass: images from different URLs that show the same picture."""

    remove: bool = True
    """Reject exact duplicates (same bytes) and near-duplicates (similar perceptual hash, same colours)."""
    max_distance: int = 3
    """Largest Hamming distance at which two pictures with the same colours count as the same, by their 64-bit
    perceptual hashes; 0 to 7."""

    def __post_init__(self) -> None:
        require(0 <= self.max_distance <= 7, "duplicates.max_distance", self.max_distance, "0 to 7 of 64 bits")


@dataclass(frozen=True, kw_only=True)
class ShardConfig:
    """Size of a shard: the unit that is committed, and the most that a crash can lose."""

    rows: int = 256
    """Number of metadata rows per shard."""
    row_group_rows: int = 32
    """Number of kept rows per parquet row group, the unit that a training reader fetches."""

    def __post_init__(self) -> None:
        require_least(self, "shards", 1, "rows", "row_group_rows")


@dataclass(frozen=True, kw_only=True)
class ClusterConfig:
    """What the stage asks of Ray. It affects speed only, never which rows come out."""

    address: str | None = None
    """Ray cluster to connect to; None uses the one this job was submitted to, or starts one on this machine."""
    download_actors: int | None = None
    """Number of download actors; None uses the remaining CPUs."""
    download_cpus: float = 1.0
    """Number of CPUs per download actor."""
    label_actors: int | None = None
    """Number of depth actors; None takes one per GPU, or a single one on a cluster without GPUs."""
    label_gpus: float = 1.0
    """Number of GPUs per depth actor; treated as 0 on a cluster without GPUs."""
    label_cpus: float = 1.0
    """Number of CPUs per depth actor, and its torch threads, when it runs without a GPU."""
    no_progress_timeout_s: float = 900.0
    """The run fails, naming the stuck operators, when no operator finishes a task for this many seconds."""

    def __post_init__(self) -> None:
        require_least(self, "cluster", 1, "download_actors", "label_actors", or_none=True)
        require_positive(self, "cluster", "download_cpus", "label_cpus", "no_progress_timeout_s")
        require_least(self, "cluster", 0, "label_gpus")


@dataclass(frozen=True, kw_only=True)
class CorpusConfig:
    """Rebuild the RGBD corpus: metadata -> images -> depth labels -> packed parquet."""

    input: FolderUrl
    """A table of pictures and captions (parquet, CSV, TSV, JSON or JSON lines; a file or a folder of them), of which
    parquet may hold the pictures; tar shards of img2dataset or webdataset, a folder of pictures, or an existing corpus
    to relabel; local or s3://."""
    output: OutputUrl
    """Folder that the corpus is written to; local or s3://."""
    select: SelectConfig = field(default_factory=SelectConfig)
    download: DownloadConfig = field(default_factory=DownloadConfig)
    label: LabelConfig = field(default_factory=LabelConfig)
    duplicates: DuplicatesConfig = field(default_factory=DuplicatesConfig)
    shards: ShardConfig = field(default_factory=ShardConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    retry_rejects: Literal["transport"] | None = None
    """Try rows again that an earlier run of this output rejected for reasons of the network or the host (`timeout`,
    `rate_limited` ...). Rows that it kept are not downloaded again."""
    preset: str | None = None
    """Name of the preset that these settings began with, kept for the stages that read the output. It decides nothing
    here."""

    def __post_init__(self) -> None:
        require_finite(self)
        picture = PICTURE_BYTES_A_PIXEL * self.download.image_size**2 + PICTURE_BYTES
        most = ARROW_BYTES // (2 * picture)  # a short shard is joined to the next: two in one array
        wanted = (
            f"at most {most} with --download.image-size {self.download.image_size}: 2 GiB of pictures fill an array"
        )
        require(self.shards.rows <= most, "shards.rows", self.shards.rows, wanted)

    def settings(self) -> dict[str, Any]:
        """Return the settings that have a meaning, as JSON values."""
        values = to_json(self)
        if self.label.column is not None:
            values["label"] = {name: value for name, value in values["label"].items() if name not in OF_A_MODEL}
        return values

    def identity(self) -> dict[str, Any]:
        """Return the settings that, with the content of the input, determine the rows of the corpus.

        Those that pace the download are left out: they may change during a run, as machines and hosts require.
        """
        rest = ("input", "output", "cluster", "retry_rejects", "preset")
        values = {name: value for name, value in self.settings().items() if name not in rest}
        values["select"] = without_unset(values["select"], read="auto", **dict.fromkeys(OWN_COLUMNS))
        download = {name: value for name, value in values["download"].items() if name not in PACING}
        values["download"] = without_unset(download, files_under=[])
        return values
