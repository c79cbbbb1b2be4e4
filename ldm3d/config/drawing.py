"""How pictures are drawn, whatever they start from: noise alone, a picture or a depth map."""

from dataclasses import dataclass

from ldm3d.config.checks import require_argument


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Settings of sampling. The defaults are the paper's, with DDIM as the scheduler."""

    num_inference_steps: int = 50
    """Steps of the scheduler; second-order ones call the U-Net up to twice in each."""
    guidance_scale: float = 5.0
    """How far predictions are pushed away from those without the caption; 1 is no guidance and half the work, 0
    ignores the captions."""
    guidance_rescale: float = 0.0
    """How far the standard deviation of a guided prediction is pulled back to that of the unguided one, 0 to 1 (arXiv
    2305.08891, section 3.4)."""
    eta: float | None = None
    """Share of fresh noise in each step of DDIM, 0 to 1; None leaves it to the scheduler."""
    batch_size: int | None = None
    """Samples per batch. The last batch is filled up and the surplus dropped, so all have the same size. None draws
    everything in one batch."""
    panorama: bool = False
    """Whether the left and right edges are neighbours (`ldm3d.sampling.panorama`); panoramas are usually twice as wide
    as they are high."""
    tile: int | None = None
    """Pixels; larger pictures are decoded in overlapping squares of this side, which takes less memory. None decodes
    them whole."""

    def __post_init__(self) -> None:
        scale, rescale, size = self.guidance_scale, self.guidance_rescale, self.batch_size
        require_argument(self.num_inference_steps >= 1, "num_inference_steps", self.num_inference_steps, "1 or more")
        require_argument(0 <= scale < float("inf"), "guidance_scale", scale, "0 or more; 1 is no guidance")
        require_argument(0 <= rescale <= 1, "guidance_rescale", rescale, "0 to 1; 0.7 is usual where it is used")
        require_argument(self.eta is None or 0 <= self.eta <= 1, "eta", self.eta, "0 to 1, or None")
        require_argument(size is None or size >= 1, "batch_size", size, "1 or more, or None for one batch of all")


PAPER = Drawing()
"""As the paper draws."""

FEW = Drawing(num_inference_steps=4, guidance_scale=1.0)
"""As a model that was distilled for few steps draws: with LCM as the scheduler, and guidance built in."""
