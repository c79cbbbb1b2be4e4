"""What one person asks for: a picture with depth."""

from dataclasses import dataclass

from ldm3d.config import Drawing, SamplingConfig
from ldm3d.config.checks import require_argument
from ldm3d.sampling.noise import require_seeds
from ldm3d.sampling.sampler import SCHEDULERS


@dataclass(frozen=True, kw_only=True)
class DrawRequest:
    """A prompt, its seed and the settings it is drawn with; see `ldm3d.config.Drawing` for those of the same name.

    Raises:
        ValueError: a setting is out of its range.
    """

    prompt: str
    seed: int
    """0 to 4,294,967,295."""
    negative_prompt: str = ""
    height: int | None = None
    """Pixels; None is the size that the model was trained at."""
    width: int | None = None
    num_inference_steps: int = Drawing.num_inference_steps
    guidance_scale: float = Drawing.guidance_scale
    guidance_rescale: float = Drawing.guidance_rescale
    eta: float | None = None
    scheduler: str = SamplingConfig.scheduler
    panorama: bool = False
    exact: bool = True
    """Whether every call of the U-Net is filled up, so that the picture has the same bytes whoever shares the calls.
    Otherwise a lone request is drawn sooner, and its last bits depend on its company."""
    previews: int = 0
    """Previews that are wanted at most, spread over the steps; the first one comes after the first step."""

    def __post_init__(self) -> None:
        require_seeds([self.seed])
        require_argument(self.previews >= 0, "previews", self.previews, "0 or more")
        kinds = ", ".join(SCHEDULERS)
        require_argument(self.scheduler in SCHEDULERS, "scheduler", self.scheduler, f"one of {kinds}")
        self.drawing()  # which checks its own

    def drawing(self) -> Drawing:
        """Return the settings of sampling."""
        return Drawing(
            num_inference_steps=self.num_inference_steps,
            guidance_scale=self.guidance_scale,
            guidance_rescale=self.guidance_rescale,
            eta=self.eta,
            panorama=self.panorama,
        )

    def shows_after(self, step: int, steps: int) -> bool:
        """Return whether a preview is due after a step, counted from 1. The last one is followed by the picture."""
        if step >= steps or not self.previews:
            return False
        shown = min(self.previews, steps - 1)
        return any(step == 1 + number * (steps - 1) // shown for number in range(shown))
