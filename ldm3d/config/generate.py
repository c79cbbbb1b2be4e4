"""Settings of the stage that draws pictures with depth for captions."""

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from ldm3d.config.actors import ActorsConfig
from ldm3d.config.checks import require, require_finite, require_least, to_json, without_unset
from ldm3d.config.drawing import Drawing
from ldm3d.config.named import named
from ldm3d.config.places import FolderUrl, GridModelPlace, OutputUrl

Scheduler = Literal["ddim", "ddpm", "dpmpp", "euler", "euler-a", "heun", "lcm", "unipc"]
NAME = r"\w+([.-]\w+)*"  # a model's name, which folders and `datasets` have to accept


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """The model that draws, or several."""

    model: tuple[GridModelPlace, ...] = ("Intel/ldm3d",)
    """The output of `train_diffusion` or its `model/`, an `export`, an LDM3D checkpoint of 6 or 4 channels, or Stable
    Diffusion v1.x or 2.x, which draws no depth; local, s3:// or a hub id. The driver reads it and hands it to the
    actors. Several models, such as the checkpoints of one training, become part of the grid; NAME=MODEL gives one a
    name."""
    revision: str | None = None
    """Commit on the hub, with a single model; None takes its main branch."""
    precision: Literal["auto", "fp32", "fp16", "bf16"] = "auto"
    """Precision of the networks; `auto` is fp16 on a GPU and fp32 on a CPU. A picture that overflows in half precision
    is decoded again in fp32."""

    def __post_init__(self) -> None:
        given = isinstance(self.model, tuple) and bool(self.model) and all(self.model)
        require(given, "model.model", self.model, "a tuple of paths or model ids, at least one")
        if len(self.model) > 1:
            require(self.revision is None, "model.revision", self.revision, "None with several models")
            _require_names([name for name, _ in self.named()])

    def named(self) -> list[tuple[str, str]]:
        """Return the name and place of each model. One without a name is called after its folder, or the one above
        `model/`."""
        return [named(given) for given in self.model]


def _require_names(names: list[str]) -> None:
    fine = all(re.fullmatch(NAME, name, re.ASCII) for name in names)
    wanted = "names of letters, digits, _, and - or . between them: give NAME=MODEL"
    require(fine, "model.model", names, wanted)
    distinct = len({name.replace("-", "_") for name in names}) == len(names)  # as `datasets` names splits
    require(distinct, "model.model", names, "a different name for each: give NAME=MODEL")


@dataclass(frozen=True, kw_only=True)
class CaptionsConfig:
    """Which captions are drawn, how many times, and from which noise."""

    count: int | None = None
    """Number of captions to draw, chosen by key: a larger count includes those of a smaller one. None draws all."""
    per_caption: int = 1
    """Number of samples to draw for each caption."""
    seed: int = 0
    """With the caption's key and the sample's number, it decides the seed of each sample. With --prompt it is the seed
    of the first sample, and each further one has the next number."""

    def __post_init__(self) -> None:
        require(self.count is None or self.count >= 1, "captions.count", self.count, "1 or more, or None")
        require(self.per_caption >= 1, "captions.per_caption", self.per_caption, "1 or more")
        require(0 <= self.seed < 2**32, "captions.seed", self.seed, "0 to 4,294,967,295")


