"""The teacher of a distillation, which has the place of the base: what it has to be."""

from typing import Any

from ldm3d.config import DiffusionConfig, ModelConfig
from ldm3d.models.base import BASE, load_drawing_scheduler, load_unet_config, load_vae_config
from ldm3d.models.few_steps import KIND
from ldm3d.training.consistency import SolverSteps

TEACHER = "--distill.teacher"  # the flag, for messages


def base_of(config: DiffusionConfig, channels: Any) -> tuple[ModelConfig, str]:
    """Return the model that a training starts from, and the flag that names it, for messages.

    Args:
        channels: of the autoencoder's pictures.
    """
    teacher = config.distill.teacher
    base, flag = (config.model.base, BASE) if teacher is None else (teacher, TEACHER)
    return ModelConfig(base=base, revision=config.model.revision, channels=channels), flag


def require_teacher(config: DiffusionConfig, model: ModelConfig, trained: Any, scaling_factor: float) -> None:
    """Check that a path from noise to picture can be followed with the teacher, as it was trained.

    Args:
        trained: the scheduler of the settings.
        scaling_factor: that latents are multiplied by.

    Raises:
        ValueError: it is distilled itself, or settings ask for another noise schedule, prediction or scale.
    """
    name, own = f"{TEACHER} {model.base!r}", load_drawing_scheduler(model, TEACHER)
    told = load_unet_config(model).get("time_cond_proj_dim")
    if type(own).__name__ == KIND or told is not None:
        raise ValueError(f"{name} is itself distilled for few steps: give the model that it was distilled from")
    for flag, setting, off in (
        ("--loss.prediction", "prediction_type", None),
        ("--loss.zero-terminal-snr", "rescale_betas_zero_snr", False),
    ):
        wanted, learned = trained.config.get(setting, off), own.config.get(setting, off)
        if wanted != learned:
            raise ValueError(
                f"{flag}: settings ask for {setting} {wanted}, but {name} was trained with {learned}: leave it out, "
                "as the teacher decides it"
            )
    learned_scale = load_vae_config(model).get("scaling_factor")
    if learned_scale is not None and abs(learned_scale - scaling_factor) > 1e-6 * scaling_factor:
        raise ValueError(
            f"--model.latent-scale {config.model.latent_scale}: latents would be multiplied by {scaling_factor:.5g}, "
            f"but {name} was trained on latents times {learned_scale:.5g}: give the other scale, and the latents that "
            "the teacher was trained on"
        )
    SolverSteps.of(config.distill.solver_steps, len(own))
