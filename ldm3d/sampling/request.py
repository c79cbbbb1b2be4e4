"""What a call of the pipeline asks for, checked before any network is called."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from ldm3d.sampling.prompts import each_repeated, negative_of
from ldm3d.sampling.seeds import Generators, Seeds, seeds_of


@dataclass(frozen=True)
class Request:
    """N samples."""

    captions: list[str]
    """N."""
    negative: str | list[str]
    """What guidance leads away from: one text for all, or N."""
    seeds: list[int]
    """N."""

    @classmethod
    def of(
        cls,
        prompt: str | Sequence[str],
        negative_prompt: str | Sequence[str] | None,
        per_prompt: int,
        seed: Seeds | None,
        generator: Generators | None,
    ) -> Self:
        """Take what a user gives, as `ldm3d.sampling.pipeline.RgbdPipeline` says.

        Raises:
            ValueError: there is no prompt, or prompts, negative prompts and seeds do not go together.
        """
        if per_prompt < 1:
            raise ValueError(f"num_images_per_prompt is {per_prompt}, wanted 1 or more")
        given = [prompt] if isinstance(prompt, str) else list(prompt or ())
        if not given:
            raise ValueError("no prompt was given: give one or more ('' is the empty caption)")
        captions = each_repeated(given, per_prompt)
        negative = negative_of(negative_prompt, len(given), per_prompt)
        return cls(captions, negative, seeds_of(seed, generator, len(captions)))
