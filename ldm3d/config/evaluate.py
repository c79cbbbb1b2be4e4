"""Settings of the evaluation stage, which measures pictures, depth and autoencoders."""

from dataclasses import dataclass, field
from typing import Literal

from ldm3d.config.actors import ActorsConfig
from ldm3d.config.autoencoder import PerceptualConfig
from ldm3d.config.checks import require, require_finite
from ldm3d.config.places import FolderUrl, ModelPlace, NamedModelPlace

Metric = Literal["fid", "kid", "inception_score", "clip", "depth", "autoencoder"]


@dataclass(frozen=True, kw_only=True)
class PicturesConfig:
    """How pictures are prepared and which of them count, for generated and real ones alike."""

    size: int | None = None
    """Pixels a side: pictures are cropped to their middle square and resized to this before any network sees them.
    None leaves samples as they are, and resizes reference pictures to the size of the samples."""
    resize: Literal["lanczos", "bicubic", "bilinear", "box"] = "lanczos"
    """Pillow's filter for resizing, which averages over all pixels that become one."""
    count: int | None = None
    """Number of keys to use from each set but the reference. The sample is fixed: a smaller count uses part of a
    larger one's. Features are computed for all pictures, so another count takes seconds. None uses all."""
    keys: str | None = None
    """Use only the pictures with these keys: a parquet file with a column `key`. Like `count`, it needs no new
    features."""

    def __post_init__(self) -> None:
        require(self.size is None or self.size >= 1, "pictures.size", self.size, "1 or more, or None")
        require(self.count is None or self.count >= 2, "pictures.count", self.count, "2 or more, or None")


@dataclass(frozen=True, kw_only=True)
class InceptionConfig:
    """The network behind FID, KID and Inception Score."""

    network: Literal["inception", "efficientnet-lite0"] = "inception"
    """`inception` is torch-fidelity's Inception v3 of 2015-12-05, the network of published numbers.
    `efficientnet-lite0` is a surrogate that a Python package brings: real features without a download, never to be
    compared with published numbers."""
    weights: ModelPlace = "torch-fidelity"
    """Weights of `inception`: `torch-fidelity` takes its file from TORCH_HOME, or downloads it once and checks its
    hash; or give the path of such a state dict, local or s3://."""
    resize: Literal["tf1", "clean"] = "tf1"
    """Resizing to 299 pixels: `tf1` is bilinear as in TensorFlow 1, used by torch-fidelity and published numbers;
    `clean` is bicubic with antialiasing (arXiv 2104.11222)."""
    batch_size: int = 32
    """Pictures per forward pass."""
    kid_subsets: int = 100
    """Number of random subsets that the kernel distance is estimated on."""
    kid_subset_size: int = 1_000
    """Pictures per subset; all of them if there are fewer."""

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 1), ("kid_subsets", 2), ("kid_subset_size", 2)):
            value = getattr(self, name)
            require(value >= least, f"inception.{name}", value, f"{least} or more")


@dataclass(frozen=True, kw_only=True)
class ClipConfig:
    """The network that scores how well pictures match their captions."""

    model: ModelPlace = "openai/clip-vit-large-patch14"
    """A CLIP of transformers, by path or hub id; or `conse`, a surrogate of EfficientNet-Lite0 and MiniLM that Python
    packages bring, never to be compared with published numbers."""
    revision: str | None = None
    """Commit of a model on the hub; None takes its main branch."""
    prefix: str = ""
    """Text put before each caption; some evaluations use "A photo depicts "."""
    batch_size: int = 32
    """Pictures per forward pass."""

    def __post_init__(self) -> None:
        require(self.model != "", "clip.model", self.model, "a path, model id or conse")
        require(self.batch_size >= 1, "clip.batch_size", self.batch_size, "1 or more")


@dataclass(frozen=True, kw_only=True)
class DepthConfig:
    """The models that depth is compared with (paper, section 4.3)."""

    reference: ModelPlace = "Intel/zoedepth-nyu"
    """A metric depth model of transformers, by path or hub id, whose predictions are the ground truth."""
    reference_revision: str | None = None
    """Commit of a model on the hub; None takes its main branch."""
    peer: ModelPlace | None = "Intel/dpt-large"
    """A depth model whose predictions for the same pictures are scored beside the samples' own depth; None for
    none."""
    peer_revision: str | None = None
    """Commit of a model on the hub; None takes its main branch."""
    flip: bool = True
    """Average the reference's prediction with that for the mirrored picture, as ZoeDepth's own code does."""
    points: int = 1_000
    """Number of random valid pixels of a sample on which scale and shift are aligned."""
    max_depth_m: float = 10.0
    """Metres at which aligned depth is capped; the default is ZoeDepth-N's range."""
    batch_size: int = 8
    """Pictures per forward pass."""

    def __post_init__(self) -> None:
        require(self.reference != "", "depth.reference", self.reference, "a path or model id")
        require(self.peer != "", "depth.peer", self.peer, "a path or model id, or None")
        require(self.points >= 2, "depth.points", self.points, "2 or more")
        require(self.max_depth_m > 0, "depth.max_depth_m", self.max_depth_m, "above 0")
        require(self.batch_size >= 1, "depth.batch_size", self.batch_size, "1 or more")


