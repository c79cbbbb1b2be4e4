"""Consistency distillation agrees with closed forms: the exact path of a Gaussian, DDIM, and the scheduler that draws
with what is trained."""

import pytest
import torch
from diffusers import DDIMScheduler, LCMScheduler
from torch import Tensor

from ldm3d.training.consistency import (
    SolverSteps,
    boundary_scalings,
    consistency_loss,
    consistent,
    ddim_step,
    pseudo_huber,
)
from ldm3d.training.noise_schedule import NoiseSchedule

torch.set_num_threads(1)

STABLE_DIFFUSION = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False}
PREDICTIONS = ("epsilon", "v_prediction")
MEAN, STD = 0.7, 0.6


def schedule(prediction: str) -> NoiseSchedule:
    made = NoiseSchedule.of(DDIMScheduler(prediction_type=prediction, **STABLE_DIFFUSION))
    return NoiseSchedule(made.alphas_cumprod.double(), made.prediction)


def normal(seed: int, count: int) -> Tensor:
    return torch.randn(count, 4, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Gaussian:
    """Data of one Gaussian, N(MEAN, STD^2) in each element, of which everything is known."""

    def __init__(self, prediction: str, std: float = STD) -> None:
        self.schedule, self.std = schedule(prediction), std

    def alphas(self, timesteps: Tensor) -> Tensor:
        return self.schedule.alphas_cumprod[timesteps][:, None, None, None]

    def whitened(self, noisy: Tensor, timesteps: Tensor) -> Tensor:
        """What stays the same along a path of the probability flow: its place in the marginal distribution."""
        alphas = self.alphas(timesteps)
        return (noisy - alphas.sqrt() * MEAN) / (alphas * self.std**2 + 1 - alphas).sqrt()

    def picture(self, noisy: Tensor, timesteps: Tensor) -> Tensor:
        """The exact consistency function: where the path through z_t ends."""
        return MEAN + self.std * self.whitened(noisy, timesteps)

    def on_path(self, noisy: Tensor, start: Tensor, end: Tensor) -> Tensor:
        """Where the path through z at `start` is at `end`."""
        alphas = self.alphas(end)
        deviation = (alphas * self.std**2 + 1 - alphas).sqrt()
        return alphas.sqrt() * MEAN + deviation * self.whitened(noisy, start)

    def denoiser(self, noisy: Tensor, timesteps: Tensor) -> Tensor:
        """What a trained network predicts: the mean of noise or velocity, given z_t."""
        alphas = self.alphas(timesteps)
        deviation = (alphas * self.std**2 + 1 - alphas).sqrt()
        noise = (1 - alphas).sqrt() * self.whitened(noisy, timesteps) / deviation
        clean = (noisy - (1 - alphas).sqrt() * noise) / alphas.sqrt()
        return self.predicting(clean, noisy, timesteps)

    def solution(self, noisy: Tensor, timesteps: Tensor) -> Tensor:
        """What a distilled network should predict: that of the path's end."""
        return self.predicting(self.picture(noisy, timesteps), noisy, timesteps)

    def predicting(self, clean: Tensor, noisy: Tensor, timesteps: Tensor) -> Tensor:
        alphas = self.alphas(timesteps)
        noise = (noisy - alphas.sqrt() * clean) / (1 - alphas).sqrt()
        if self.schedule.prediction == "epsilon":
            return noise
        return alphas.sqrt() * noise - (1 - alphas).sqrt() * clean

    def loss(self, student, solver: SolverSteps, steps: Tensor, target=None, teacher=None) -> Tensor:
        count = len(steps)
        latents, noise = MEAN + self.std * normal(0, 256)[:count], normal(1, 256)[:count]
        networks = (student, target or student, teacher or self.denoiser)
        return consistency_loss(*networks, latents, noise, steps, self.schedule, solver, huber=1e-6)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_a_prediction_is_taken_apart_into_what_was_mixed(prediction):
    made, timesteps = schedule(prediction), torch.tensor([0, 19, 500, 999])
    clean, noise = normal(0, 4), normal(1, 4)
    noisy = made.add_noise(clean, noise, timesteps)
    torch.testing.assert_close(made.parts(noisy, made.target(clean, noise, timesteps), timesteps), (clean, noise))


@pytest.mark.parametrize("steps", [1, 30, 50, 1_000])
def test_steps_begin_where_lcm_draws(steps):
    solver, scheduler = SolverSteps.of(steps, 1_000), LCMScheduler(original_inference_steps=steps)
    scheduler.set_timesteps(steps)
    assert solver.start.tolist() == scheduler.timesteps.tolist()[::-1]
    assert solver.end.tolist() == [0, *solver.start.tolist()[:-1]]
    assert len(solver) == steps


def test_more_steps_than_timesteps_are_refused():
    with pytest.raises(ValueError, match=r"--distill\.solver-steps is 1001, wanted 1 to 1000"):
        SolverSteps.of(1_001, 1_000)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_a_step_of_the_solver_is_that_of_ddim(prediction):
    scheduler = DDIMScheduler(prediction_type=prediction, **STABLE_DIFFUSION)
    scheduler.set_timesteps(50)
    made, noisy, predicted = schedule(prediction), normal(0, 1), normal(1, 1)
    for start, end in ((999, 979), (519, 499), (39, 19)):
        expected = scheduler.step(predicted, start, noisy).prev_sample
        found = ddim_step(made, noisy, predicted, torch.tensor([start]), torch.tensor([end]))
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)  # diffusers' schedule is float32


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_picture_is_what_lcm_draws(prediction):
    scheduler = LCMScheduler(prediction_type=prediction, **STABLE_DIFFUSION)
    made, noisy, predicted = schedule(prediction), normal(0, 1), normal(1, 1)
    for timestep in (999, 499, 19):
        scheduler.set_timesteps(50)
        expected = scheduler.step(predicted, timestep, noisy).denoised
        found = consistent(made, noisy, predicted, torch.tensor([timestep]))
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_at_timestep_zero_the_picture_is_the_latent_whatever_is_predicted(prediction):
    noisy, first = normal(0, 3), torch.zeros(3, dtype=torch.int64)
    assert torch.equal(consistent(schedule(prediction), noisy, normal(1, 3), first), noisy)
    skip, out = boundary_scalings(torch.tensor([0, 999]))
    assert (skip[0], out[0]) == (1, 0)
    assert skip[1] < 1e-8
    assert out[1] == pytest.approx(1)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_solver_lands_on_the_exact_path_of_a_point(prediction):
    """Data of one picture: the noise along a path is constant, so a step of any length is exact."""
    world, noisy = Gaussian(prediction, std=0.0), normal(0, 4)
    start, end = torch.tensor([999, 999, 519, 39]), torch.tensor([0, 979, 19, 19])
    found = ddim_step(world.schedule, noisy, world.denoiser(noisy, start), start, end)
    torch.testing.assert_close(found, world.on_path(noisy, start, end))


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_solver_follows_the_exact_path_of_a_gaussian_to_first_order(prediction):
    world, noisy = Gaussian(prediction), normal(0, 2)
    errors = []
    for steps in (50, 100, 200):
        solver, found = SolverSteps.of(steps, 1_000), noisy
        for start, end in zip(solver.start.flip(0), solver.end.flip(0), strict=True):
            both = start.expand(2), end.expand(2)
            found = ddim_step(world.schedule, found, world.denoiser(found, both[0]), *both)
        whole = torch.full((2,), 999), torch.zeros(2, dtype=torch.int64)
        errors.append((found - world.on_path(noisy, *whole)).abs().max().item())
    assert errors[0] < 0.1
    assert errors[1] == pytest.approx(errors[0] / 2, rel=0.1)
    assert errors[2] == pytest.approx(errors[1] / 2, rel=0.1)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_exact_solution_has_no_loss_but_that_of_the_solver(prediction):
    """It gives the same picture all along a path; the solver leaves the path by the square of a step's length."""
    world = Gaussian(prediction)
    losses = {}
    for number in (50, 200):
        solver = SolverSteps.of(number, 1_000)
        steps = torch.arange(1, number)  # the first one ends at timestep 0, whose noise stays in the picture
        losses[number] = world.loss(world.solution, solver, steps)
    assert losses[50].max() < 0.01
    assert losses[200].mean() < losses[50].mean() / 10
    denoiser = world.loss(world.denoiser, SolverSteps.of(50, 1_000), torch.arange(1, 50))
    assert losses[50].mean() < denoiser.mean() / 5


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_of_a_point_the_exact_solution_has_no_loss_at_all(prediction):
    world = Gaussian(prediction, std=0.0)
    losses = world.loss(world.solution, SolverSteps.of(50, 1_000), torch.arange(2, 50))
    torch.testing.assert_close(losses, torch.zeros_like(losses), rtol=0, atol=1e-5)  # the scalings are not quite 0, 1


