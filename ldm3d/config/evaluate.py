"""Settings of the stage that measures pictures, depth and autoencoders."""

from dataclasses import dataclass, field
from typing import Literal

from ldm3d.config.actors import ActorsConfig
from ldm3d.config.autoencoder import PerceptualConfig
from ldm3d.config.checks import require, require_finite
from ldm3d.config.places import FolderUrl, ModelPlace, NamedModelPlace

Metric = Literal["fid", "kid", "inception_score", "clip", "depth", "autoencoder"]


@dataclass(frozen=True, kw_only=True)
class PicturesConfig:
    """How pictures are looked at, generated and real ones alike."""

    size: int | None = None
    """Pixels a side: pictures are cut to their middle square and resized to it before any network sees them. None
    leaves samples as they are, and gives reference pictures the size of the samples."""
    resize: Literal["lanczos", "bicubic", "bilinear", "box"] = "lanczos"
    """Filter of that, of Pillow, which takes the mean of all pixels that become one."""
    count: int | None = None
    """Use so many keys of each set but the reference, a fixed sample: that of a smaller count is part of it. Features
    are computed of all, so that another count is a matter of seconds. None uses all."""
    keys: str | None = None
    """Use only the pictures of these keys: a parquet file with a column `key`. Like `count`, it costs no features."""

    def __post_init__(self) -> None:
        require(self.size is None or self.size >= 1, "pictures.size", self.size, "1 or more, or None")
        require(self.count is None or self.count >= 2, "pictures.count", self.count, "2 or more, or None")


@dataclass(frozen=True, kw_only=True)
class InceptionConfig:
    """The network behind FID, KID and Inception Score."""

    network: Literal["inception", "efficientnet-lite0"] = "inception"
    """`inception` is torch-fidelity's Inception v3 of 2015-12-05, that of published numbers. `efficientnet-lite0` is a
    surrogate that a Python package brings: real features without a download, never to be compared with published
    numbers."""
    weights: ModelPlace = "torch-fidelity"
    """Of `inception`: `torch-fidelity` takes its file from TORCH_HOME, or downloads it once and checks its hash; or a
    path of such a state dict, local or s3://."""
    resize: Literal["tf1", "clean"] = "tf1"
    """To 299 pixels: `tf1` is bilinear as in TensorFlow 1, as torch-fidelity and published numbers have it; `clean` is
    bicubic with antialiasing (arXiv 2104.11222)."""
    batch_size: int = 32
    """Pictures per forward pass."""
    kid_subsets: int = 100
    """Random subsets that the kernel distance is estimated on."""
    kid_subset_size: int = 1_000
    """Pictures in each; where there are fewer, all of them."""

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 1), ("kid_subsets", 2), ("kid_subset_size", 2)):
            value = getattr(self, name)
            require(value >= least, f"inception.{name}", value, f"{least} or more")


@dataclass(frozen=True, kw_only=True)
class ClipConfig:
    """The network that says how well pictures go with their captions."""

    model: ModelPlace = "openai/clip-vit-large-patch14"
    """A CLIP of transformers, by path or hub id; or `conse`, a surrogate made of EfficientNet-Lite0 and MiniLM that
    Python packages bring, never to be compared with published numbers."""
    revision: str | None = None
    """Commit of a model on the hub; None takes its main branch."""
    prefix: str = ""
    """Put before each caption; some evaluations use "A photo depicts "."""
    batch_size: int = 32
    """Pictures per forward pass."""

    def __post_init__(self) -> None:
        require(self.model != "", "clip.model", self.model, "a path, model id or conse")
        require(self.batch_size >= 1, "clip.batch_size", self.batch_size, "1 or more")


@dataclass(frozen=True, kw_only=True)
class DepthConfig:
    """What depth is compared with (paper, section 4.3)."""

    reference: ModelPlace = "Intel/zoedepth-nyu"
    """A metric depth model of transformers, by path or hub id: what it sees in a picture is taken for true."""
    reference_revision: str | None = None
    """Commit of a model on the hub; None takes its main branch."""
    peer: ModelPlace | None = "Intel/dpt-large"
    """A depth model whose answer for the same pictures is scored beside the samples' own depth; None for none."""
    peer_revision: str | None = None
    """Commit of a model on the hub; None takes its main branch."""
    flip: bool = True
    """Average the reference with its answer to the mirrored picture, as ZoeDepth's own code does."""
    points: int = 1_000
    """Drawn at random from the valid pixels of a sample, to align scale and shift on."""
    max_depth_m: float = 10.0
    """Metres at which aligned depth is capped; ZoeDepth-N's range."""
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
    """Models whose autoencoder is measured: LDM3D's of 6 or 4 channels, or Stable Diffusion's of 3; each a path or hub
    id, or NAME=PATH."""
    corpus: str | None = None
    """What they reconstruct: a corpus of `rebuild_corpus`, finished, or the folder of one of its splits."""
    perceptual: PerceptualConfig = field(default_factory=PerceptualConfig)
    """Network and weights of LPIPS; its loss weights do not matter here."""
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
    """Of the page."""
    tolerance: float = 2.0
    """A metric got worse where it did so by more than so many standard errors of the difference to the run before of
    the same protocol."""
    gate: tuple[Metric, ...] = ()
    """Metrics whose getting worse ends in exit code 4; all if none is named. Of many numbers some seem worse by
    chance: name those that matter."""
    seed: int = 0
    """Decides which samples are shown."""
    shown: int = 6
    """Captions in the figure of samples."""
    surrogate: tuple[Metric, ...] = ()
    """Metrics whose networks stand in for the published ones: marked, and never put beside the paper's numbers. The
    surrogates that have a name of their own, `efficientnet-lite0` and `conse`, are known."""

    def __post_init__(self) -> None:
        require(self.tolerance >= 0, "report.tolerance", self.tolerance, "0 or more")
        require(self.shown >= 1, "report.shown", self.shown, "1 or more")


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Measure samples against real pictures and captions, and autoencoders on a corpus."""

    input: tuple[str, ...] = ()
    """Sets of pictures to measure: outputs of `generate`, a set for each point of their grids; or a folder of parquet
    files with a column `image` (and `caption`, `key`, `depth`), or of PNG and JPEG files. Each may be NAME=PATH; its
    name is that of the folder otherwise. Local or s3://."""
    output: FolderUrl
    """Folder of the evaluation; local or s3://. Another run on the same folder reuses the features that are there, and
    is compared with the runs before."""
    reference: str | None = None
    """Real pictures for FID and KID: any of the above, or a corpus."""
    metrics: tuple[Metric, ...] = ("fid", "kid", "inception_score", "clip", "depth", "autoencoder")
    """What to compute; what the input does not allow (captions, depth, a reference, autoencoders) is left out, and the
    report says so."""
    shard_pictures: int = 64
    """Single picture files per shard, what is committed at once; of parquet a file is a shard."""
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
