"""Pictures become other pictures, whole or in part, each by its own prompt and seed."""

import numpy as np
import pytest
import torch

from ldm3d.data.pictures import Pictures
from ldm3d.sampling import Drawing, Sample, image_to_rgbd
from tests.builders.small_model import Parts, assert_same, parts, prompts_of

torch.set_num_threads(1)

COUNT, SIZE = 5, 8
SEEDS = [7, 7, 3, 2**32 - 1, 0]


@pytest.fixture(scope="module", params=[6, 4])
def model(request) -> Parts:
    return parts(pixel_channels=request.param)


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (COUNT, SIZE, SIZE, 3), np.uint8)
    depth = random.integers(0, 65_536, (COUNT, SIZE, SIZE), np.uint16)
    return Pictures(torch.from_numpy(image), torch.from_numpy(depth))


def right_part() -> np.ndarray:
    """Redraw from the fourth column on, which is in the middle of a latent."""
    redrawn = np.zeros((COUNT, SIZE, SIZE), bool)
    redrawn[:, :, 3:] = True
    return redrawn


def draw(
    model: Parts, pictures: Pictures, rows=range(COUNT), redrawn=None, batch_size=None, **settings
) -> list[Sample]:
    rows = list(rows)
    chosen = Pictures(pictures.image[rows], pictures.depth[rows])
    prompts = prompts_of([str(row) for row in rows], [SEEDS[row] for row in rows], rows)
    redrawn = redrawn if redrawn is None else redrawn[rows]
    drawing = Drawing(num_inference_steps=4, batch_size=batch_size)
    return image_to_rgbd(model, chosen, prompts, drawing, redrawn=redrawn, **settings)


def test_at_one_batch_size_company_and_order_do_not_change_a_bit(model, pictures):
    together = draw(model, pictures, batch_size=2)
    assert [sample.prompt for sample in together] == list("01234")
    assert_same(draw(model, pictures, range(4, -1, -1), batch_size=2)[::-1], together)
    for row in range(COUNT):
        assert_same(draw(model, pictures, [row], batch_size=2), [together[row]])


def test_picture_prompt_and_seed_all_matter(model, pictures):
    found = draw(model, pictures, batch_size=1)
    assert not np.array_equal(found[0].image, found[1].image)  # one seed, another picture and prompt
    others = Pictures(pictures.image.flip(0), pictures.depth.flip(0))
    assert not np.array_equal(draw(model, others, [0], batch_size=1)[0].image, found[0].image)
    deeper = Pictures(pictures.image, pictures.depth.flip(0))
    if model.vae.config.in_channels == 6:
        assert not np.array_equal(draw(model, deeper, [0], batch_size=1)[0].image, found[0].image)


def test_what_is_not_drawn_anew_stays_to_the_bit(model, pictures):
    redrawn = right_part()
    for row, sample in enumerate(draw(model, pictures, redrawn=redrawn)):
        image, depth = pictures.image[row].numpy(), pictures.depth[row].numpy()
        assert np.array_equal(sample.image[:, :3], image[:, :3])
        assert np.array_equal(sample.depth[:, :3], depth[:, :3])
        assert (sample.image[:, 3:] != image[:, 3:]).mean() > 0.9
        assert (sample.depth[:, 3:] != depth[:, 3:]).mean() > 0.9


def test_each_picture_may_have_a_part_of_its_own(model, pictures):
    redrawn = right_part()
    redrawn[2] = True
    mixed = draw(model, pictures, redrawn=redrawn, batch_size=1)
    assert_same([mixed[2]], draw(model, pictures, [2], redrawn=np.ones_like(redrawn), batch_size=1))
    assert_same([mixed[1]], draw(model, pictures, [1], redrawn=right_part(), batch_size=1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda image, depth: (image[:, :, :7], depth[:, :, :7]), r"pictures are 7 x 8 pixels, wanted multiples of 2"),
        (lambda image, depth: (image, depth[:, :4]), r"image \(5, 8, 8, 3\) and depth \(5, 4, 8\), wanted"),
        (lambda image, depth: (image[:4], depth[:4]), "for 5 prompts"),
    ],
)
def test_pictures_that_do_not_fit_are_refused(model, pictures, change, message):
    with pytest.raises(ValueError, match=message):
        image_to_rgbd(model, Pictures(*change(*pictures)), prompts_of(list("01234"), SEEDS))


def test_a_mask_of_another_size_or_kind_is_refused(model, pictures):
    for redrawn in (right_part()[:, :4], right_part().astype(np.uint8)):
        with pytest.raises(ValueError, match=r"wanted \(5, 8, 8\) bool"):
            draw(model, pictures, redrawn=redrawn)


def test_a_strength_out_of_range_is_refused(model, pictures):
    with pytest.raises(ValueError, match="strength is 0, wanted above 0"):
        draw(model, pictures, strength=0)
