"""What a place is written as, and how it is drawn."""

from dataclasses import dataclass
from typing import Literal

from ldm3d.config.checks import Problems

Format = Literal[
    "viewer",
    "mesh",
    "splats",
    "ply",
    "exr",
    "kitti",
    "npy",
    "pfm",
    "rgbd",
    "stills",
    "film-360",
    "film-180",
    "film-flat",
    "film-3d",
]
FORMATS: tuple[Format, ...] = (
    "viewer",
    "mesh",
    "splats",
    "exr",
    "kitti",
    "npy",
    "rgbd",
    "stills",
    "film-360",
    "film-flat",
    "film-3d",
)
"""Those that are written of a panorama unless others are asked for."""
AROUND: tuple[Format, ...] = ("film-360", "film-180")
"""Those that a flat picture has not, as it does not show what is around."""
CAPTION = "{caption}"
"""What stands in a prompt for the caption of a row."""


@dataclass(frozen=True, kw_only=True)
class ExportsConfig:
    """Which files are written, beside the panorama, its depth and the page that shows all."""

    formats: tuple[Format, ...] | None = None
    """None: all that the picture has, but ply, pfm and film-180. viewer: a page to look around in. mesh: GLB. splats:
    Gaussian splats, as PLY and GLB. ply: mesh and points, with colours of vertices. exr, kitti, npy, pfm: distances in
    metres. rgbd: picture and depth side by side. stills: views for one eye and for two. film-360, film-180: stereo
    panoramas, of panoramas only. film-flat, film-3d: films for one eye, and side by side. Films and EXR need the extra
    `immersive`."""
    columns: int = 1_024
    """Columns of the grid of mesh and splats at most; a larger panorama is thinned for these. A mesh keeps its whole
    picture. With 1,024 columns a mesh has 20 MB and each file of splats 36 MB; twice as many take four times that."""
    quality: int = 90
    """Of JPEGs, 1 to 100."""

    def check(self, problems: Problems) -> None:
        """Add what is wrong."""
        formats = self.formats or ()
        twice = sorted({name for name in formats if formats.count(name) > 1})
        problems.require(not twice, "exports.formats", twice, "each format once")
        problems.require(self.columns >= 4, "exports.columns", self.columns, "4 or more")
        problems.require(1 <= self.quality <= 100, "exports.quality", self.quality, "1 to 100")

    def chosen(self, *, is_flat: bool) -> tuple[Format, ...]:
        """Return what is written of a panorama, or of a flat picture.

        Raises:
            ValueError: a format is asked for that a flat picture has not.
        """
        if not is_flat:
            return FORMATS if self.formats is None else self.formats
        if self.formats is None:
            return tuple(name for name in FORMATS if name not in AROUND)
        missing = [name for name in self.formats if name in AROUND]
        if missing:
            raise ValueError(
                f"--exports.formats {' '.join(missing)}: a flat picture does not show what is around; name others, "
                "such as film-flat and film-3d, or give a panorama"
            )
        return self.formats


@dataclass(frozen=True, kw_only=True)
class SurfaceConfig:
    """How a panorama becomes a surface."""

    steepest: float = 85.0
    """Degrees between line of sight and normal beyond which it is torn into near and far; 90 tears nothing."""
    background: Literal["flood", "inpaint", "none"] = "flood"
    """What is seen where it is torn. flood: the far side, continued behind the near one. inpaint: what --model.model
    draws there, colour and depth, guided by --surface.prompt, or by --prompt, if there is one. none: nothing."""
    prompt: str | None = None
    """Text that guides what is drawn there, and nothing else: the panorama stays as it is. `{caption}` in it is the
    caption of each row. None takes --prompt, if there is one. With --surface.background inpaint."""

    def check(self, problems: Problems) -> None:
        """Add what is wrong."""
        problems.require(0 < self.steepest <= 90, "surface.steepest", self.steepest, "degrees above 0, up to 90")
        problems.require(self.prompt != "", "surface.prompt", self.prompt, "a text, or None")
        wanted = "None, or --surface.background inpaint, which draws what the text guides"
        problems.require(not self.prompt or self.background == "inpaint", "surface.prompt", self.prompt, wanted)

    @property
    def takes_captions(self) -> bool:
        """Whether what is drawn is guided by the captions of rows."""
        return CAPTION in (self.prompt or "")


@dataclass(frozen=True, kw_only=True)
class ViewsConfig:
    """The eyes of stills and films. Paths of films stay where little comes into sight that the panorama never saw."""

    width: int = 1_280
    """Width of flat views in pixels; those of a flat picture have its shape, within this width and height."""
    height: int = 720
    """Height of flat views in pixels."""
    fov: float = 70.0
    """Angle of flat views of a panorama, from top to bottom, in degrees; those of a flat picture have its own."""
    panorama_height: int | None = None
    """Height of each eye's picture of 360 degrees, which is twice as wide; None is that of the panorama, at most
    2,048."""
    ipd: float = 0.064
    """Metres between the eyes."""
    path: Literal["circle", "sway", "line", "dolly", "spiral", "turn"] = "sway"
    """Path of the eye in films. `turn` looks around, which is for flat films of panoramas: others sway then."""
    seconds: float = 3.0
    """Length of films."""
    fps: float = 24.0
    """Frames per second."""
    codec: Literal["h264", "hevc"] = "h264"
    """h264 plays everywhere; hevc is smaller."""
    crf: int = 18
    """Quality of films, from 0 (the best) to 51."""
    samples: int = 1
    """Samples along each side of a pixel: 2 makes edges smooth, in four times the time."""

    def check(self, problems: Problems) -> None:
        """Add what is wrong."""
        for name in ("width", "height", "panorama_height"):
            value = getattr(self, name)
            fine = (value is None and name == "panorama_height") or (
                value is not None and value >= 16 and not value % 2
            )
            problems.require(fine, f"views.{name}", value, "an even number from 16 on")
        problems.require(0 < self.fov < 180, "views.fov", self.fov, "degrees above 0 and below 180")
        problems.require(0 <= self.ipd < 1, "views.ipd", self.ipd, "metres from 0, below 1")
        problems.require(0 < self.seconds <= 600, "views.seconds", self.seconds, "more than 0, up to 600")
        problems.require(1 <= self.fps <= 240, "views.fps", self.fps, "1 to 240")
        problems.require(0 <= self.crf <= 51, "views.crf", self.crf, "0 (the best) to 51")
        problems.require(1 <= self.samples <= 4, "views.samples", self.samples, "1 to 4")
