"""Settings of the stage that measures pictures, depth and autoencoders."""

from dataclasses import dataclass, field
from typing import Literal

from ldm3d.config.actors import ActorsConfig
from ldm3d.config.autoencoder import PerceptualConfig
from ldm3d.config.checks import require, require_finite, require_least
from ldm3d.config.places import FolderUrl, ModelPlace, NamedFolderUrl, NamedModelPlace, OutputUrl

Metric = Literal[
    "fid",
    "kid",
    "inception_score",
    "clip",
    "depth",
    "autoencoder",
    "fd_dinov2",
    "cmmd",
    "precision_recall",
    "depth_edges",
    "panorama_depth",
    "seam",
]


@dataclass(frozen=True, kw_only=True)
class PicturesConfig:
    """How pictures, generated and real ones alike, are prepared for the networks."""

    size: int | None = None
    """Side in pixels: pictures are cropped to their central square and resized to it before any network sees them.
    None leaves samples as they are and gives reference pictures the size of the samples."""
    resize: Literal["lanczos", "bicubic", "bilinear", "box"] = "lanczos"
    """Pillow filter for this resize; each averages all source pixels that become one."""
    count: int | None = None
    """Number of keys to use from each set except the reference: a fixed sample, part of every larger one. Features are
    computed for all pictures, so that another count takes seconds. None uses all."""
    keys: FolderUrl | None = None
    """Parquet file with a column `key`: use only pictures with these keys; like `count`, needs no new features."""

    def __post_init__(self) -> None:
        require(self.size is None or self.size >= 1, "pictures.size", self.size, "1 or more, or None")
        require(self.count is None or self.count >= 2, "pictures.count", self.count, "2 or more, or None")


@dataclass(frozen=True, kw_only=True)
class InceptionConfig:
    """The network behind FID, KID, Inception Score, and precision and recall."""

    network: Literal["inception", "efficientnet-lite0"] = "inception"
    """`inception` is torch-fidelity's Inception v3 of 2015-12-05, as in published numbers. `efficientnet-lite0` is a
    surrogate from a Python package: real features without a download, not comparable with published numbers."""
    weights: ModelPlace = "torch-fidelity"
    """Weights of `inception`: `torch-fidelity` takes its file from TORCH_HOME, or downloads it once and checks its
    hash. Or the path of such a state dict, local or s3://."""
    resize: Literal["tf1", "clean"] = "tf1"
    """Resize to 299 pixels: `tf1` is TensorFlow 1's bilinear, used by torch-fidelity and published numbers; `clean` is
    bicubic with antialiasing (arXiv 2104.11222)."""
    batch_size: int = 32
    """Number of pictures per forward pass."""
    kid_subsets: int = 100
    """Number of random subsets from which KID is estimated."""
    kid_subset_size: int = 1_000
    """Number of pictures per subset; all of them if there are fewer."""

    def __post_init__(self) -> None:
        require_least(self, "inception", 1, "batch_size")
        require_least(self, "inception", 2, "kid_subsets", "kid_subset_size")


@dataclass(frozen=True, kw_only=True)
class ClipConfig:
    """The network that scores how well pictures match their captions, and whose embeddings CMMD compares."""

    model: ModelPlace = "openai/clip-vit-large-patch14"
    """A CLIP model of transformers, by path or hub id. Or `conse`, a surrogate built from EfficientNet-Lite0 and
    MiniLM, which come in Python packages; not comparable with published numbers."""
    revision: str | None = None
    """Commit of the model on the hub; None takes the main branch."""
    prefix: str = ""
    """Text put before each caption; some evaluations use "A photo depicts "."""
    batch_size: int = 32
    """Number of pictures per forward pass."""

    def __post_init__(self) -> None:
        require(self.model != "", "clip.model", self.model, "a path, model id or conse")
        require(self.batch_size >= 1, "clip.batch_size", self.batch_size, "1 or more")


@dataclass(frozen=True, kw_only=True)
class Dinov2Config:
    """The network behind FD-DINOv2 (arXiv 2306.04675)."""

    model: ModelPlace = "facebook/dinov2-large"
    """A DINOv2 of transformers without registers, by path or hub id; ViT-L/14 in published numbers."""
    revision: str | None = None
    """Commit of the model on the hub; None takes the main branch."""
    batch_size: int = 32
    """Number of pictures per forward pass."""

    def __post_init__(self) -> None:
        require(self.model != "", "dinov2.model", self.model, "a path or model id")
        require(self.batch_size >= 1, "dinov2.batch_size", self.batch_size, "1 or more")


