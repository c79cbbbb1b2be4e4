"""The base and the autoencoder that the U-Net's training starts from: checked, identified, and loaded."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ldm3d.config import DiffusionConfig, DiffusionModelConfig, ModelConfig
from ldm3d.fingerprint import fingerprint_of_network
from ldm3d.models.base import check_base, fingerprint_of_base, load_scheduler, load_text, load_unet, load_unet_config
from ldm3d.models.lora import add_lora
from ldm3d.models.text import fingerprint_of_text
from ldm3d.sampling.decode import pixel_factor
from ldm3d.training.consistency import TIMESTEP_SCALING
from ldm3d.training.noise_schedule import NoiseSchedule
from pipelines.storage.folder import DamagedError, Folder
from pipelines.storage.inputs import CORPUS
from pipelines.storage.models import open_autoencoder
from pipelines.storage.run import CONFIG
from pipelines.training.teacher import base_of, require_teacher

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler
    from diffusers.schedulers.scheduling_lcm import LCMScheduler


INPUT = f"the output of `encode_latents`, or {CORPUS}"


@dataclass(frozen=True)
class DiffusionStart:
    """What a training starts from, beside its configuration."""

    model: ModelConfig
    """The base, or the teacher of a distillation, with as many channels as the autoencoder."""
    vae: "AutoencoderKL"
    """The trained autoencoder; the scaling factor of its configuration is the one to train with."""
    captions: tuple[str, ...]
    """For the samples that show the progress of training."""
    text_is_stored: bool
    """The data holds encoded captions."""
    sample_size: int | None
    """Side of the data's latents, noted in the trained U-Net as the size that it draws; None if unknown."""


def make_unet(config: DiffusionConfig, start: DiffusionStart) -> "UNet2DConditionModel":
    """Load the base's U-Net, with low-rank updates if these are trained."""
    unet = load_unet(start.model)
    if start.sample_size:
        unet.register_to_config(sample_size=start.sample_size)
    if config.lora.rank:
        add_lora(unet, config.lora, config.loop.seed)
    return unet


def scheduler_of(config: DiffusionConfig, model: ModelConfig) -> "DDIMScheduler":
    """Load the base's scheduler, with the prediction type and the noise schedule of the trained U-Net.

    Raises:
        ValueError: the schedule is to end in pure noise, but the U-Net predicts epsilon.
    """
    scheduler = load_scheduler(model)
    prediction = NoiseSchedule.of(scheduler, config.loss.prediction).prediction
    changes: dict[str, Any] = {"prediction_type": prediction}
    if config.loss.zero_terminal_snr:
        if prediction == "epsilon":
            raise ValueError(
                f"--loss.zero-terminal-snr: --model.base {model.base!r} predicts epsilon, which says nothing about "
                "pure noise: add --loss.prediction v_prediction"
            )
        changes |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    made: Any = type(scheduler).from_config(scheduler.config, **changes)
    changed: DDIMScheduler = made  # not the pair that from_config can return, too
    return changed


def drawing_scheduler_of(config: DiffusionConfig, model: ModelConfig) -> "DDIMScheduler | LCMScheduler":
    """Return the scheduler that the trained model is drawn with: LCM for a distilled one, DDIM for others.

    Raises:
        ValueError: as `scheduler_of`.
    """
    scheduler = scheduler_of(config, model)
    if config.distill.teacher is None:
        return scheduler
    from diffusers.schedulers.scheduling_lcm import LCMScheduler

    made: Any = LCMScheduler.from_config(
        scheduler.config,
        original_inference_steps=config.distill.solver_steps,
        timestep_scaling=TIMESTEP_SCALING,
    )
    distilled: LCMScheduler = made  # likewise
    return distilled


def identity_of(start: DiffusionStart) -> dict[str, Any]:
    """Return what identifies a start: fingerprints of its networks, and the scaling factor."""
    vae: Any = start.vae
    about = {"fingerprint": fingerprint_of_network(vae), "scaling_factor": vae.config.scaling_factor}
    return {"autoencoder": about, "base": fingerprint_of_base(start.model)}


def start_of(config: DiffusionConfig, about: dict[str, Any], captions: tuple[str, ...]) -> DiffusionStart:
    """Open the base and the autoencoder.

    Args:
        about: the success marker of the input.
        captions: see `DiffusionStart`.

    Raises:
        ValueError: one of them cannot be read, or does not fit the other or the input.
    """
    vae = _open_autoencoder(config.model, about)
    model, flag = base_of(config, vae.config.in_channels)
    check_base(model, flag)
    _require_same_channels(model, vae, flag)
    if config.distill.teacher is not None:
        require_teacher(config, model, scheduler_of(config, model), vae.config.scaling_factor)
    stored = about.get("text")
    if stored:
        _require_same_text(model, stored, flag)
    return DiffusionStart(model, vae, captions, bool(stored), _sample_size(config.input, about, vae))


def _open_autoencoder(wanted: DiffusionModelConfig, about: dict[str, Any]) -> Any:
    """Open the autoencoder of the settings, or the one that made the latents, with the scaling factor to train with.

    Raises:
        ValueError: neither is given, it cannot be read, it did not make the latents, or no scale was measured.
    """
    made_with = about.get("autoencoder", {})
    if wanted.autoencoder is None and not made_with:
        raise ValueError("--input is a corpus, which does not name an autoencoder: give --model.autoencoder")
    if wanted.autoencoder is None:
        vae: Any = open_autoencoder(made_with["model"], made_with["revision"])
    else:
        vae = open_autoencoder(wanted.autoencoder)
    if made_with and (found := fingerprint_of_network(vae)) != made_with["fingerprint"]:
        raise ValueError(
            f"--model.autoencoder has the fingerprint {found[:16]}, the latents were made with "
            f"{made_with['fingerprint'][:16]}: give that autoencoder, or encode the corpus again"
        )
    if wanted.latent_scale == "measured":
        if "scaling_factor_measured" not in about:
            raise ValueError("--model.latent-scale measured is read from encoded latents: encode the corpus first")
        vae.register_to_config(scaling_factor=about["scaling_factor_measured"])
    return vae


def _require_same_channels(model: ModelConfig, vae: Any, flag: str) -> None:
    """Compare the channels of the autoencoder's latents with those that the U-Net takes.

    Raises:
        ValueError: they differ.
    """
    taken = load_unet_config(model)["in_channels"]
    if vae.config.latent_channels != taken:
        raise ValueError(
            f"--model.autoencoder has latents of {vae.config.latent_channels} channels, but the U-Net of {flag} "
            f"{model.base!r} takes {taken}: give a pair that fits"
        )


def _require_same_text(model: ModelConfig, stored: dict[str, Any], flag: str) -> None:
    """Compare the base's text encoder with the one that encoded the stored captions.

    Raises:
        ValueError: they differ.
    """
    found = fingerprint_of_text(*load_text(model))
    if found != stored["fingerprint"]:
        raise ValueError(
            f"{flag} {model.base!r} has a text encoder with the fingerprint {found[:16]}, captions were "
            f"encoded with that of {stored['base']!r}, {stored['fingerprint'][:16]}: give that base, or encode the "
            "corpus again"
        )


def _sample_size(url: str, about: dict[str, Any], vae: Any) -> int | None:
    """Return the side of the input's latents: that of stored ones, or of a corpus by its configuration, or None."""
    if "latent_shape" in about:
        return int(about["latent_shape"][-1])
    try:
        return int(Folder(url).read_json(CONFIG)["config"]["download"]["image_size"]) // pixel_factor(vae)
    except (FileNotFoundError, DamagedError, KeyError):
        return None
