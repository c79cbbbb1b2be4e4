"""Settings of the stage that makes places of panoramas and of flat pictures."""

from dataclasses import dataclass, field
from typing import Any

from ldm3d.config.actors import ActorsConfig
from ldm3d.config.checks import Problems, require_finite, to_json, without_unset
from ldm3d.config.depth_meaning import DepthMeaningConfig
from ldm3d.config.exports import AROUND, CAPTION, ExportsConfig, Format, SurfaceConfig, ViewsConfig
from ldm3d.config.generate import GeneratorConfig, SamplingConfig, SamplingPoint
from ldm3d.config.picture import PictureConfig
from ldm3d.config.places import FolderUrl, OutputUrl

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".avif")
"""How the files of pictures end, in lower case."""


@dataclass(frozen=True, kw_only=True)
class DepthFusionConfig:
    """Make a place that one can look around in of a picture with depth, or of many on a cluster."""

    input: FolderUrl | None = None
    """A panorama of 360 by 180 degrees, twice as wide as high, or a flat picture: one is done on this machine, without
    a cluster. None draws a panorama from --prompt alone.
    Or many: the output of `generate`, a folder of parquet files with columns `image` and `depth`, a folder of pictures
    with their depth maps, or a .txt with the path of a picture, relative to it, on each line; local or s3://."""
    output: OutputUrl
    """Folder that the place is written to, with an `index.html` that shows it, or the places; local or s3://."""
    prompt: str | None = None
    """Text that guides --model.model in redrawing the picture and its depth before anything else is done; or in
    drawing a panorama, where no --input is given."""
    strength: float = 0.8
    """How much of the picture is redrawn, above 0, at most 1; with --prompt and --input."""
    seed: int = 0
    """Of what the model draws; of many pictures, each has a seed of its own, from this and its key."""
    shard_panoramas: int = 1
    """Number of pictures per shard; a shard is committed as a whole."""
    picture: PictureConfig = field(default_factory=PictureConfig)
    depth: DepthMeaningConfig = field(default_factory=DepthMeaningConfig)
    surface: SurfaceConfig = field(default_factory=SurfaceConfig)
    exports: ExportsConfig = field(default_factory=ExportsConfig)
    views: ViewsConfig = field(default_factory=ViewsConfig)
    model: GeneratorConfig = field(default_factory=lambda: GeneratorConfig(model=("Intel/ldm3d-pano",)))
    sampling: SamplingConfig = field(default_factory=lambda: SamplingConfig(batch_size=1))
    cluster: ActorsConfig = field(default_factory=ActorsConfig)
    preset: str | None = None
    """Name of the preset that these settings began with. It decides nothing here."""

    def __post_init__(self) -> None:
        require_finite(self)
        problems = Problems()
        problems.require(self.prompt != "", "prompt", self.prompt, "a text, or None")
        wanted = "above 0, at most 1 (to guide what is hidden alone, give --surface.prompt in place of --prompt)"
        problems.require(0 < self.strength <= 1, "strength", self.strength, wanted)
        problems.require(0 <= self.seed < 2**32, "seed", self.seed, "0 to 4,294,967,295")
        problems.require(self.shard_panoramas >= 1, "shard_panoramas", self.shard_panoramas, "1 or more")
        for section in (self.picture, self.depth, self.surface, self.exports, self.views):
            section.check(problems)
        is_captioned = not self.is_one or not self.surface.takes_captions
        wanted = f"a text without {CAPTION}, as one picture has no row with a caption"
        problems.require(is_captioned, "surface.prompt", self.surface.prompt, wanted)
        self._check_projection(problems)
        if self.draws:
            self._check_drawing(problems)
        problems.tell()

    def _check_projection(self, problems: Problems) -> None:
        said, kind = self.picture.projection, self.depth.kind
        around = [name for name in self.exports.formats or () if name in AROUND]
        problems.require(said != "flat" or not around, "exports.formats", around, "none of these for a flat picture")
        problems.require(said != "360" or kind != "z", "depth.kind", kind, "distance: a panorama has no axis")
        is_drawn = self.input is None and self.prompt is not None
        problems.require(
            not is_drawn or said != "flat", "picture.projection", said, "360: `generate` draws flat pictures"
        )

    def _check_drawing(self, problems: Problems) -> None:
        models, points = self.model.model, [point.name for point in self.sampling.grid()]
        problems.require(len(models) == 1, "model.model", models, "one model")
        problems.require(len(points) == 1, "sampling.num_inference_steps", points, "one number of steps and one scale")
        height, width = self.sampling.height, self.sampling.width
        if self.input is not None:
            problems.require(height is None, "sampling.height", height, "None: the picture has a size")
        elif self.prompt is not None:
            kind, source, model = self.depth.kind, self.depth.source, self.depth.model
            problems.require(kind in (None, "relative"), "depth.kind", kind, "relative, as the model draws it")
            problems.require(source is None, "depth.source", source, "None, as the model draws depth")
            problems.require(model is None, "depth.model", model, "None, as --model.model draws depth")
        problems.require(width is None, "sampling.width", width, "None: a panorama is twice as wide as high")

    @property
    def is_one(self) -> bool:
        """Whether one place is made: the input is one picture, by its name, or there is none."""
        return self.input is None or self.input.lower().endswith(PICTURES)

    @property
    def draws(self) -> bool:
        """Whether --model.model draws: the panorama, or what it hides."""
        return self.prompt is not None or self.surface.background == "inpaint"

    @property
    def point(self) -> SamplingPoint:
        """How the model draws."""
        return self.sampling.grid()[0]

    def formats_for(self, *, is_flat: bool) -> tuple[Format, ...]:
        """Return what is written of a panorama, or of a flat picture.

        Raises:
            ValueError: something is asked for that a flat picture has not.
        """
        if is_flat and self.surface.background == "inpaint":
            raise ValueError("--surface.background inpaint draws behind panoramas only: give flood for flat pictures")
        return self.exports.chosen(is_flat=is_flat)

    def identity(self) -> dict[str, Any]:
        """Return the settings that decide which files come out; the content of input and model decides the rest."""
        values = to_json(self)
        names = ["shard_panoramas", "picture", "depth", "surface", "exports", "views", "prompt"]
        if self.prompt is not None:
            names.append("strength")
        if self.draws:
            names += ["seed", "sampling"]
        for place in ("source", "model", "model_revision"):
            values["depth"].pop(place)
        values["depth"] = without_unset(values["depth"], predicts="auto")
        values["surface"] = without_unset(values["surface"], prompt=None)
        drawn = {"precision": self.model.precision} if self.draws else {}
        return {name: values[name] for name in names} | drawn
