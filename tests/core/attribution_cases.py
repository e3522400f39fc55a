"""Networks, pictures and Captum's own answers, to hold attribution maps against."""

from collections.abc import Iterator, Mapping

import captum.attr as captum
import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock

from core.methods import Parameters, Size, Values, values
from core.network import ResidualNetwork, initialise
from core.settings import NetworkSettings

SIDE = 16
TARGET = 3
SMALL = NetworkSettings(width=4)
STRENGTHS = {
    "all shortcuts": (1.0, 1.0),
    "half strength": (0.5, 1.0),
    "plain": (0.0, 1.0),
    "deleted branches": (1.0, 0.0),
}
VARIANTS = {
    "as in the article": SMALL,
    "zero-padding": NetworkSettings(width=4, projection="pad"),
    "pre-activation": NetworkSettings(width=4, block="pre"),
    "no norm": NetworkSettings(width=4, norm="none"),
    "pre-activation without norm": NetworkSettings(width=4, block="pre", norm="none"),
    "tanh": NetworkSettings(width=4, activation="tanh"),
    "7x7 stem": NetworkSettings(width=4, stem="7x7"),
    "three stages": NetworkSettings(depth=20, width=4),
}
QUICK: Mapping[str, Parameters] = {  # parameters that leave little to compute
    "integrated_gradients": (("steps", 13),),
    "gradient_shap": (("samples", 3),),
    "smooth_grad": (("samples", 3),),
    "occlusion": (("window", 5), ("stride", 3)),
    "feature_ablation": (("grid", 3),),
    "shapley_value_sampling": (("grid", 2), ("samples", 3)),
    "conductance": (("steps", 13),),
}


def one_thread() -> Iterator[None]:
    """Compute on one thread; to be made a fixture."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# ---- networks and pictures ------------------------------------------------------------------


def as_if_trained(network: nn.Module, seed: int) -> None:
    """Move statistics and biases, so that the zero picture no longer gives zero activations."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.5, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(0, 0.3, generator=generator)
            elif isinstance(module, nn.Conv2d) and module.bias is not None:
                module.bias.normal_(0, 0.3, generator=generator)


def make_network(
    settings: NetworkSettings = SMALL, strengths: str = "all shortcuts", seed: int = 0
) -> ResidualNetwork:
    network = ResidualNetwork(settings)
    initialise(network, seed)
    as_if_trained(network, seed)
    shortcut, branch = STRENGTHS[strengths]
    network.set_strengths((shortcut,) * settings.block_count, (branch,) * settings.block_count)
    return network


def make_picture(side: int = SIDE, seed: int = 0) -> Tensor:
    return torch.randn(3, side, side, generator=torch.Generator().manual_seed(seed))


def make_pictures(count: int, side: int = SIDE) -> Tensor:
    return torch.stack([make_picture(side, seed) for seed in range(count)])


def assert_close(
    ours: np.ndarray,
    expected: Tensor,
    tolerance: float = 1e-4,
    *,
    may_be_empty: bool = False,
    rounding: float = 0,
) -> None:
    """Hold a map against another: no pixel off by more than a share of the largest, and `rounding`."""
    theirs = expected.detach().numpy()
    assert ours.shape == theirs.shape
    assert may_be_empty or np.abs(theirs).max() > 0
    assert np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max() + rounding


class IndependentBlock(nn.Module):
    """The article's block with every ReLU its own module; `strength` 0 is written without the addition."""

    def __init__(self, inside: int, outside: int, stride: int, strength: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.relu2 = nn.ReLU()
        self.strength = strength
        if strength and (stride != 1 or inside != outside):
            self.shortcut = nn.Sequential(
                nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside)
            )
        else:
            self.shortcut = nn.Sequential()

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(y + self.strength * self.shortcut(x)) if self.strength else self.relu2(y)


class IndependentNetwork(nn.Module):
    """The article's network at width 4, every shortcut of one strength; or the plain one."""

    def __init__(self, strength: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU()
        inside = 4
        for stage, outside in enumerate((4, 8, 16, 32), start=1):
            first = IndependentBlock(inside, outside, 1 if stage == 1 else 2, strength)
            second = IndependentBlock(outside, outside, 1, strength)
            self.add_module(f"layer{stage}", nn.Sequential(first, second))
            inside = outside
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        for stage in (1, 2, 3, 4):
            x = getattr(self, f"layer{stage}")(x)
        return self.fc(self.pool(x).flatten(1))


def independent(ours: ResidualNetwork, strengths: str) -> IndependentNetwork:
    """Return the article's network, written apart from ours, with our weights."""
    source = IndependentNetwork(STRENGTHS[strengths][0]).eval()
    wanted = source.state_dict()
    source.load_state_dict({name: value for name, value in ours.state_dict().items() if name in wanted})
    return source


class HalfBlock(BasicBlock):
    """torchvision's block with half of its shortcut."""

    share = 0.5

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += self.share * (x if self.downsample is None else self.downsample(x))
        return self.relu(y)


class PlainBlock(BasicBlock):
    """torchvision's block without its shortcut."""

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))


