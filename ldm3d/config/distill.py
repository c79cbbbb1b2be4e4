"""Settings of a distillation: a trained U-Net becomes one that draws in a few steps."""

from dataclasses import dataclass

from ldm3d.config.checks import require, require_least
from ldm3d.config.drawing import FEW
from ldm3d.config.places import ModelPlace


@dataclass(frozen=True, kw_only=True)
class DistillConfig:
    """Distil a trained U-Net into one that draws in a few steps, without guidance (arXiv 2310.04378)."""

    teacher: ModelPlace | None = None
    """The model to distil: the output of another `train_diffusion`, or any model that `--model.base` takes. It is used
    in place of that base, so training starts from its weights. None distils nothing."""
    guidance_scale: float = 5.0
    """Guidance scale of the teacher, which the distilled model has built in; 1 is no guidance."""
    solver_steps: int = 50
    """Number of steps of DDIM that the teacher's way from noise to picture is cut into. The distilled model is trained
    at these timesteps, and can be drawn in as many steps or fewer."""
    huber: float = 0.001
    """Errors well below this, of the elements of a latent, count by their square, larger ones by their size
    (pseudo-Huber)."""
    num_inference_steps: int = FEW.num_inference_steps
    """Number of steps of LCM in which the samples that show progress are drawn, in place of those of --samples, and
    without guidance."""

    def __post_init__(self) -> None:
        require(self.teacher != "", "distill.teacher", self.teacher, "a model id or path, or None")
        require(self.guidance_scale >= 1, "distill.guidance_scale", self.guidance_scale, "1 or more")
        require_least(self, "distill", 1, "solver_steps", "num_inference_steps")
        require(self.huber > 0, "distill.huber", self.huber, "more than 0")
        steps, wanted = self.num_inference_steps, f"--distill.solver-steps ({self.solver_steps}) or fewer"
        require(steps <= self.solver_steps, "distill.num_inference_steps", steps, wanted)