@dataclass(frozen=True, kw_only=True)
class DepthConfig:
    """The models that depth is compared with (paper, section 4.3)."""

    reference: ModelPlace = "Intel/zoedepth-nyu"
    """A metric depth model of transformers, by path or hub id; its predictions are the ground truth."""
    reference_revision: str | None = None
    """Commit of the reference on the hub; None takes the main branch."""
    peer: ModelPlace | None = "Intel/dpt-large"
    """A depth model whose predictions on the same pictures are scored beside the samples' depth; None for no peer."""
    peer_revision: str | None = None
    """Commit of the peer on the hub; None takes the main branch."""
    flip: bool = True
    """Average the reference with its prediction on the mirrored picture, as ZoeDepth's own code does."""
    points: int = 1_000
    """Number of valid pixels, drawn at random from each sample, on which scale and shift are aligned."""
    max_depth_m: float = 10.0
    """Cap on aligned depth, in metres; the default is ZoeDepth-N's range."""
    batch_size: int = 8
    """Number of pictures per forward pass."""

    def __post_init__(self) -> None:
        require(self.reference != "", "depth.reference", self.reference, "a path or model id")
        require(self.peer != "", "depth.peer", self.peer, "a path or model id, or None")
        require(self.points >= 2, "depth.points", self.points, "2 or more")
        require(self.max_depth_m > 0, "depth.max_depth_m", self.max_depth_m, "above 0")
        require(self.batch_size >= 1, "depth.batch_size", self.batch_size, "1 or more")


@dataclass(frozen=True, kw_only=True)
class ReconstructionConfig:
    """Which autoencoders are measured, and on what."""

    models: tuple[NamedModelPlace, ...] = ()
    """Models whose autoencoder is measured: LDM3D's with 6 or 4 channels, or Stable Diffusion's with 3. Each is a path
    or hub id, or NAME=PATH."""
    corpus: NamedFolderUrl | None = None
    """What they reconstruct: a finished output of `rebuild_corpus`, or the folder of one of its splits."""
    perceptual: PerceptualConfig = field(default_factory=PerceptualConfig)
    """Network and weights of LPIPS; its loss weights have no effect here."""
    batch_size: int = 8
    """Number of pictures per forward pass."""

    def __post_init__(self) -> None:
        require("" not in self.models, "reconstruction.models", self.models, "paths or model ids")
        paired = bool(self.models) == (self.corpus is not None)
        require(paired, "reconstruction.corpus", self.corpus, "given together with --reconstruction.models")
        require(self.batch_size >= 1, "reconstruction.batch_size", self.batch_size, "1 or more")


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """The report, and when a metric counts as worse."""

    title: str | None = None
    """Title of the page; None names what was measured, and against what."""
    tolerance: float = 2.0
    """A metric may get worse by this many standard errors of the difference from the previous run under the same
    protocol, or from the baseline."""
    baseline: str | None = None
    """Name of an earlier run on this output (the hex digits in its report and in `metrics/`) to judge by in place of
    the previous one, so that slow drift is seen, too. The previous run is shown beside it, and judges numbers that the
    baseline does not have under the same protocol."""
    gate: tuple[Metric, ...] = ()
    """Metrics that end the job with exit code 4 when they get worse; all of them if none is named. Of many numbers
    some get worse by chance: name those that matter."""
    seed: int = 0
    """Selects which samples are shown."""
    shown: int = 6
    """Number of captions in the figure of samples."""
    surrogate: tuple[Metric, ...] = ()
    """Metrics whose networks stand in for the published ones: marked, and never put beside the paper's numbers.
    `efficientnet-lite0` and `conse` are recognised and need no mention."""

    def __post_init__(self) -> None:
        require(self.tolerance >= 0, "report.tolerance", self.tolerance, "0 or more")
        require(self.shown >= 1, "report.shown", self.shown, "1 or more")


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Measure samples against real pictures and captions, and autoencoders on a corpus."""

    input: tuple[NamedFolderUrl, ...] = ()
    """Sets of pictures to measure. Each is an output of `generate`, with one set per point of its grid, or a folder of
    parquet files with a column `image` (and `caption`, `key`, `depth`), or of PNG, JPEG or WebP files. NAME=PATH names
    a set; otherwise it is named after its folder. Local or s3://."""
    output: OutputUrl
    """Folder that the evaluation is written to; local or s3://. Another run on the same folder reuses its features,
    and is compared with the earlier runs."""
    reference: NamedFolderUrl | None = None
    """Real pictures for the metrics that compare with them: any set that --input takes, or a corpus."""
    metrics: tuple[Metric, ...] = ("fid", "kid", "inception_score", "clip", "depth", "autoencoder")
    """What to compute: by default the paper's metrics; those after them came later, and have a table of their own, as
    have `panorama_depth` and `seam`, for pictures that are panoramas. Metrics that the input does not allow (no
    captions, depth, reference or autoencoders, no panoramas) are left out, and the report says so."""
    shard_pictures: int = 64
    """Number of picture files per shard, the unit that is committed; a parquet file is always one shard."""
    pictures: PicturesConfig = field(default_factory=PicturesConfig)
    inception: InceptionConfig = field(default_factory=InceptionConfig)
    clip: ClipConfig = field(default_factory=ClipConfig)
    dinov2: Dinov2Config = field(default_factory=Dinov2Config)
    depth: DepthConfig = field(default_factory=DepthConfig)
    reconstruction: ReconstructionConfig = field(default_factory=ReconstructionConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    cluster: ActorsConfig = field(default_factory=ActorsConfig)
    preset: str | None = None
    """Name of the preset that these settings began with, kept for the stages that read the output. It decides nothing
    here."""

    def __post_init__(self) -> None:
        require_finite(self)
        require(bool(self.metrics), "metrics", self.metrics, "at least one")
        require(len(set(self.metrics)) == len(self.metrics), "metrics", self.metrics, "each once")
        require(self.shard_pictures >= 1, "shard_pictures", self.shard_pictures, "1 or more")