def torchvisions_own(strengths: str, counts: tuple[int, ...] = (2, 2, 2, 2)) -> nn.Module:
    """Return torchvision's ResNet of ten classes; half or none of a shortcut by a block written so."""
    block = {"all shortcuts": BasicBlock, "half strength": HalfBlock, "plain": PlainBlock}[strengths]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        source = torchvision.models.ResNet(block, list(counts), num_classes=10).eval()
    as_if_trained(source, 0)
    return source


def loaded_from(source: nn.Module, settings: NetworkSettings, strengths: str) -> ResidualNetwork:
    """Return our network with torchvision's weights."""
    ours = ResidualNetwork(settings)
    state = source.state_dict()
    ours.load_state_dict({name.replace("downsample", "shortcut"): value for name, value in state.items()})
    ours.set_strengths((STRENGTHS[strengths][0],) * settings.block_count)
    return ours


# ---- Captum, called directly ----------------------------------------------------------------


def draws(seed: int, count: int, picture: Tensor) -> tuple[Tensor, Tensor]:
    """Return the noise and the shares of `count` samples, as the seed is said to give them."""
    generator = torch.Generator().manual_seed(seed)
    pairs = [
        (torch.randn(picture.shape, generator=generator), torch.rand((), generator=generator))
        for _ in range(count)
    ]
    return torch.stack([noise for noise, _ in pairs]), torch.stack([share for _, share in pairs])


def noise_alone(seed: int, count: int, picture: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randn(picture.shape, generator=generator) for _ in range(count)])