@dataclass(frozen=True, kw_only=True)
class ReconstructionConfig:
    """How autoencoders are measured."""

    models: tuple[NamedModelPlace, ...] = ()
    """Models whose autoencoder is measured: LDM3D's with 6 or 4 channels, or Stable Diffusion's with 3; each a path or
    hub id, or NAME=PATH."""
    corpus: str | None = None
    """The pictures they reconstruct: a finished corpus of `rebuild_corpus`, or the folder of one of its splits."""
    perceptual: PerceptualConfig = field(default_factory=PerceptualConfig)
    """Network and weights of LPIPS; the loss weights are not used here."""
    batch_size: int = 8
    """Pictures per forward pass."""

    def __post_init__(self) -> None:
        require("" not in self.models, "reconstruction.models", self.models, "paths or model ids")
        paired = bool(self.models) == (self.corpus is not None)
        require(paired, "reconstruction.corpus", self.corpus, "given together with reconstruction.models")
        require(self.batch_size >= 1, "reconstruction.batch_size", self.batch_size, "1 or more")


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """The report, and when it calls a metric worse."""

    title: str = "LDM3D evaluation"
    """Title of the page."""
    tolerance: float = 2.0
    """A metric counts as worse if it got worse by more than this number of standard errors of the difference from the
    previous run under the same protocol."""
    gate: tuple[Metric, ...] = ()
    """Metrics that cause exit code 4 when they get worse; all if none is named. Among many numbers some seem worse by
    chance: name those that matter."""
    seed: int = 0
    """Decides which samples are shown."""
    shown: int = 6
    """Number of captions in the figure of samples."""
    surrogate: tuple[Metric, ...] = ()
    """Metrics whose networks stand in for the published ones: they are marked, and never put beside the paper's
    numbers. The built-in surrogates, `efficientnet-lite0` and `conse`, are recognised without this."""

    def __post_init__(self) -> None:
        require(self.tolerance >= 0, "report.tolerance", self.tolerance, "0 or more")
        require(self.shown >= 1, "report.shown", self.shown, "1 or more")


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Measure samples against real pictures and captions, and autoencoders on a corpus."""

    input: tuple[str, ...] = ()
    """Sets of pictures to measure: outputs of `generate`, with one set per point of the grid; or folders of parquet
    files with a column `image` (and `caption`, `key`, `depth`), or of picture files (PNG, JPEG, WebP). Each may be
    NAME=PATH; otherwise the folder's name is used. Local or s3://."""
    output: FolderUrl
    """Folder of the evaluation; local or s3://. Another run on the same folder reuses its features and is compared
    with earlier runs."""
    reference: str | None = None
    """Real pictures for FID and KID: any of the above, or a corpus."""
    metrics: tuple[Metric, ...] = ("fid", "kid", "inception_score", "clip", "depth", "autoencoder")
    """Metrics to compute. Those that the input does not allow (for want of captions, depth, a reference or
    autoencoders) are left out, and the report says so."""
    shard_pictures: int = 64
    """Picture files per shard, the unit of commit; a parquet file is a shard by itself."""
    pictures: PicturesConfig = field(default_factory=PicturesConfig)
    inception: InceptionConfig = field(default_factory=InceptionConfig)
    clip: ClipConfig = field(default_factory=ClipConfig)
    depth: DepthConfig = field(default_factory=DepthConfig)
    reconstruction: ReconstructionConfig = field(default_factory=ReconstructionConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    cluster: ActorsConfig = field(default_factory=ActorsConfig)

    def __post_init__(self) -> None:
        require_finite(self)
        require(bool(self.metrics), "metrics", self.metrics, "at least one")
        require(len(set(self.metrics)) == len(self.metrics), "metrics", self.metrics, "each once")
        require(self.shard_pictures >= 1, "shard_pictures", self.shard_pictures, "1 or more")
