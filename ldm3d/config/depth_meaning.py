"""What the numbers of a depth map mean: said by whoever gives them, as no file says it."""

from dataclasses import dataclass
from typing import Literal

from ldm3d.config.checks import Problems
from ldm3d.config.places import FolderUrl, ModelPlace


@dataclass(frozen=True, kw_only=True)
class DepthMeaningConfig:
    """The depth of the panoramas, and what its numbers mean."""

    source: FolderUrl | None = None
    """Depth map of the panorama: 16-bit PNG or TIFF, EXR (its channel Z), NPY or PFM; for a folder of panoramas, the
    folder of their maps. None takes `NAME-depth.png` (or .exr, .npy, .pfm, .tif) beside NAME's picture, or the column
    `depth`."""
    model: ModelPlace | None = None
    """Any transformers depth-estimation model, by hub id or local path, which estimates the depth of pictures that
    have no map; None wants a map of each. It sees a panorama in 12 views, and a flat picture as it is. Metres stay
    metres; relative depth means what --depth.near and --depth.far, or --depth.amount and --depth.radius, make of it by
    the rule `disparity`."""
    model_revision: str | None = None
    """Commit of the model on the hub; None takes the main branch."""
    predicts: Literal["auto", "inverse_depth", "depth"] = "auto"
    """What the model predicts: inverse depth (larger = nearer) or depth in metres. `auto` reads it from the model's
    configuration."""
    kind: Literal["distance", "z", "inverse", "relative"] | None = None
    """distance: metres along the ray. z: metres along the camera's axis, of flat pictures only: a panorama has none.
    inverse: 1 / distance of a panorama, 1 / z of a flat picture. relative: 0 to 1, or integers of 8 or 16 bits, larger
    is nearer, as LDM3D draws it. None is relative, for what `generate` drew; other maps have to be declared."""
    scale: float = 1.0
    """What numbers of distance, z or inverse are multiplied by: 0.001 for millimetres, 0.00390625 for KITTI's PNG."""
    rule: Literal["paper", "disparity"] = "paper"
    """How relative depth d moves the sphere, or the plane of a flat picture. paper: linear, 1 is nearer, 0 is farther
    and 0.5 stays, as in LDM3D's DepthFusion. disparity: d is affine in 1 / distance, so straight things stay straight
    if near and far are right."""
    amount: float = 0.5
    """How far relative depth moves the sphere, as a share of its radius: 0 leaves a sphere; below 1. --depth.near and
    --depth.far take its place."""
    radius: float = 2.0
    """Radius of the sphere in metres, or how far away the plane is."""
    near: float | None = None
    """Metres: for relative depth the nearest distance (with --depth.far); for others what is nearer is put there."""
    far: float | None = None
    """Metres: for relative depth the farthest distance (with --depth.near); for others what is farther is put there, a
    sky at infinity, too."""
    invert: bool = False
    """Relative depth in which larger is farther."""

    @property
    def says_no_reach(self) -> bool:
        """Whether nothing says how near and far relative depth reaches: its metres are then those of the defaults."""
        defaults = DepthMeaningConfig()
        said = self.near is not None or (self.amount, self.radius) != (defaults.amount, defaults.radius)
        return not said

    def check(self, problems: Problems) -> None:
        """Add what is wrong."""
        problems.require(self.model != "", "depth.model", self.model, "a path or model id, or None")
        problems.require(self.scale > 0, "depth.scale", self.scale, "more than 0")
        problems.require(0 <= self.amount < 1, "depth.amount", self.amount, "0 (a sphere) to below 1")
        problems.require(self.radius > 0, "depth.radius", self.radius, "metres above 0")
        for name in ("near", "far"):
            value = getattr(self, name)
            problems.require(value is None or value > 0, f"depth.{name}", value, "metres above 0, or None")
        if self.near is not None and self.far is not None:
            problems.require(self.near <= self.far, "depth.near", self.near, f"at most --depth.far, {self.far}")
        is_metric = self.kind in ("distance", "z", "inverse")
        problems.require(
            not (is_metric and self.invert), "depth.invert", self.invert, "False unless --depth.kind is relative"
        )
        if not is_metric:
            together = (self.near is None) == (self.far is None) or self.model is not None  # which may give metres
            wanted = "--depth.near and --depth.far, or neither, for relative depth"
            problems.require(together, "depth.near", self.near, wanted)
            problems.require(self.scale == 1, "depth.scale", self.scale, "1, as relative depth has no unit")
