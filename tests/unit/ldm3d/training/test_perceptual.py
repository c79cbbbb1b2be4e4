"""LPIPS agrees with an independent implementation, stays frozen, and can be made without a network."""

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from ldm3d.training.perceptual import SMALLEST, Perceptual

torch.set_num_threads(1)

TAPS = {"squeeze": (1, 4, 7, 9, 10, 11, 12), "alex": (1, 4, 7, 9, 11)}  # ReLU or fire modules of torchvision
SHIFT = torch.tensor([-0.030, -0.088, -0.188])[:, None, None]
SCALE = torch.tensor([0.458, 0.448, 0.450])[:, None, None]


def pair(size: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.rand(2, 3, size, size, generator=generator) * 2 - 1 for _ in range(2))


@pytest.fixture(scope="module")
def squeeze() -> Perceptual:
    return Perceptual("squeeze", "random")


def torchvision_state(network: str) -> dict[str, torch.Tensor]:
    make = {"squeeze": torchvision.models.squeezenet1_1, "alex": torchvision.models.alexnet}[network]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return make(weights=None).state_dict()


def second_opinion(network: str, state: dict[str, torch.Tensor], heads: list[torch.Tensor], x, y) -> torch.Tensor:
    """Equation 1 of Zhang et al. 2018, on torchvision's own network."""
    model = {"squeeze": torchvision.models.squeezenet1_1, "alex": torchvision.models.alexnet}[network](weights=None)
    model.load_state_dict(state)

    def features(pictures):
        value, seen = (pictures - SHIFT) / SCALE, []
        for index, layer in enumerate(model.features):
            value = layer(value)
            if index in TAPS[network]:
                seen.append((value / (value.norm(dim=1, keepdim=True) + 1e-10)).clone())
        return seen

    layers = zip(features(x), features(y), heads, strict=True)
    return sum(((a - b) ** 2 * head).sum(1).mean((1, 2)) for a, b, head in layers)


@pytest.mark.parametrize(("network", "ending"), [("squeeze", "safetensors"), ("alex", "pth")])
def test_weights_from_a_file_give_the_distance_of_the_paper(tmp_path, network, ending):
    state, path = torchvision_state(network), str(tmp_path / f"weights.{ending}")
    save_file(state, path) if ending == "safetensors" else torch.save(state, path)
    perceptual = Perceptual(network, path)
    heads = [head.model[-1].weight for head in perceptual.lpips.lins]
    x, y = pair(64)
    torch.testing.assert_close(perceptual(x, y), second_opinion(network, state, heads, x, y), rtol=1e-4, atol=1e-6)


def test_the_heads_are_the_calibrated_ones(squeeze):
    for head in squeeze.lpips.lins:
        weights = head.model[-1].weight
        assert weights.min() >= 0  # calibration clamps them; random ones have both signs
        assert weights.max() > 0


def test_the_gradient_reaches_the_picture_and_not_the_network(squeeze):
    x, y = pair()
    x.requires_grad_()
    squeeze(x, y).sum().backward()
    assert x.grad.norm() > 0
    assert all(weight.grad is None and not weight.requires_grad for weight in squeeze.parameters())


def test_train_leaves_it_in_eval_mode(squeeze):
    x, y = pair()
    before = squeeze(x, y)
    parent = torch.nn.Sequential(squeeze).train()
    assert parent.training
    assert not any(module.training for module in squeeze.modules())
    torch.testing.assert_close(squeeze(x, y), before, rtol=0, atol=0)  # dropout would not repeat itself


def test_equal_pictures_are_at_distance_zero_with_a_finite_gradient(squeeze):
    flat = torch.full((1, 3, 32, 32), -1.0, requires_grad=True)  # as the zero channel of packed depth is
    distance = squeeze(flat, torch.full((1, 3, 32, 32), -1.0))
    assert distance.item() == 0
    distance.backward()
    assert flat.grad.isfinite().all()


def test_random_weights_repeat_and_leave_the_random_state_alone(squeeze):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    again = Perceptual("squeeze", "random")
    assert torch.equal(torch.get_rng_state(), before)
    for a, b in zip(squeeze.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_construction_says_nothing(capfd, recwarn):
    Perceptual("squeeze", "random")
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


@pytest.mark.parametrize("network", ["squeeze", "alex", "vgg"])
def test_the_smallest_picture_is_the_smallest(network):
    perceptual = Perceptual(network, "random")
    smallest = SMALLEST[network]
    assert perceptual(*pair(smallest)).isfinite().all()
    with pytest.raises(ValueError, match=f"{smallest} pixels a side"):
        perceptual(*pair(smallest - 1))
    with pytest.raises(RuntimeError):  # lpips itself fails
        perceptual.lpips(*pair(smallest - 1))


def test_weights_of_another_network_are_refused(tmp_path):
    path = str(tmp_path / "alex.safetensors")
    save_file(torchvision_state("alex"), path)
    with pytest.raises(ValueError, match=r"loss\.perceptual\.weights .*alex\.safetensors.* squeeze"):
        Perceptual("squeeze", path)


def test_a_missing_file_is_refused_with_its_name(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.pth"):
        Perceptual("squeeze", str(tmp_path / "nowhere.pth"))


def test_pickled_code_is_not_run(tmp_path):
    path = tmp_path / "evil.pth"
    torch.save({"features.0.weight": Evil(str(tmp_path / "ran"))}, path)
    with pytest.raises(ValueError, match=r"evil\.pth"):
        Perceptual("squeeze", str(path))
    assert not (tmp_path / "ran").exists()


class Evil:
    """Pickles to a call that leaves a file behind."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_weights_that_do_not_download_say_what_else_to_do(monkeypatch):
    def no_network(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.download_url_to_file", no_network)
    monkeypatch.setattr("torch.hub.get_dir", lambda: "/nonexistent/hub")
    with pytest.raises(ValueError, match=r"loss\.perceptual\.weights"):
        Perceptual("squeeze", "torchvision")
