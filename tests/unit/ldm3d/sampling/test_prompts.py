"""Prompts hold what belongs to each caption together, and refuse what does not."""

import pytest
import torch

from ldm3d.sampling import Prompts


@pytest.mark.parametrize(
    ("prompts", "text", "empty", "seeds"), [(2, 3, 1, 3), (3, 2, 1, 3), (3, 3, 2, 3), (3, 3, 1, 4)]
)
def test_counts_that_differ_are_refused(prompts, text, empty, seeds):
    with pytest.raises(ValueError, match=f"{prompts} prompts, {text} rows of text, {empty} of empty_text, {seeds} s"):
        Prompts(["a"] * prompts, torch.zeros(text, 5, 16), torch.zeros(empty, 5, 16), range(seeds))


def test_a_seed_out_of_range_is_refused_with_the_request():
    with pytest.raises(ValueError, match="seed 4294967296"):
        Prompts(["a", "b"], torch.zeros(2, 5, 16), torch.zeros(1, 5, 16), [0, 2**32])


@pytest.mark.parametrize("empty", [1, 3])
def test_rows_are_chosen_with_all_that_belongs_to_them(empty):
    text = torch.arange(3.0)[:, None, None].expand(3, 5, 16)
    prompts = Prompts(["a", "b", "c"], text, -text[:empty], [7, 8, 9])
    chosen = prompts.at([2, 0, 2])
    assert (chosen.captions, chosen.seeds, len(chosen)) == (["c", "a", "c"], [9, 7, 9], 3)
    assert torch.equal(chosen.text, text[[2, 0, 2]])
    assert torch.equal(chosen.empty_text, -text[:1] if empty == 1 else -text[[2, 0, 2]])


def test_captions_are_embedded_beside_one_negative_prompt():
    def embed(captions):
        return torch.stack([torch.full((5, 16), float(len(caption))) for caption in captions])

    prompts = Prompts.of(["a", "bcd"], [7, 8], embed, "away")
    assert prompts.text[:, 0, 0].tolist() == [1, 3]
    assert prompts.empty_text[:, 0, 0].tolist() == [4]
    assert Prompts.of(["a"], [7], embed).empty_text[:, 0, 0].tolist() == [0]
