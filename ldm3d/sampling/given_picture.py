"""The picture that a pipeline is given to start from."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from ldm3d.data.pictures import Pictures
from ldm3d.depth.relative import DepthEstimator
from ldm3d.pil import as_depth, as_mask, as_rgb
from ldm3d.sampling.image_to_rgbd import require_depth
from ldm3d.sampling.samples import Model

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, eq=False)
class GivenPicture:
    """A picture with its depth, and where it is redrawn."""

    image: NDArray[np.uint8]
    """H x W x 3 RGB."""
    depth: NDArray[np.uint16]
    """H x W relative inverse depth, larger = nearer."""
    redrawn: NDArray[np.bool_] | None
    """H x W, True where it is redrawn; None redraws all of it."""

    @classmethod
    def of(
        cls,
        model: Model,
        estimator: DepthEstimator | None,
        image: "Image | NDArray[np.uint8] | None",
        depth: "Image | NDArray[np.uint16] | None",
        mask: "Image | NDArray[np.bool_ | np.uint8] | None",
    ) -> Self:
        """Take what a user gives. Depth that is not given is estimated.

        Args:
            estimator: None where none was loaded.

        Raises:
            ValueError: the model draws no depth, image or depth is missing, or one is of another kind.
        """
        if image is not None:
            require_depth(model)
            image = as_rgb(image)
            if depth is None and estimator is not None:
                depth = estimator(image[None]).depth[0]
        if image is None or depth is None:
            raise ValueError(
                "image and depth go together, and a mask with both: the model knows them as one; give both, or an "
                "image alone after load_depth_model"
            )
        return cls(image, as_depth(depth), None if mask is None else as_mask(mask))

    def repeated(self, count: int) -> tuple[Pictures, NDArray[np.bool_] | None]:
        """Return the picture `count` times, and where each is redrawn: (count, H, W)."""
        redrawn = None if self.redrawn is None else np.stack([self.redrawn] * count)
        return Pictures.of([self.image] * count, [self.depth] * count), redrawn
