"""Settings of the stage that draws pictures with depth for captions."""

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from ldm3d.config.actors import ActorsConfig
from ldm3d.config.checks import require, require_finite, to_json
from ldm3d.config.named import named
from ldm3d.config.places import FolderUrl, NamedModelPlace

NAME = r"\w+([.-]\w+)*"  # of a model, as folders and `datasets` take it


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """The model, or several."""

    model: tuple[NamedModelPlace, ...] = ("Intel/ldm3d",)
    """`model/` of `train_diffusion`, an `export`, an LDM3D checkpoint of 6 or 4 channels, or Stable Diffusion v1.x or
    2.x, which draws no depth; local, s3:// or a hub id. The driver reads it and hands it to the actors. Several are
    part of the grid, say the checkpoints of a training; NAME=MODEL names one."""
    revision: str | None = None
    """Commit of the only model, on the hub; None takes its main branch."""
    precision: Literal["auto", "fp32", "fp16", "bf16"] = "auto"
    """Of the networks; `auto` is fp16 on a GPU and fp32 on a CPU. A picture whose decoding overflows in half precision
    is decoded again in fp32."""

    def __post_init__(self) -> None:
        given = isinstance(self.model, tuple) and bool(self.model) and all(self.model)
        require(given, "model.model", self.model, "a tuple of paths or model ids, at least one")
        if len(self.model) > 1:
            require(self.revision is None, "model.revision", self.revision, "None with several models")
            _require_names([name for name, _ in self.named()])

    def named(self) -> list[tuple[str, str]]:
        """The name and place of each. One that is given none is called by its folder, or by that of `model/`."""
        return [named(given) for given in self.model]


def _require_names(names: list[str]) -> None:
    fine = all(re.fullmatch(NAME, name, re.ASCII) for name in names)
    wanted = "letters, digits, _, and - or . between them: give NAME=MODEL"
    require(fine, "names of model.model", names, wanted)
    distinct = len({name.replace("-", "_") for name in names}) == len(names)  # as `datasets` has splits
    require(distinct, "names of model.model", names, "a name for each: give NAME=MODEL")


@dataclass(frozen=True, kw_only=True)
class CaptionsConfig:
    """Which captions are drawn, how often, and from which noise."""

    count: int | None = None
    """Draw so many of the captions, a fixed sample by key: that of a smaller count is part of it. None draws all."""
    per_caption: int = 1
    """Samples of each caption."""
    seed: int = 0
    """Decides the seed of each sample, together with the key of its caption and its number. With --prompt it is the
    seed of the first sample, and those after it have the numbers that follow."""

    def __post_init__(self) -> None:
        require(self.count is None or self.count >= 1, "captions.count", self.count, "1 or more, or None")
        require(self.per_caption >= 1, "captions.per_caption", self.per_caption, "1 or more")
        require(0 <= self.seed < 2**32, "captions.seed", self.seed, "0 to 4,294,967,295")


@dataclass(frozen=True)
class SamplingPoint:
    """One combination of what a grid varies, beside the model."""

    scheduler: str
    guidance_scale: float
    num_inference_steps: int

    @property
    def name(self) -> str:
        """As folders have it, `ddim-s5-n50`."""
        return f"{self.scheduler}-s{self.guidance_scale:g}-n{self.num_inference_steps}"


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """How captions become pictures. Several steps or scales are a grid: each combination draws every sample."""

    scheduler: Literal["ddim", "ddpm", "dpmpp", "euler", "euler-a", "heun", "lcm", "unipc"] = "ddim"
    """Method; noise schedule and prediction type are the model's. `dpmpp` is DPM-Solver++, of second order; `lcm` is
    for latent consistency models."""
    num_inference_steps: tuple[int, ...] = (50,)
    """Steps of the scheduler."""
    guidance_scale: tuple[float, ...] = (5.0,)
    """How far predictions are pushed from those without the caption; 1 is no guidance and half the work."""
    guidance_rescale: float = 0.0
    """How far the spread of a guided prediction is drawn back to that of the unguided, 0 to 1 (arXiv 2305.08891)."""
    eta: float | None = None
    """Share of fresh noise in each step of DDIM, 0 to 1; None leaves it to the scheduler."""
    negative_prompt: str = ""
    """What guidance leads away from."""
    height: int | None = None
    """Pixels; None is what the model was trained at."""
    width: int | None = None
    """Pixels; None is what the model was trained at."""
    tile: int | None = None
    """Pixels; larger pictures are decoded in overlapping squares of this side, which takes less memory. None decodes
    them whole."""
    batch_size: int = 8
    """Samples per forward pass, across captions; with guidance the U-Net sees twice as many."""

    def __post_init__(self) -> None:
        steps, scales = self.num_inference_steps, self.guidance_scale
        require(bool(steps) and min(steps) >= 1, "sampling.num_inference_steps", steps, "1 or more, at least one")
        finite = bool(scales) and all(0 <= scale < float("inf") for scale in scales)
        require(finite, "sampling.guidance_scale", scales, "0 or more, at least one")
        names = [point.name for point in self.grid()]
        require(len(set(names)) == len(names), "sampling", names, "every point of the grid once")
        require(0 <= self.guidance_rescale <= 1, "sampling.guidance_rescale", self.guidance_rescale, "0 to 1")
        require(self.eta is None or 0 <= self.eta <= 1, "sampling.eta", self.eta, "0 to 1, or None")
        for name in ("height", "width", "tile"):
            pixels = getattr(self, name)
            require(pixels is None or pixels >= 1, f"sampling.{name}", pixels, "1 or more, or None")
        require(self.batch_size >= 1, "sampling.batch_size", self.batch_size, "1 or more")

    def grid(self) -> list[SamplingPoint]:
        """Every combination of scale and steps."""
        return [
            SamplingPoint(self.scheduler, scale, steps)
            for scale in self.guidance_scale
            for steps in self.num_inference_steps
        ]


@dataclass(frozen=True, kw_only=True)
class GenerateConfig:
    """Draw pictures with depth: for files of captions on a cluster, or for one prompt right here."""

    input: FolderUrl | None = None
    """Captions: a parquet file with a column `caption`, or a folder of them; COCO's captions, .json; or text, .txt, a
    caption a line; local or s3://."""
    output: FolderUrl
    """Folder of the samples; local or s3://."""
    prompt: str | None = None
    """One caption in place of --input: pictures are written as PNG files, without a cluster."""
    shard_samples: int = 64
    """Samples per shard, what is committed at once."""
    model: GeneratorConfig = field(default_factory=GeneratorConfig)
    captions: CaptionsConfig = field(default_factory=CaptionsConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    cluster: ActorsConfig = field(default_factory=ActorsConfig)

    def __post_init__(self) -> None:
        require_finite(self)
        require(self.prompt != "", "prompt", self.prompt, "a caption")
        require(self.input is None or self.prompt is None, "prompt", self.prompt, "either --prompt or --input")
        require(self.shard_samples >= 1, "shard_samples", self.shard_samples, "1 or more")

    def identity(self) -> dict[str, Any]:
        """The settings that decide which rows come out; what captions and model hold decides the rest."""
        names = ("shard_samples", "captions", "sampling")
        return {name: to_json(self)[name] for name in names} | {"precision": self.model.precision}