def cells(side: int, grid: int) -> Tensor:
    """Return the number of each pixel's cell, for Captum: (1, 1, side, side)."""
    mask = torch.zeros(1, 1, side, side, dtype=torch.long)
    borders = [-(-number * side // grid) for number in range(grid + 1)]
    for row in range(grid):
        for column in range(grid):
            across, down = slice(borders[column], borders[column + 1]), slice(borders[row], borders[row + 1])
            mask[:, :, down, across] = row * grid + column
    return mask


class Captum:
    """Captum on a network, with the draws that a seed gives us."""

    def __init__(self, source: nn.Module, layer: nn.Module, patch: pytest.MonkeyPatch) -> None:
        self.source, self.layer, self.patch = source, layer, patch

    def maps(self, method: str, pictures: Tensor, parameters: Parameters = (), blocks: int = 8) -> Tensor:
        """Return the maps (N, C, H, W) of pictures (N, 3, S, S)."""
        chosen = values(method, parameters, Size(pictures.shape[-1], blocks))
        return getattr(self, method)(pictures.clone().requires_grad_(), chosen).detach()

    def saliency(self, x: Tensor, _: Values) -> Tensor:
        return captum.Saliency(self.source).attribute(x, TARGET, abs=False)

    def input_x_gradient(self, x: Tensor, _: Values) -> Tensor:
        return captum.InputXGradient(self.source).attribute(x, TARGET)

    def integrated_gradients(self, x: Tensor, chosen: Values) -> Tensor:
        explainer = captum.IntegratedGradients(self.source)
        return explainer.attribute(x, 0 * x, TARGET, n_steps=chosen["steps"], internal_batch_size=128)

    def guided_backprop(self, x: Tensor, _: Values) -> Tensor:
        return captum.GuidedBackprop(self.source).attribute(x, TARGET)

    def grad_cam(self, x: Tensor, _: Values) -> Tensor:
        return enlarged(captum.LayerGradCam(self.source, self.layer).attribute(x, TARGET), x)

    def guided_grad_cam(self, x: Tensor, _: Values) -> Tensor:
        explainer = captum.GuidedGradCam(self.source, self.layer)
        return explainer.attribute(x, TARGET, interpolate_mode="bilinear")

    def deep_lift(self, x: Tensor, _: Values) -> Tensor:
        return captum.DeepLift(self.source).attribute(x, torch.zeros_like(x), TARGET)

    def gradient_shap(self, x: Tensor, chosen: Values) -> Tensor:
        count = int(chosen["samples"])
        noise, shares = draws(int(chosen["seed"]), count, x[0])
        self._draw(noise)
        self.patch.setattr(np.random, "uniform", lambda *_: shares.repeat(len(x)).double().numpy())
        explainer = captum.GradientShap(self.source)
        return explainer.attribute(x, torch.zeros_like(x[:1]), count, float(chosen["noise"]), TARGET)

    def smooth_grad(self, x: Tensor, chosen: Values) -> Tensor:
        count = int(chosen["samples"])
        self._draw(noise_alone(int(chosen["seed"]), count, x[0]))
        found = []
        for each in x.detach():
            deviation = float(chosen["noise"]) * float(each.max() - each.min())
            found.append(self._smooth(str(chosen["of"]), each[None], count, deviation))
        return torch.cat(found)

    def _smooth(self, of: str, x: Tensor, count: int, deviation: float) -> Tensor:
        noisy: dict[str, tuple[object, dict[str, object]]] = {
            "saliency": (captum.Saliency(self.source), {"abs": False}),
            "input_x_gradient": (captum.InputXGradient(self.source), {}),
            "integrated_gradients": (captum.IntegratedGradients(self.source), {}),
            "guided_backprop": (captum.GuidedBackprop(self.source), {}),
            "grad_cam": (captum.LayerGradCam(self.source, self.layer), {}),
            "guided_grad_cam": (
                captum.GuidedGradCam(self.source, self.layer),
                {"interpolate_mode": "bilinear"},
            ),
            "deep_lift": (captum.DeepLift(self.source), {"baselines": torch.zeros_like(x)}),
        }
        explainer, fixed = noisy[of]
        tunnel = captum.NoiseTunnel(explainer)
        found = tunnel.attribute(x, nt_samples=count, stdevs=deviation, target=TARGET, **fixed)
        return enlarged(found, x) if of == "grad_cam" else found

    def _draw(self, noise: Tensor) -> None:
        """Let Captum's noise be this, the same for every picture."""

        def add(x: Tensor, deviation: float, count: int) -> Tensor:
            assert count == len(noise)
            return x.repeat_interleave(count, dim=0) + deviation * noise.repeat(len(x), 1, 1, 1)

        self.patch.setattr(captum.NoiseTunnel, "_add_noise_to_input", staticmethod(add))

    def occlusion(self, x: Tensor, chosen: Values) -> Tensor:
        window, stride = int(chosen["window"]), int(chosen["stride"])
        return captum.Occlusion(self.source).attribute(
            x.detach(), (3, window, window), (3, stride, stride), 0, TARGET, perturbations_per_eval=16
        )

    def feature_ablation(self, x: Tensor, chosen: Values) -> Tensor:
        mask = cells(x.shape[-1], int(chosen["grid"]))
        return captum.FeatureAblation(self.source).attribute(
            x.detach(), 0, TARGET, feature_mask=mask, perturbations_per_eval=16
        )

    def shapley_value_sampling(self, x: Tensor, chosen: Values) -> Tensor:
        grid, count = int(chosen["grid"]), int(chosen["samples"])
        generator = torch.Generator().manual_seed(int(chosen["seed"]))
        orders = [torch.randperm(grid**2, generator=generator).tolist() for _ in range(count)]
        explainer = captum.ShapleyValueSampling(self.source)
        explainer.permutation_generator = lambda _features, _samples: iter(orders)
        return explainer.attribute(
            x.detach(), 0, TARGET, feature_mask=cells(x.shape[-1], grid), n_samples=count,
            perturbations_per_eval=16,
        )  # fmt: skip

    def activation(self, x: Tensor, chosen: Values) -> Tensor:
        out = captum.LayerActivation(self.source, self.layer).attribute(x.detach())
        channel = int(chosen["channel"])
        return enlarged(out.mean(1, keepdim=True) if channel < 0 else out[:, channel : channel + 1], x)

    def conductance(self, x: Tensor, chosen: Values) -> Tensor:
        explainer = captum.LayerConductance(self.source, self.layer)
        out = explainer.attribute(x, 0 * x, TARGET, n_steps=chosen["steps"], internal_batch_size=128)
        return enlarged(out.sum(1, keepdim=True), x)


def enlarged(coarse: Tensor, x: Tensor) -> Tensor:
    return F.interpolate(coarse.detach(), x.shape[2:], mode="bilinear", align_corners=False)
