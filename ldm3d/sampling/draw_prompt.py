"""One prompt to picture files, without a cluster."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ldm3d.config import GenerateConfig, SamplingPoint, to_json
from ldm3d.figures.contact_sheet import colour_depth
from ldm3d.prompt_files import file_name
from ldm3d.sampling.noise import SEEDS
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.sampling.sampler import Sampler, note_on_few_steps
from ldm3d.sampling.samples import Sample, require_finite

logger = logging.getLogger(__name__)

LEAST = 256  # pixels of height of a picture that is only to look at


def draw_prompt(config: GenerateConfig, *, dry_run: bool = False) -> dict[str, Any]:
    """Draw `config.prompt` and write, for each sample, `000.png`, `000-depth.png` and `000-both.png`.

    A model without depth gives only the first. Numbers continue after those of files already in the folder. Nothing is
    written for a sample that is not finite.

    Returns:
        samples: number, seed, guidance_scale, num_inference_steps and is_finite of each, the files image, depth and
            both, and with several models the model's name; for a dry run the configuration.

    Raises:
        ValueError: the output is not a local folder, or a model or a setting is refused.
        NotFiniteError: not one sample is finite.
    """
    prompt, folder, count = config.prompt, Path(config.output), config.captions.per_caption
    if prompt is None or "://" in config.output or folder.is_file():
        raise ValueError(f"--output {config.output!r} is not a local folder: with --prompt, give one")
    # no batch is filled up: that serves equality to the bit between actors, and here there is one process
    settings = replace(config.sampling, batch_size=min(config.sampling.batch_size, count))
    seeds = [(config.captions.seed + index) % SEEDS for index in range(count)]
    drawn = []
    for name, model in config.model.named():
        logger.info("loading %s", model)
        pipeline = RgbdPipeline.from_pretrained(model, config.model.revision, setting="--model.model")
        if note := note_on_few_steps(settings, pipeline):
            logger.warning("%s: %s", model, note)
        if dry_run:
            continue
        sampler, about = Sampler(pipeline, settings, config.model.precision), _model(name, config)
        for point in settings.grid():
            logger.info("drawing %d of %r in %d steps", count, prompt, point.num_inference_steps)
            drawn += [(about | _about(point, sample), sample) for sample in sampler([prompt] * count, seeds, point)]
    if dry_run:
        return {"config": to_json(config)}
    require_finite([sample for _, sample in drawn])
    folder.mkdir(parents=True, exist_ok=True)
    first = _first_free(folder)
    return {
        "samples": [
            {"number": number} | about | (write_pictures(folder / f"{number:03d}", sample) if sample.is_finite else {})
            for number, (about, sample) in enumerate(drawn, first)
        ]
    }


def write_pictures(stem: Path, sample: Sample) -> dict[str, str]:
    """Write `<stem>.png`, RGB, and if there is depth `<stem>-depth.png`, 16 bits, and `<stem>-both.png`, the image
    beside its depth in colours, enlarged pixel by pixel where they are small. Returns the files: `image`, `depth`,
    `both`."""
    pictures: dict[str, Any] = {"image": sample.image}
    if sample.depth is not None:
        both = np.hstack([sample.image, colour_depth(sample.depth)])
        pictures |= {"depth": sample.depth, "both": _enlarged(both)}
    files = {kind: file_name(str(stem), kind) for kind in pictures}
    for name, file in files.items():
        Image.fromarray(pictures[name]).save(file)
    return files


def _enlarged(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat pixels so that a picture to look at is not a stamp."""
    times = max(1, LEAST // pixels.shape[0])
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


def _first_free(folder: Path) -> int:
    return 1 + max((int(file.stem) for file in folder.glob("*.png") if file.stem.isdecimal()), default=-1)


def _model(name: str, config: GenerateConfig) -> dict[str, Any]:
    return {"model": name} if len(config.model.model) > 1 else {}


def _about(point: SamplingPoint, sample: Sample) -> dict[str, Any]:
    return {
        "seed": sample.seed,
        "guidance_scale": point.guidance_scale,
        "num_inference_steps": point.num_inference_steps,
        "is_finite": sample.is_finite,
    }
