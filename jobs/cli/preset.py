"""The preset of a command line that names none: that of what it reads, so that it is said once, for the corpus."""

import argparse
import dataclasses
import logging
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ldm3d.config import (
    FEW,
    DepthFusionConfig,
    DiffusionConfig,
    GenerateConfig,
    Preset,
    same_settings,
)
from ldm3d.config.named import named
from ldm3d.models.few_steps import says_few_steps

if TYPE_CHECKING:
    from pipelines.storage.preset import Origin

logger = logging.getLogger(__name__)

DEFAULT: Preset = "ldm3d"
OUTPUT, MODEL, TEACHER = "--output", "--model.model", "--distill.teacher"
# The output goes first: what was begun with a preset is continued with it. A model knows more than the pictures.
PLACES = (OUTPUT, MODEL, "--model.autoencoder", "--input", "--reconstruction.models")


def preset_for(arguments: list[str], given: str | None) -> str:
    """Choose the preset of a command line, and log why, or that the one given is not that of what is read.

    Args:
        given: the value of --preset, if there is one.
    """
    for flag, place, origin in () if _asks_for_help(arguments) else _origins(arguments):
        if origin.preset is None:
            continue
        if given is None:
            logger.info("--preset is %s, as that of %s %r", origin.preset, flag, place)
            return origin.preset
        if flag != OUTPUT and not same_settings(origin.stage, given, origin.preset):
            logger.warning(
                "--preset is %s, but %s %r was made with %s: leave out --preset to go on with %s",
                given,
                flag,
                place,
                origin.preset,
                origin.preset,
            )
            return given
    return given or DEFAULT


def with_base(settings: dict[str, Any], config_class: Any, arguments: list[str]) -> dict[str, Any]:
    """Return the defaults of a training of the U-Net with the base that its autoencoder was trained from."""
    if config_class is not DiffusionConfig or _asks_for_help(arguments) or _values(arguments, TEACHER):
        return settings
    model = settings.get("model") or DiffusionConfig(input="in", output="out").model
    found = _base(arguments)
    if found is None or found == (model.base, model.revision) or _values(arguments, "--model.base"):
        return settings
    logger.info("--model.base is %r, which the autoencoder was trained from", found[0])
    return settings | {"model": dataclasses.replace(model, base=found[0], revision=found[1])}


def with_few_steps(settings: dict[str, Any], config_class: Any, arguments: list[str]) -> dict[str, Any]:
    """Return the defaults of a stage that draws with those of a model that was distilled for few steps, if each of the
    models that are given was."""
    places = [named(given)[1] for given in _values(arguments, MODEL)]
    draws = config_class in (GenerateConfig, DepthFusionConfig)
    if not draws or _asks_for_help(arguments) or not places or not all(map(says_few_steps, places)):
        return settings
    steps, scale = FEW.num_inference_steps, FEW.guidance_scale
    logger.info(
        "%r was distilled for few steps: unless told otherwise, it draws with lcm, %d steps, guidance scale %g",
        places[0],
        steps,
        scale,
    )
    default = config_class(output="out", prompt="a caption").sampling
    sampling = settings.get("sampling", default)
    few = dataclasses.replace(sampling, scheduler="lcm", num_inference_steps=(steps,), guidance_scale=(scale,))
    return settings | {"sampling": few}


def _base(arguments: list[str]) -> tuple[str, str | None] | None:
    """Find the base of a begun output, or of the autoencoder that is given or made the latents."""
    for flag, _, origin in _origins(arguments):
        if flag == "--input":  # latents say which autoencoder made them
            made_with = (origin.settings.get("model") or {}).get("autoencoder")
            encoder = known_origin(made_with) if made_with else None
            return encoder.base if encoder else None
        if origin.base:
            return origin.base
    return None


def known_origin(place: str) -> "Origin | None":
    """Return how a place was made. None where nothing says so, as for a hub id, a new output or a mistake."""
    if "://" not in place and not os.path.lexists(place):
        return None
    from pipelines.storage.preset import origin_of  # only now: it loads pyarrow

    return origin_of(place)


def _origins(arguments: list[str]) -> Iterator[tuple[str, str, "Origin"]]:
    """Yield flag, place and origin of what a command line reads or has begun, where the origin is known."""
    for flag in PLACES:
        for place in (named(given)[1] for given in _values(arguments, flag)):
            if origin := known_origin(place):
                yield flag, place, origin


def _values(arguments: list[str], flag: str) -> list[str]:
    """Return the values of a flag."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument(flag, dest="values", nargs="*", default=[])
    return list(parser.parse_known_args(arguments)[0].values)


def _asks_for_help(arguments: list[str]) -> bool:
    return not {"-h", "--help"}.isdisjoint(arguments)