def test_only_the_student_has_gradients_and_each_sample_has_its_own_loss():
    world, solver = Gaussian("epsilon"), SolverSteps.of(50, 1_000)
    weights = [torch.tensor(value, requires_grad=True) for value in (0.9, 0.8, 0.7)]

    def scaled(weight: Tensor):
        return lambda noisy, timesteps: weight * world.denoiser(noisy, timesteps)

    student, target, teacher = map(scaled, weights)
    whole = world.loss(student, solver, torch.tensor([3, 30]), target, teacher)
    assert whole.shape == (2,)
    whole.sum().backward()
    assert weights[0].grad.abs() > 0
    assert weights[1].grad is None
    assert weights[2].grad is None
    alone = world.loss(student, solver, torch.tensor([3]), target, teacher)
    torch.testing.assert_close(whole[:1], alone)


def test_small_errors_count_by_their_square_and_large_ones_by_their_size():
    constant = 0.1
    errors = torch.tensor([0.0, constant, 0.001, -100.0], dtype=torch.float64)[:, None, None].expand(4, 2, 3)
    zero, same, small, large = pseudo_huber(errors, constant).tolist()
    assert zero == 0
    assert same == pytest.approx(constant * (2**0.5 - 1))
    assert small == pytest.approx(0.001**2 / (2 * constant), rel=1e-3)
    assert large == pytest.approx(100 - constant, rel=1e-5)
