"""Depth of a picture that has no map, estimated by a depth model: of tangent views of a panorama, or of a flat one."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ldm3d.config import DepthMeaningConfig
from ldm3d.config.places import shown
from ldm3d.depth.identity import identity_of
from ldm3d.depth.licence import licence_of
from ldm3d.depth.meaning import predicts
from ldm3d.depth.model import load_depth_model
from ldm3d.depth.relative import FARTHEST_M, DepthEstimator
from ldm3d.fingerprint import fingerprint_of
from ldm3d.fusion.meaning import displacement_of
from ldm3d.fusion.panorama import Panorama
from ldm3d.fusion.unmeasured import Unmeasured
from ldm3d.immersive.flat_depth import estimate_flat_depth
from ldm3d.immersive.panorama_depth import estimate_depth
from ldm3d.immersive.projection import Perspective, Projection
from ldm3d.models.precision import full_float32
from ldm3d.rgbd import DEPTH_MAX

FLAG = "--depth.model"
ADVICE = "pass --depth.predicts inverse_depth (larger = nearer) or depth (larger = farther)"
RELATIVE = "of a free scale; 0 and 1 are the least and the greatest of the"


class PanoramaEstimator:
    """A depth model that estimates panoramas from tangent views, and flat pictures as they are, in float32."""

    def __init__(self, estimator: DepthEstimator, config: DepthMeaningConfig) -> None:
        """Wrap a model.

        Raises:
            ValueError: it gives relative depth, and the settings do not say what that means.
        """
        self.estimator, self.config = estimator, replace(config, kind=None, scale=1.0, invert=False, rule="disparity")
        if not estimator.inverts:
            displacement_of(self.config)
        model = config.model or ""
        self.fingerprint = fingerprint_of(identity_of(estimator), estimator.inverts)
        self.about = {
            "model": shown(model),
            "revision": config.model_revision,
            "fingerprint": self.fingerprint,
            "licence": licence_of(model),
            "meaning": meaning_of(None, is_metric=estimator.inverts),
        }
        """Which model estimates, and what its numbers mean in any picture, as JSON."""

    @classmethod
    def from_pretrained(cls, config: DepthMeaningConfig) -> "PanoramaEstimator":
        """Load `config.model`, on the CPU.

        Raises:
            ValueError: it cannot be loaded, neither it nor the settings say what it predicts, or as above.
        """
        assert config.model is not None  # whoever has no model needs a map
        model, processor = load_depth_model(FLAG, config.model, config.model_revision, torch.float32)
        inverts = predicts(model.config, config.predicts, ADVICE) == "depth"
        return cls(DepthEstimator(model, processor, inverts=inverts), config)

    def placed(self) -> "PanoramaEstimator":
        """Move the model to a GPU, if there is one here."""
        self.estimator.model.to("cuda" if torch.cuda.is_available() else "cpu")
        return self

    def __call__(self, given: Unmeasured) -> Panorama:
        """Return the picture with the depth that is estimated.

        Raises:
            Rejected: the network's maps are not finite, or constant everywhere; or a flat picture has a size that
                networks do not take.
        """
        return replace(
            self._measured(given.picture, self._inverse(given), given.projection),
            kind="estimated",
            title=given.title,
            caption=given.caption,
            provenance=given.provenance,
            about=given.about | {"estimated": self.about_of(given.projection)},
        )

    def about_of(self, projection: Projection) -> dict[str, Any]:
        """Return the same as `about` of the pictures of a projection."""
        return self.about | {"meaning": meaning_of(projection, is_metric=self.estimator.inverts)}

    def _inverse(self, given: Unmeasured) -> NDArray[np.float32]:
        """Estimate 1 / distance, (H, W), as the projection measures it."""
        with full_float32():
            if given.is_flat:
                return estimate_flat_depth(given.picture, self.estimator.inverse_depth)
            return estimate_depth(given.picture, self.estimator.inverse_depth, metric=self.estimator.inverts)

    def _measured(self, picture: NDArray[np.uint8], inverse: NDArray[np.float32], projection: Projection) -> Panorama:
        if self.estimator.inverts:
            return Panorama.of(picture, np.maximum(inverse, 1 / FARTHEST_M), "inverse", self.config, projection)
        low, high = float(inverse.min()), float(inverse.max())
        shares = (inverse.astype(np.float64) - low) / (high - low or 1)
        depth = np.round(shares * DEPTH_MAX).astype(np.uint16)
        return Panorama.of_relative(picture, depth, displacement_of(self.config), projection)


def meaning_of(projection: Projection | None, *, is_metric: bool) -> str:
    """Return what is estimated, in words: of pictures of a projection, or of both."""
    if projection is None:
        along, what = "along the ray of a panorama, along the axis of a flat picture", "picture"
    elif isinstance(projection, Perspective):
        along, what = "along the axis (z)", "picture"
    else:
        along, what = "along the ray", "panorama"
    return f"1 / metre {along}" if is_metric else f"1 / distance {along}, {RELATIVE} {what}"
