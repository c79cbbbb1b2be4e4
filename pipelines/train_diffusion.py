"""Fine-tune the U-Net on the latents of a trained autoencoder, on Ray Train: equation 2 of the paper."""

from dataclasses import replace
from functools import partial
from typing import Any

from ldm3d.config import DiffusionConfig, ModelConfig
from ldm3d.data.captioned import decode_captioned
from ldm3d.data.latents import decode_latents_rows
from ldm3d.data.pictures import decode_rgbd
from ldm3d.models.base import check_base, fingerprint_of_base, load_text, load_unet_config
from ldm3d.models.checkpoint import fingerprint_of_network
from ldm3d.models.text import fingerprint_of_text
from ldm3d.sampling.decode import pixel_factor
from pipelines.storage.folder import DamagedError, Folder
from pipelines.storage.inputs import success_marker
from pipelines.storage.models import MODEL, absolute, open_autoencoder
from pipelines.storage.row_groups import OpenRowGroups, RowGroups
from pipelines.storage.run import CONFIG
from pipelines.training.checkpoints import Checkpoint
from pipelines.training.data import TrainingData
from pipelines.training.diffusion import DiffusionStart, DiffusionTraining, Samples
from pipelines.training.export import export_model, unet_weights
from pipelines.training.run import TrainingRun
from pipelines.training.trainer import Worker
from pipelines.training.validation_rows import ValidationRows

INPUT = "the output of encode_latents, or a finished corpus"
LATENTS = ("key", "caption", "mean", "std")
PICTURES = ("key", "caption", "image", "depth")


def train_diffusion(config: DiffusionConfig, *, dry_run: bool = False) -> dict[str, Any]:
    """Train the U-Net, or do what is left of it.

    Args:
        config: everything; see `ldm3d.config`.
        dry_run: check and print the plan, write nothing.

    Returns:
        steps, finished, and the numbers of the last validation.

    Raises:
        ValueError: the configuration, input, base model, autoencoder, output or cluster will not do; nothing was
            started.
        DivergedError: losses or gradients were not finite for too many steps in a row.
    """
    return plan(_with_absolute_paths(config)).run(dry_run=dry_run)


def plan(config: DiffusionConfig) -> TrainingRun[Samples]:
    """The training of a configuration whose paths are absolute."""
    about = success_marker(config.input, INPUT)
    is_encoded = "latent_shape" in about
    columns: tuple[str, ...] = LATENTS if is_encoded else PICTURES
    if about.get("text"):
        columns += ("text",)
    data = TrainingData.of(config.input, "latents/v1" if is_encoded else "rgbd/v1", columns, config.loop)
    start = start_of(config, about, _captions(config, data.validation))
    return TrainingRun(
        config=config,
        stage="train_diffusion",
        identity=config.identity() | identity_of(start),
        data=data,
        decode=partial(decode_captioned, decode=decode_latents_rows if is_encoded else decode_rgbd),
        trainee=partial(_trainee, config, start),
        model=MODEL,
        finish=partial(_finish, config, start),
    )


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


def _captions(config: DiffusionConfig, validation: RowGroups) -> tuple[str, ...]:
    """What samples are drawn of."""
    if config.samples.captions:
        return config.samples.captions
    captions: list[str] = []
    opened = OpenRowGroups(replace(validation, columns=("caption",)))
    for group in range(len(validation.rows)):
        if len(captions) >= config.samples.count:
            break
        captions += opened.read(group)["caption"].to_pylist()
    return tuple(captions[: config.samples.count])


def _trainee(
    config: DiffusionConfig,
    start: DiffusionStart,
    total_steps: int,
    validation: ValidationRows[Samples],
    worker: Worker,
) -> DiffusionTraining:
    return DiffusionTraining(config, start, total_steps, validation, worker.device)


def _finish(config: DiffusionConfig, start: DiffusionStart, checkpoint: Checkpoint) -> None:
    export_model(config, start, unet_weights(checkpoint.tensors), Folder(f"{config.output}/{MODEL}"))


def _with_absolute_paths(config: DiffusionConfig) -> DiffusionConfig:
    """Workers may run in another folder than the driver."""
    autoencoder = config.model.autoencoder
    model = replace(config.model, base=absolute(config.model.base), autoencoder=autoencoder and absolute(autoencoder))
    return replace(config, input=Folder(config.input).url, output=Folder(config.output).url, model=model)
