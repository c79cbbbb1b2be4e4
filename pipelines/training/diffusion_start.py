"""What the U-Net's training starts from: checked, named, and made."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ldm3d.config import DiffusionConfig, ModelConfig
from ldm3d.fingerprint import fingerprint_of_network
from ldm3d.models.base import check_base, fingerprint_of_base, load_scheduler, load_text, load_unet, load_unet_config
from ldm3d.models.lora import add_lora
from ldm3d.models.text import fingerprint_of_text
from ldm3d.sampling.decode import pixel_factor
from ldm3d.training.noise_schedule import NoiseSchedule
from pipelines.storage.folder import DamagedError, Folder
from pipelines.storage.models import open_autoencoder
from pipelines.storage.run import CONFIG

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler


INPUT = "the output of encode_latents, or a finished corpus"


@dataclass(frozen=True)
class DiffusionStart:
    """What a training starts from, beside its configuration.

    model: the base, with as many channels as the autoencoder has.
    vae: the trained autoencoder, its configuration's scaling factor the one to train with.
    captions: of the samples that show how far training is.
    text_is_stored: the data holds encoded captions.
    sample_size: side of the data's latents, which the trained U-Net is then known to draw; None where nobody says it.
    """

    model: ModelConfig
    vae: "AutoencoderKL"
    captions: tuple[str, ...]
    text_is_stored: bool
    sample_size: int | None


def make_unet(config: DiffusionConfig, start: DiffusionStart) -> "UNet2DConditionModel":
    """The base's U-Net, with low-rank updates where these are trained."""
    unet = load_unet(start.model)
    if start.sample_size:
        unet.register_to_config(sample_size=start.sample_size)
    if config.lora.rank:
        add_lora(unet, config.lora, config.loop.seed)
    return unet


def scheduler_of(config: DiffusionConfig, model: ModelConfig) -> "DDIMScheduler":
    """The base's, which says what the trained U-Net predicts."""
    scheduler = load_scheduler(model)
    scheduler.register_to_config(prediction_type=NoiseSchedule.of(scheduler, config.loss.prediction).prediction)
    return scheduler


def identity_of(start: DiffusionStart) -> dict[str, Any]:
    """What a training starts from, by content."""
    vae: Any = start.vae
    about = {"fingerprint": fingerprint_of_network(vae), "scaling_factor": vae.config.scaling_factor}
    return {"autoencoder": about, "base": fingerprint_of_base(start.model)}


def start_of(config: DiffusionConfig, about: dict[str, Any], captions: tuple[str, ...]) -> DiffusionStart:
    """The base, and the autoencoder that draws its latents.

    Args:
        about: the success marker of the input.

    Raises:
        ValueError: they cannot be read, or do not go together with each other or the input.
    """
    wanted = config.model
    made_with = about.get("autoencoder", {})
    if wanted.autoencoder is None and not made_with:
        raise ValueError("--input is a corpus, which names no autoencoder: give --model.autoencoder")
    if wanted.autoencoder is None:
        vae: Any = open_autoencoder(made_with["model"], made_with["revision"])
    else:
        vae = open_autoencoder(wanted.autoencoder)
    if made_with and (found := fingerprint_of_network(vae)) != made_with["fingerprint"]:
        raise ValueError(
            f"--model.autoencoder has the fingerprint {found[:16]}, the latents were made by one of "
            f"{made_with['fingerprint'][:16]}: give that, or encode the corpus again"
        )
    if wanted.latent_scale == "measured":
        if "scaling_factor_measured" not in about:
            raise ValueError("--model.latent-scale measured needs latents, which say it: encode the corpus first")
        vae.register_to_config(scaling_factor=about["scaling_factor_measured"])
    model = ModelConfig(base=wanted.base, revision=wanted.revision, channels=vae.config.in_channels)
    check_base(model)
    taken = load_unet_config(model)["in_channels"]
    if vae.config.latent_channels != taken:
        raise ValueError(
            f"--model.autoencoder has latents of {vae.config.latent_channels} channels, the U-Net of --model.base "
            f"{model.base!r} takes {taken}: give ones that go together"
        )
    stored = about.get("text")
    if stored and (found := fingerprint_of_text(*load_text(model))) != stored["fingerprint"]:
        raise ValueError(
            f"--model.base {model.base!r} has a text encoder of the fingerprint {found[:16]}, captions were encoded "
            f"by that of {stored['base']!r}, {stored['fingerprint'][:16]}: give that base, or encode the corpus again"
        )
    return DiffusionStart(model, vae, captions, bool(stored), _sample_size(config.input, about, vae))


def _sample_size(url: str, about: dict[str, Any], vae: Any) -> int | None:
    """The side of the input's latents, by what is written beside it; None where that is nothing."""
    if "latent_shape" in about:
        return int(about["latent_shape"][-1])
    try:
        return int(Folder(url).read_json(CONFIG)["config"]["download"]["image_size"]) // pixel_factor(vae)
    except (FileNotFoundError, DamagedError, KeyError):
        return None
