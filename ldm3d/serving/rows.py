"""One call of the U-Net for several requests, each at its own timestep."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from ldm3d.sampling.denoising import Question
from ldm3d.sampling.panorama import wrapped_around


@torch.no_grad()
def answers(unet: Any, questions: Sequence[Question], rows: int, *, panorama: bool = False) -> list[Tensor]:
    """Ask the U-Net once. What it answers to a question depends, to the bit, on the question and on `rows` alone: not
    on the other questions, their timesteps or its place among them.

    Args:
        unet: a `UNet2DConditionModel` in eval mode.
        questions: of latents of one size.
        rows: of the call, which is filled up with the last row.

    Returns:
        An answer to each, (R, C, h, w) float32.
    """
    counts = [len(question.latents) for question in questions]
    told = [question.told_scale for question in questions if question.told_scale is not None]
    timesteps = [question.timestep.float().expand(count) for question, count in zip(questions, counts, strict=True)]
    with wrapped_around(unet) if panorama else nullcontext():
        answer: Tensor = unet(
            _filled([question.latents for question in questions], rows).to(unet.dtype),
            _filled(timesteps, rows),
            encoder_hidden_states=_filled([question.text for question in questions], rows),
            timestep_cond=_filled(told, rows) if told else None,
            return_dict=False,
        )[0].float()
    return list(answer[: sum(counts)].split(counts))


def _filled(parts: Sequence[Tensor], rows: int) -> Tensor:
    together = torch.cat(list(parts))
    return torch.cat([together, together[-1:].expand(rows - len(together), *together.shape[1:])])
