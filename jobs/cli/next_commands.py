"""The commands that read what a job made, with their paths filled in, as a person would type them.

After a submitted job they are typed where that was submitted, so they are submitted, too.
"""

import os
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from jobs.cli.preset import known_origin
from jobs.cli.program import program
from ldm3d.config.exports import FORMATS
from pipelines.storage.submission import submitting

PROMPT = "a lemon on a wooden table"  # where no caption of the data is known
TRIED = 100  # names of an output
LETTERS = 120  # of a caption that is easily typed


def after_corpus(config: Any) -> list[str]:
    """Return the commands that train an autoencoder on a corpus and encode it."""
    corpus, autoencoder = config.output, _free(beside(config.output, "autoencoder"), {"input": config.output})
    return [
        _trains("train_autoencoder", config, input=corpus, output=autoencoder, **_toy_base(config)),
        _encodes(config, corpus, autoencoder),
    ]


def after_autoencoder(config: Any) -> list[str]:
    """Return the command that encodes a training's corpus with its autoencoder."""
    return [_encodes(config, config.input, config.output)]


def after_latents(config: Any) -> list[str]:
    """Return the command that trains a U-Net on latents."""
    output = _free(beside(config.output, "diffusion"), {"input": config.output})
    return [_trains("train_diffusion", config, input=config.output, output=output)]


def after_diffusion(config: Any, captions: Sequence[str], *, has_validation: bool) -> list[str]:
    """Return the commands that draw one prompt, and the captions that training has not seen, if there are any.

    Args:
        captions: like those of the data, of which one is proposed as the prompt.
    """
    model, commands = f"{config.output.rstrip('/')}/model", [_draws_prompt(config, config.output, captions)]
    origin = known_origin(config.input)
    kind = {"encode_latents": "latents", "rebuild_corpus": "rgbd"}.get(origin.stage if origin else "")
    if kind and has_validation:
        read = {"input": f"{config.input.rstrip('/')}/{kind}/val", "model.model": model}
        flags = {"input": read["input"], "output": _free(beside(config.output, "samples"), read), "model.model": model}
        commands.append(command("generate", flags | _address(config, "cluster")))
    return commands


def after_export(config: Any) -> list[str]:
    """Return the command that uses an exported model: what it is depends on the training."""
    origin = known_origin(config.input)
    match origin.stage if origin else "":
        case "train_diffusion":
            return [_draws_prompt(config, config.output, inside="")]
        case "train_autoencoder" if origin and (corpus := origin.settings.get("input")):
            return [_encodes(config, _like(config.input, corpus), config.output)]
    return []


def after_samples(config: Any) -> list[str]:
    """Return the command that measures samples, against the pictures whose captions they are if these are known."""
    flags = {"input": config.output, "output": beside(config.output, "evaluation")}
    real = _pictures_of(config.input)
    flags |= {"reference": real} if real else {}
    hint = "" if real else "    # --reference with real pictures adds FID and KID"
    return [command("evaluate", flags | _address(config, "cluster")) + hint]


def after_place(config: Any) -> str:
    """Return which settings make other files of a place: a walk only where films of it were asked for."""
    formats = config.exports.formats
    has_film = any(name.startswith("film-") for name in formats or FORMATS)
    walk = "--views.path takes another walk; " if has_film else ""
    fewer = (
        "fewer files, or others" if formats is None else "others; without it there are meshes, stills and films, too"
    )
    return f"{walk}--exports.formats writes {fewer}."


def command(stage: str, flags: dict[str, str], *, is_local: bool = False) -> str:
    """Write a command line.

    Args:
        is_local: it is run where it is typed, also after a submitted job.
    """
    words = [word for name, value in flags.items() for word in (f"--{name}", value)]
    return f"{'' if is_local else submitting()}{program(stage)} {shlex.join(words)}"


def beside(output: str, name: str) -> str:
    """Return a folder of this name next to an output: `runs/corpus` -> `runs/latents`."""
    output = output.rstrip("/") if "://" in output else os.path.normpath(output)
    if os.path.basename(output) in ("", ".", ".."):
        output = os.path.abspath(output)
    above, slash, last = output.rpartition("/")
    if last == name or above.endswith("/"):  # the second: there is nothing above a bucket
        return f"{output}-{name}"
    return f"{above}{slash}{name}"


def _trains(stage: str, config: Any, **flags: str) -> str:
    return command(stage, flags | _address(config, "workers"))


def _free(output: str, read: Mapping[str, str]) -> str:
    """Return this output, or one with a number if another run has made it of something else.

    Args:
        read: what the next run reads, by its setting.
    """
    for place in (output, *(f"{output}-{number}" for number in range(2, TRIED))):
        origin = known_origin(place)
        if origin is None or all(_reads(origin.settings, *each) for each in read.items()):
            return place
    return output


def _reads(settings: Mapping[str, Any], name: str, place: str) -> bool:
    """Whether settings have a place under a dotted name, as a value or as the only one of a list."""
    found: Any = settings
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    found = found[0] if isinstance(found, list) and len(found) == 1 else found
    return isinstance(found, str) and _whole(found) == _whole(place)


def _whole(place: str) -> str:
    return place.rstrip("/") if "://" in place else os.path.abspath(place)


def _toy_base(config: Any) -> dict[str, str]:
    """Name the base that lies beside the depth model of a submitted job of the toy: the folder of both is not sent."""
    if config.preset != "toy" or not submitting():
        return {}
    return {"model.base": os.path.join(os.path.dirname(config.label.depth_model), "base")}


def _encodes(config: Any, corpus: str, autoencoder: str) -> str:
    read = {"input": corpus, "model.autoencoder": autoencoder}
    flags = {"input": corpus, "output": _free(beside(autoencoder, "latents"), read), "model.autoencoder": autoencoder}
    return command("encode_latents", flags | _address(config, "cluster"))


def _draws_prompt(config: Any, output: str, captions: Sequence[str] = (), inside: str = "/model") -> str:
    """Write the command for one prompt, whose files can only be local: a model in a store is drawn with right here."""
    prompt = next((caption for caption in captions if len(caption) <= LETTERS and caption.isprintable()), PROMPT)
    is_stored = "://" in output
    pictures = "pictures" if is_stored else beside(output, "pictures")
    model = f"{output.rstrip('/')}{inside}"
    flags = {"prompt": prompt, "output": pictures, "model.model": model}
    return command("generate", flags, is_local=is_stored)


def _pictures_of(captions: str) -> str | None:
    """Find the pictures of a split whose captions were drawn, in a corpus or by way of its latents."""
    origin, split = known_origin(captions), captions.rstrip("/").rpartition("/")[2]
    if origin and origin.stage == "rebuild_corpus":
        return captions
    if origin and origin.stage == "encode_latents" and split in ("train", "val", "test"):
        return _like(captions, f"{str(origin.settings['input']).rstrip('/')}/rgbd/{split}")
    return None


def _like(typed: str, place: str) -> str:
    """Write a place, which settings keep as an absolute path, relative to this folder if the other was typed so."""
    is_relative = "://" not in typed and not os.path.isabs(typed)
    return place.removeprefix(f"{os.getcwd()}/") if is_relative else place


def _address(config: Any, section: str) -> dict[str, str]:
    """Name the cluster again that a job was told to use."""
    used = getattr(config, "cluster", None) or getattr(config, "workers", None)
    address = getattr(used, "address", None)
    return {f"{section}.address": address} if address else {}