@dataclass(frozen=True)
class SamplingPoint:
    """One combination of the settings that a grid varies, apart from the model."""

    scheduler: str
    guidance_scale: float
    num_inference_steps: int

    @property
    def name(self) -> str:
        """Its name in folders: `ddim-s5-n50`."""
        return f"{self.scheduler}-s{self.guidance_scale:g}-n{self.num_inference_steps}"


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """How captions become pictures. Several steps or scales make a grid: each combination draws every sample."""

    scheduler: Scheduler = "ddim"
    """Sampling method; the model decides noise schedule and prediction type. `dpmpp` is DPM-Solver++ of second order;
    `lcm` is for latent consistency models."""
    num_inference_steps: tuple[int, ...] = (Drawing.num_inference_steps,)
    """Number of sampling steps; second-order schedulers call the U-Net up to twice in each."""
    guidance_scale: tuple[float, ...] = (Drawing.guidance_scale,)
    """How strongly predictions are pushed away from those without a caption; 1 is no guidance and half the work."""
    guidance_rescale: float = Drawing.guidance_rescale
    """How far the standard deviation of a guided prediction is pulled back to that of the unguided one, 0 to 1 (arXiv
    2305.08891)."""
    timestep_spacing: Literal["leading", "linspace", "trailing"] | None = None
    """How steps are spread over the noise schedule; None leaves it to the model. `trailing` starts at its very end."""
    zero_terminal_snr: bool = False
    """Rescale the noise schedule to end in pure noise (arXiv 2305.08891, section 3.1), for a model of `v_prediction`
    that was trained so but does not say it. What `train_diffusion` trains does."""
    eta: float | None = Drawing.eta
    """Share of fresh noise in each step of DDIM, 0 to 1; None leaves it to the scheduler."""
    negative_prompt: str = ""
    """Text that guidance leads away from."""
    height: int | None = None
    """Height of the pictures in pixels; None is the size that the model was trained at."""
    width: int | None = None
    """Width of the pictures in pixels; None is the size that the model was trained at."""
    tile: int | None = Drawing.tile
    """Side, in pixels, of the overlapping squares in which larger pictures are decoded, which takes less memory. None
    decodes them whole."""
    batch_size: int = 8
    """Number of samples per forward pass, across captions; with guidance the U-Net sees twice as many."""

    def __post_init__(self) -> None:
        steps, scales = self.num_inference_steps, self.guidance_scale
        require(bool(steps) and min(steps) >= 1, "sampling.num_inference_steps", steps, "1 or more, at least one")
        finite = bool(scales) and all(0 <= scale < float("inf") for scale in scales)
        require(finite, "sampling.guidance_scale", scales, "0 or more, at least one")
        names = [point.name for point in self.grid()]
        require(len(set(names)) == len(names), "sampling.guidance_scale", names, "every point of the grid once")
        require(0 <= self.guidance_rescale <= 1, "sampling.guidance_rescale", self.guidance_rescale, "0 to 1")
        require(self.eta is None or 0 <= self.eta <= 1, "sampling.eta", self.eta, "0 to 1, or None")
        require_least(self, "sampling", 1, "height", "width", "tile", or_none=True)
        require(self.batch_size >= 1, "sampling.batch_size", self.batch_size, "1 or more")

    def grid(self) -> list[SamplingPoint]:
        """Return every combination of scale and steps."""
        return [
            SamplingPoint(self.scheduler, scale, steps)
            for scale in self.guidance_scale
            for steps in self.num_inference_steps
        ]

    def drawing(self, point: SamplingPoint) -> Drawing:
        """Return the settings that one point of the grid is drawn with."""
        return Drawing(
            num_inference_steps=point.num_inference_steps,
            guidance_scale=point.guidance_scale,
            guidance_rescale=self.guidance_rescale,
            eta=self.eta,
            batch_size=self.batch_size,
            tile=self.tile,
        )


@dataclass(frozen=True, kw_only=True)
class GenerateConfig:
    """Draw pictures with depth: for files of captions on a cluster, or for one prompt on this machine."""

    input: FolderUrl | None = None
    """Captions: a parquet file with a column `caption`, or a folder of such files; COCO's captions (.json); or text
    (.txt) with a caption on each line; local or s3://."""
    output: OutputUrl
    """Folder that the samples are written to; local or s3://."""
    prompt: str | None = None
    """One caption instead of --input: pictures are written as PNG files, without a cluster."""
    shard_samples: int = 64
    """Number of samples per shard; a shard is committed as a whole."""
    model: GeneratorConfig = field(default_factory=GeneratorConfig)
    captions: CaptionsConfig = field(default_factory=CaptionsConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    cluster: ActorsConfig = field(default_factory=ActorsConfig)
    preset: str | None = None
    """Name of the preset that these settings began with, kept for the stages that read the output. It decides nothing
    here."""

    def __post_init__(self) -> None:
        require_finite(self)
        require(self.prompt != "", "prompt", self.prompt, "a caption")
        require(self.input is None or self.prompt is None, "prompt", self.prompt, "--prompt or --input, not both")
        require(self.shard_samples >= 1, "shard_samples", self.shard_samples, "1 or more")

    def identity(self) -> dict[str, Any]:
        """Return the settings that decide which rows come out; the content of captions and model decides the rest."""
        names = ("shard_samples", "captions", "sampling")
        values = {name: to_json(self)[name] for name in names} | {"precision": self.model.precision}
        values["sampling"] = without_unset(values["sampling"], timestep_spacing=None, zero_terminal_snr=False)
        return values
