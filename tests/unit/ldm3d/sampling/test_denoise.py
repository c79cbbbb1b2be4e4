"""Guided denoising agrees with closed forms, with diffusers' own pipeline, and sample by sample."""

import sys
from types import ModuleType, SimpleNamespace

import diffusers
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel

from ldm3d.sampling import Drawing, denoise, initial_noise, seeded_generators
from ldm3d.sampling.guidance import guide

torch.set_num_threads(1)
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")  # of numpy, for diffusers

SHAPE = (4, 4, 4)
NOISE_SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
TO_ZERO = {**NOISE_SCHEDULE, "clip_sample": False, "set_alpha_to_one": True, "steps_offset": 1}
OFFSET = {"steps_offset": 1}  # as in Stable Diffusion's checkpoints; diffusers' pipeline insists on it
SEEDS = [3, 1, 2]


def unet(**settings: object) -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=4,
        norm_num_groups=8,
        **settings,
    ).eval()


@pytest.fixture(scope="module")
def network() -> UNet2DConditionModel:
    return unet()


def scheduler(name: str, **settings: object):
    return getattr(diffusers, name)(**{**NOISE_SCHEDULE, **settings})


def texts(count: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Return embeddings of captions, and of the empty caption."""
    numbers = torch.randn(count + 1, 5, 16, generator=torch.Generator().manual_seed(9))
    return numbers[1:], numbers[:1]


def sample(network, scheduler, seeds=SEEDS, rows=(0, 1, 2), callback=None, **settings) -> torch.Tensor:
    """Draw latents for the captions `rows` and `seeds`, in their order."""
    text, empty = texts()
    generators = seeded_generators(seeds)
    noise = initial_noise(generators, (4, 8, 8))
    drawing = Drawing(**{"num_inference_steps": 4, **settings})
    call = {"generators": generators, "callback": callback}
    return denoise(network, scheduler, noise, text[list(rows)], empty, drawing, **call)


class Oracle:
    """A U-Net that knows the answer: the text embedding of a row is the latent that its noisy latent came from."""

    def __init__(self, prediction: str = "epsilon") -> None:
        self.config = SimpleNamespace(in_channels=4, cross_attention_dim=16, time_cond_proj_dim=None)
        self.dtype = torch.float32
        self.prediction = prediction
        self.alphas = DDIMScheduler(**NOISE_SCHEDULE).alphas_cumprod.double()
        self.batches: list[int] = []

    def __call__(self, latents, timestep, encoder_hidden_states, timestep_cond, return_dict):
        self.batches.append(len(latents))
        position = float(timestep)  # fractional for some schedulers
        low = self.alphas[int(position)].log()
        high = self.alphas[min(int(position) + 1, 999)].log()
        alpha = torch.exp(low + (position - int(position)) * (high - low))
        clean = encoder_hidden_states.reshape(-1, *SHAPE).double()
        epsilon = (latents.double() - alpha.sqrt() * clean) / (1 - alpha).sqrt()
        velocity = alpha.sqrt() * epsilon - (1 - alpha).sqrt() * clean
        return ((epsilon if self.prediction == "epsilon" else velocity).float(),)


def clean_latents() -> tuple[torch.Tensor, torch.Tensor]:
    """Return (3, 4, 16) texts that are latents for `Oracle`, and an empty one."""
    numbers = torch.randn(4, 4, 16, generator=torch.Generator().manual_seed(4))
    return numbers[1:], numbers[:1]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("DDIMScheduler", {"clip_sample": False}),
        ("DPMSolverMultistepScheduler", {}),
        ("EulerDiscreteScheduler", {}),
        ("HeunDiscreteScheduler", {}),
        ("UniPCMultistepScheduler", {}),
    ],
)
def test_a_network_that_knows_the_noise_leads_to_the_clean_latent_of_each_caption(name, settings):
    text, empty = clean_latents()
    noise = initial_noise(seeded_generators(SEEDS), SHAPE)
    latents = denoise(Oracle(), scheduler(name, **settings), noise, text, empty, Drawing(guidance_scale=1))
    torch.testing.assert_close(latents, text.reshape(-1, *SHAPE), rtol=0, atol=1e-3)


@pytest.mark.parametrize("scale", [0, 0.5, 1, 5.0])
def test_guidance_extrapolates_from_the_empty_caption(scale):
    """Predictions are linear in the clean latent here, so guidance of them is guidance of it."""
    text, empty = clean_latents()
    noise = initial_noise(seeded_generators(SEEDS), SHAPE)
    latents = denoise(Oracle(), DDIMScheduler(**TO_ZERO), noise, text, empty, Drawing(guidance_scale=scale))
    torch.testing.assert_close(latents, (empty + scale * (text - empty)).reshape(-1, *SHAPE), rtol=0, atol=1e-3)


def test_every_sample_may_have_a_negative_prompt_of_its_own():
    text, _ = clean_latents()
    negative = text.roll(1, 0)
    noise = initial_noise(seeded_generators(SEEDS), SHAPE)
    latents = denoise(Oracle(), DDIMScheduler(**TO_ZERO), noise, text, negative, Drawing(guidance_scale=3))
    torch.testing.assert_close(latents, (negative + 3 * (text - negative)).reshape(-1, *SHAPE), rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", ["DDIMScheduler", "DPMSolverMultistepScheduler", "EulerDiscreteScheduler"])
def test_predicting_velocity_gives_the_samples_of_predicting_noise(name):
    text, empty = clean_latents()
    noise = initial_noise(seeded_generators(SEEDS), SHAPE)
    by_noise, by_velocity = (
        denoise(
            Oracle(kind), scheduler(name, prediction_type=kind), noise, text, empty, Drawing(num_inference_steps=10)
        )
        for kind in ("epsilon", "v_prediction")
    )
    torch.testing.assert_close(by_velocity, by_noise, rtol=1e-4, atol=1e-3)


def test_without_guidance_the_network_is_called_once_a_step_on_a_single_batch():
    text, empty = clean_latents()
    noise = initial_noise(seeded_generators(SEEDS), SHAPE)
    guided, unguided = Oracle(), Oracle()
    for network, scale in ((guided, 2), (unguided, 1)):
        drawing = Drawing(num_inference_steps=7, guidance_scale=scale)
        denoise(network, DDIMScheduler(**TO_ZERO), noise, text, empty, drawing)
    assert guided.batches == [6] * 7
    assert unguided.batches == [3] * 7


def through_diffusers(network, scheduler, **settings) -> torch.Tensor:
    """Draw the same samples with diffusers' pipeline; the autoencoder is there for its factor of 1."""
    vae = AutoencoderKL(block_out_channels=[8], norm_num_groups=8)
    parts = {"vae": vae, "text_encoder": None, "tokenizer": None, "unet": network, "scheduler": scheduler}
    parts |= {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipeline = StableDiffusionPipeline(**parts)
    pipeline.set_progress_bar_config(disable=True)
    text, empty = texts()
    return pipeline(
        prompt_embeds=text,
        negative_prompt_embeds=empty.expand_as(text),
        generator=seeded_generators(SEEDS),
        num_inference_steps=4,
        output_type="latent",
        **settings,
    ).images


@pytest.mark.parametrize(
    ("name", "settings", "call"),
    [
        ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False, **OFFSET}, {}),
        ("DDIMScheduler", {"clip_sample": False, **OFFSET}, {"eta": 1.0}),
        ("DDIMScheduler", {"prediction_type": "v_prediction", "clip_sample": False, **OFFSET}, {}),
        ("DDIMScheduler", {"clip_sample": False, **OFFSET}, {"guidance_rescale": 0.7}),
        ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True, **OFFSET}, {}),
        ("EulerDiscreteScheduler", OFFSET, {}),
        ("EulerDiscreteScheduler", {"timestep_spacing": "leading", **OFFSET}, {}),
        ("EulerAncestralDiscreteScheduler", OFFSET, {}),
        ("PNDMScheduler", {"skip_prk_steps": True, **OFFSET}, {}),
        ("HeunDiscreteScheduler", OFFSET, {}),
        ("LCMScheduler", OFFSET, {}),
    ],
)
def test_latents_equal_those_of_diffusers_own_pipeline(network, name, settings, call):
    """Both use the same generators, so starting noise and noise of the steps are compared too."""
    ours = sample(network, scheduler(name, **settings), guidance_scale=5.0, **call)
    theirs = through_diffusers(network, scheduler(name, **settings), guidance_scale=5.0, **call)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5 * float(theirs.std()))


