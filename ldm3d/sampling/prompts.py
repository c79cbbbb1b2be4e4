"""What is asked of a model: captions, as its U-Net reads them, each with a seed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from torch import Tensor

from ldm3d.models.text import EMPTY_CAPTION
from ldm3d.sampling.noise import require_seeds


@dataclass(frozen=True)
class Prompts:
    """N captions and seeds. Repeat a caption to draw it several times.

    Raises:
        ValueError: counts differ, or a seed is out of range.
    """

    captions: Sequence[str]
    """N; kept in the samples, whereas `text` decides what is drawn."""
    text: Tensor
    """(N, L, D) embeddings of the captions."""
    empty_text: Tensor
    """(1 or N, L, D) embeddings of the empty caption, or of negative prompts."""
    seeds: Sequence[int]
    """N, 0 to 4,294,967,295 each."""

    def __post_init__(self) -> None:
        count, text, empty, seeds = (len(part) for part in (self.captions, self.text, self.empty_text, self.seeds))
        if not count == text == seeds or empty not in (1, count):
            got = f"{count} prompts, {text} rows of text, {empty} of empty_text, {seeds} seeds"
            raise ValueError(f"{got}: want one of each for every sample, or a single empty_text for all")
        require_seeds(self.seeds)

    @classmethod
    def of(
        cls,
        captions: Sequence[str],
        seeds: Sequence[int],
        embed: Callable[[Sequence[str]], Tensor],
        negative_prompt: str | Sequence[str] = EMPTY_CAPTION,
    ) -> Self:
        """Embed captions, and the negative prompt that guidance leads away from: one for all, or one for each.

        Args:
            embed: N captions -> (N, L, D), such as `RgbdPipeline.embeddings`.
        """
        negative = [negative_prompt] if isinstance(negative_prompt, str) else negative_prompt
        return cls(captions, embed(captions), embed(negative), seeds)

    def __len__(self) -> int:
        return len(self.captions)

    def at(self, rows: Sequence[int]) -> "Prompts":
        """Return the prompts of some rows, in that order; a row may be taken more than once."""
        chosen = list(rows)
        empty_text = self.empty_text if len(self.empty_text) == 1 else self.empty_text[chosen]
        captions, seeds = [self.captions[row] for row in chosen], [self.seeds[row] for row in chosen]
        return Prompts(captions, self.text[chosen], empty_text, seeds)


def each_repeated(texts: Sequence[str], times: int) -> list[str]:
    """Return each text `times` times, before the next one."""
    return [text for text in texts for _ in range(times)]


def negative_of(negative_prompt: str | Sequence[str] | None, prompts: int, per_prompt: int) -> str | list[str]:
    """Return one negative prompt for all samples, or one for each.

    Args:
        prompts: how many prompts there are, each of which is drawn `per_prompt` times.

    Raises:
        ValueError: there are as many negative prompts as neither one nor the prompts.
    """
    if negative_prompt is None or isinstance(negative_prompt, str):
        return negative_prompt or EMPTY_CAPTION
    if len(negative_prompt) != prompts:
        raise ValueError(
            f"negative_prompt has {len(negative_prompt)} texts, wanted one, or one for each prompt ({prompts})"
        )
    return each_repeated(negative_prompt, per_prompt)