def test_a_network_distilled_for_guidance_is_told_the_scale_as_diffusers_tells_it():
    distilled = unet(time_cond_proj_dim=32)
    plan = scheduler("LCMScheduler", **OFFSET)
    ours = sample(distilled, plan, guidance_scale=8.0)
    theirs = through_diffusers(distilled, plan, guidance_scale=8.0)
    # the scale is told by sines of up to 7,000 radians, which float32 knows to 5e-4
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-3 * float(theirs.std()))
    assert not torch.allclose(ours, sample(distilled, plan, guidance_scale=1.0))


STEP_NOISE = [
    ("DDIMScheduler", {}, {"eta": 1.0}),
    ("DDPMScheduler", {}, {}),
    ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}, {}),
    ("EulerAncestralDiscreteScheduler", OFFSET, {}),
    ("LCMScheduler", {}, {}),
    ("SASolverScheduler", {}, {}),
    ("TCDScheduler", {}, {}),
]


@pytest.mark.parametrize(("name", "settings", "call"), [("DDIMScheduler", {"clip_sample": False}, {}), *STEP_NOISE])
def test_a_sample_depends_on_its_own_seed_only(network, name, settings, call):
    """Samples agree to rounding if only the size of the batch differs, whatever noise the steps draw."""
    plan = scheduler(name, **settings)
    together = sample(network, plan, **call)
    alone = torch.cat([sample(network, plan, seeds=[SEEDS[row]], rows=[row], **call) for row in range(3)])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-4 * float(together.std()))
    backwards = sample(network, plan, seeds=SEEDS[::-1], rows=[2, 1, 0], **call)
    assert torch.equal(backwards.flip(0), together)


@pytest.mark.parametrize(("name", "settings", "call"), STEP_NOISE)
def test_noise_of_the_steps_is_not_the_starting_noise_again(network, name, settings, call):
    """Schedulers that draw noise do so, from generators that have already drawn the starting noise."""
    text, empty = texts()
    plan, generators = scheduler(name, **settings), seeded_generators(SEEDS)
    noise = initial_noise(generators, (4, 8, 8))
    before = [generator.get_state() for generator in generators]
    drawing = Drawing(num_inference_steps=4, **call)
    denoise(network, plan, noise, text, empty, drawing, generators=generators)
    assert all(not torch.equal(*pair) for pair in zip(before, map(torch.Generator.get_state, generators), strict=True))
    fresh = denoise(network, plan, noise, text, empty, drawing, generators=seeded_generators(SEEDS))
    assert not torch.allclose(fresh, sample(network, plan, **call))


def test_a_scheduler_is_a_template_that_stays_as_it_is(network):
    plan = scheduler("DPMSolverMultistepScheduler", use_karras_sigmas=True)
    state = {name: value for name, value in vars(plan).items() if not isinstance(value, torch.Tensor)}
    timesteps = plan.timesteps.clone()
    first = sample(network, plan)
    assert {name: vars(plan)[name] for name in state} == state
    assert torch.equal(plan.timesteps, timesteps)
    assert torch.equal(sample(network, plan), first)


def test_the_callback_sees_every_step_and_may_replace_latents(network):
    seen = []

    def halve_the_last(index, timestep, latents):
        seen.append((index, int(timestep)))
        return latents / 2 if index == 3 else None

    plan = scheduler("DDIMScheduler", clip_sample=False, steps_offset=1)
    halved = sample(network, plan, callback=halve_the_last)
    assert seen == [(0, 751), (1, 501), (2, 251), (3, 1)]
    assert torch.equal(halved * 2, sample(network, plan))


def test_a_network_in_bfloat16_is_sampled_in_float32(network):
    latents = sample(unet().bfloat16(), scheduler("DDIMScheduler", clip_sample=False))
    assert latents.dtype == torch.float32
    exact = sample(network, scheduler("DDIMScheduler", clip_sample=False))
    assert (latents - exact).std() < 0.05 * exact.std()


def test_full_rescale_gives_a_guided_prediction_the_spread_of_the_unguided():
    conditional, empty = torch.randn(2, 3, 4, 8, 8, generator=torch.Generator().manual_seed(0)).unbind()
    plain, rescaled = guide(conditional, empty, 7.5), guide(conditional, empty, 7.5, 1.0)
    torch.testing.assert_close(rescaled.std((1, 2, 3)), conditional.std((1, 2, 3)))
    torch.testing.assert_close(guide(conditional, empty, 7.5, 0.25), 0.25 * rescaled + 0.75 * plain)


def test_samples_carry_no_gradient(network):
    assert not sample(network, scheduler("DDIMScheduler")).requires_grad


def test_more_steps_than_the_noise_schedule_has_are_refused(network):
    with pytest.raises(ValueError, match="num_inference_steps is 1001, wanted 1 to 1000"):
        sample(network, scheduler("DDIMScheduler"), num_inference_steps=1001)


def test_eta_is_refused_where_it_means_nothing(network):
    with pytest.raises(ValueError, match=r"eta is 0\.5, but EulerDiscreteScheduler"):
        sample(network, scheduler("EulerDiscreteScheduler"), eta=0.5)


def test_a_scheduler_that_draws_one_noise_for_a_batch_is_refused(network, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchsde", ModuleType("torchsde"))  # imported at its top, used later
    from diffusers.schedulers.scheduling_dpmsolver_sde import DPMSolverSDEScheduler

    with pytest.raises(ValueError, match="DPMSolverSDEScheduler"):
        sample(network, DPMSolverSDEScheduler(**NOISE_SCHEDULE))


@pytest.mark.parametrize(
    ("noise", "text", "empty"),
    [
        ((2, 4, 8, 8), (3, 5, 16), (1, 5, 16)),
        ((3, 9, 8, 8), (3, 5, 16), (1, 5, 16)),
        ((3, 4, 8, 8), (3, 5, 24), (1, 5, 24)),
        ((3, 4, 8, 8), (3, 5, 16), (2, 5, 16)),
        ((3, 4, 8, 8), (3, 5, 16), (1, 7, 16)),
    ],
)
def test_shapes_that_do_not_go_together_are_refused(network, noise, text, empty):
    with pytest.raises(ValueError, match="want"):
        denoise(network, scheduler("DDIMScheduler"), torch.zeros(noise), torch.zeros(text), torch.zeros(empty))
