"""Every map against an oracle: Captum on the source network, autograd by hand, or brute force."""

import copy
import itertools
from collections.abc import Callable, Iterator

import captum.attr as captum
import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from core.attribution import (
    AttributionError,
    Result,
    attribute,
    attribute_in_pieces,
    probabilities,
    refresh_snapshot,
    snapshot,
    unsuitable,
)
from core.methods import DEFAULT_METHOD, METHODS
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


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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


def assert_close(ours: np.ndarray, expected: Tensor, tolerance: float = 1e-4) -> None:
    theirs = expected.detach().numpy()
    assert ours.shape == theirs.shape
    assert np.abs(theirs).max() > 0
    assert np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max()


def by_captum(source: nn.Module, method: str, picture: Tensor, last_block: nn.Module) -> Tensor:
    x = picture[None].clone().requires_grad_()
    side = picture.shape[1]
    window = max(3, side // 8)
    stride = max(1, window // 2)
    calls: dict[str, Callable[[], Tensor]] = {
        "saliency": lambda: captum.Saliency(source).attribute(x, TARGET, abs=False),
        "input_x_gradient": lambda: captum.InputXGradient(source).attribute(x, TARGET),
        "integrated_gradients": lambda: captum.IntegratedGradients(source).attribute(
            x, 0 * x, TARGET, n_steps=50, internal_batch_size=25
        ),
        "guided_backprop": lambda: captum.GuidedBackprop(source).attribute(x, TARGET),
        "grad_cam": lambda: F.interpolate(
            captum.LayerGradCam(source, last_block).attribute(x, TARGET),
            (side, side), mode="bilinear", align_corners=False,
        ),
        "occlusion": lambda: captum.Occlusion(source).attribute(
            x.detach(), (3, window, window), (3, stride, stride), 0, TARGET, perturbations_per_eval=25
        ),
        "deep_lift": lambda: captum.DeepLift(source).attribute(x, torch.zeros_like(x), TARGET),
    }  # fmt: skip
    return calls[method]()[0]


# ---- against Captum on networks written by others -------------------------------------------


@pytest.fixture(scope="module")
def torchvision_network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        source = torchvision.models.resnet18(weights=None).eval()
    as_if_trained(source, 0)
    return source


@pytest.mark.parametrize("method", [method for method in METHODS if method != "deep_lift"])
def test_map_equals_captums_own_on_torchvisions_network(torchvision_network: nn.Module, method: str) -> None:
    # torchvision reuses its ReLUs, which Captum's DeepLift refuses; see the networks below for that
    ours = ResidualNetwork(NetworkSettings(width=64, stem="7x7", classes=1000))
    state = torchvision_network.state_dict()
    ours.load_state_dict({name.replace("downsample", "shortcut"): value for name, value in state.items()})
    expected = by_captum(torchvision_network, method, make_picture(64), torchvision_network.layer4[-1])
    assert_close(attribute(ours, make_picture(64), method, TARGET).attribution, expected)


class IndependentBlock(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int, has_shortcut: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.relu2 = nn.ReLU()
        self.has_shortcut = has_shortcut
        if has_shortcut and (stride != 1 or inside != outside):
            self.shortcut = nn.Sequential(
                nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside)
            )
        else:
            self.shortcut = nn.Sequential()

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(y + self.shortcut(x)) if self.has_shortcut else self.relu2(y)


class IndependentNetwork(nn.Module):
    """The article's network at width 4 with every ReLU its own module; or the plain one."""

    def __init__(self, has_shortcuts: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU()
        inside = 4
        for stage, outside in enumerate((4, 8, 16, 32), start=1):
            first = IndependentBlock(inside, outside, 1 if stage == 1 else 2, has_shortcuts)
            second = IndependentBlock(outside, outside, 1, has_shortcuts)
            self.add_module(f"layer{stage}", nn.Sequential(first, second))
            inside = outside
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        for stage in (1, 2, 3, 4):
            x = getattr(self, f"layer{stage}")(x)
        return self.fc(self.pool(x).flatten(1))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("strengths", ["all shortcuts", "plain"])
def test_map_equals_captums_own_on_an_independent_network(method: str, strengths: str) -> None:
    ours = make_network(strengths=strengths)
    source = IndependentNetwork(has_shortcuts=strengths != "plain").eval()
    wanted = source.state_dict()
    source.load_state_dict({name: value for name, value in ours.state_dict().items() if name in wanted})
    expected = by_captum(source, method, make_picture(), source.layer4[-1])
    assert_close(attribute(ours, make_picture(), method, TARGET).attribution, expected)


# ---- against what can be worked out by hand --------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_grad_cam_is_the_last_sum_after_its_activation(variant: str) -> None:
    network = make_network(VARIANTS[variant]).eval()
    seen: list[Tensor] = []
    last = network.act_last if network.settings.block == "pre" else network.blocks[-1].act2
    handle = last.register_forward_hook(lambda module, inputs, output: seen.append(output))
    score = network(make_picture(32)[None])[0, TARGET]
    handle.remove()
    (gradient,) = torch.autograd.grad(score, seen[0])
    coarse = (gradient.mean((2, 3), keepdim=True) * seen[0]).sum(1, keepdim=True)
    expected = F.interpolate(coarse, (32, 32), mode="bilinear", align_corners=False)[0]
    result = attribute(network, make_picture(32), "grad_cam", TARGET)
    assert result.attribution.shape == (1, 32, 32)
    np.testing.assert_allclose(result.attribution, expected.detach().numpy(), atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (16, 16), (9, 14), (33, 40), (2, 5)])
def test_occlusion_equals_brute_force(height: int, width: int) -> None:
    network = make_network().eval()
    picture = make_picture(40)[:, :height, :width].contiguous()
    window = min(max(3, min(height, width) // 8), height, width)
    stride = max(1, window // 2)
    total, count = np.zeros((height, width)), np.zeros((height, width))
    with torch.no_grad():
        whole = float(network(picture[None])[0, TARGET])
        for top in range(0, height - window + stride, stride):
            for left in range(0, width - window + stride, stride):
                blanked = picture.clone()
                blanked[:, top : top + window, left : left + window] = 0
                lost = whole - float(network(blanked[None])[0, TARGET])
                total[top : top + window, left : left + window] += lost
                count[top : top + window, left : left + window] += 1
    ours = attribute(network, picture, "occlusion", TARGET).attribution
    # each loss is a difference of two scores, so its rounding is theirs
    np.testing.assert_allclose(
        ours, np.broadcast_to(total / count, ours.shape), atol=2e-6 * max(1, abs(whole))
    )


class Rescaled(nn.Module):
    """An activation that first notes its input, then is the line through its two notes (DeepLift's rule)."""

    def __init__(self, function: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.notes: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        if len(self.notes) < 2:
            self.notes.append(x.detach())
            return self.function(x)
        here, there = self.notes
        rise = (self.function(here) - self.function(there)) / (here - there)
        return x * torch.where(here == there, torch.ones_like(rise), rise).detach()


def rescale(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.ReLU | nn.Tanh | nn.Sigmoid):
            setattr(module, name, Rescaled(child))
        else:
            rescale(child)


class PoolByNote(nn.Module):
    """Max-pooling that, the third time, picks what was largest the first time."""

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self.pool = pool
        self.where: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        y, where = F.max_pool2d(x, 3, 2, 1, return_indices=True)
        self.where.append(where)
        if len(self.where) < 3:
            return y
        return x.flatten(2).gather(2, self.where[0].flatten(2)).view_as(y)


SIGMOID = NetworkSettings(width=4, block="pre", activation="sigmoid")


@pytest.mark.parametrize(
    ("settings", "strengths"),
    [
        *itertools.product(VARIANTS.values(), STRENGTHS),
        (SIGMOID, "all shortcuts"),
        (SIGMOID, "deleted branches"),
    ],
    ids=[
        *map("-".join, itertools.product(VARIANTS, STRENGTHS)),
        "sigmoid-all shortcuts",
        "sigmoid-deleted branches",
    ],
)
def test_deep_lift_is_the_rescale_rule(settings: NetworkSettings, strengths: str) -> None:
    network = make_network(settings, strengths).eval()
    picture = make_picture(32)
    linear = copy.deepcopy(network).double()
    rescale(linear)
    if isinstance(linear.maxpool, nn.MaxPool2d):
        linear.maxpool = PoolByNote(linear.maxpool)
    x = picture[None].double().requires_grad_()
    linear(x.detach())
    linear(torch.zeros_like(x))
    (multipliers,) = torch.autograd.grad(linear(x)[0, TARGET], x)
    # a ReLU a hair from its reference loses digits in float32; a wrong rule is off by far more
    ours = attribute(network, picture, "deep_lift", TARGET).attribution
    assert_close(ours, (multipliers * x)[0], 5e-3)


def missing_and_change(network: ResidualNetwork, picture: Tensor, result: Result) -> tuple[float, float]:
    subject = snapshot(network)
    change = float((subject(picture[None]) - subject(0 * picture[None]))[0, result.target])
    return abs(float(result.attribution.sum(dtype=np.float64)) - change), abs(change)


@pytest.mark.parametrize("strengths", STRENGTHS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_deep_lift_adds_up(variant: str, strengths: str) -> None:
    network = make_network(VARIANTS[variant], strengths, seed=1)
    picture = make_picture(32, seed=1)
    result = attribute(network, picture, "deep_lift", TARGET)
    missing, change = missing_and_change(network, picture, result)
    score = float(snapshot(network)(picture[None])[0, TARGET].abs())
    assert missing <= 1e-4 * change + 1e-6 * score  # measured: 2e-5 of the change, 3e-7 of the score


@pytest.mark.parametrize("variant", VARIANTS)
def test_integrated_gradients_add_up(variant: str) -> None:
    network = make_network(VARIANTS[variant], seed=1)
    picture = make_picture(seed=1)
    target = int(probabilities(network, picture).argmax())
    # random biases put many kinks on the way, and 50 steps then miss up to 1.5 %
    result = attribute(network, picture, "integrated_gradients", target, steps=400)
    missing, change = missing_and_change(network, picture, result)
    assert result.completeness_error == pytest.approx(missing / change, abs=1e-5)
    assert missing <= 1e-2 * change


@pytest.mark.parametrize("strengths", STRENGTHS)
@pytest.mark.parametrize("stem", ["3x3", "7x7"])
def test_three_methods_agree_on_an_untrained_network(stem: str, strengths: str) -> None:
    # without biases and statistics the network is positively homogeneous
    for seed in range(3):
        network = ResidualNetwork(NetworkSettings(width=4, stem=stem))  # type: ignore[arg-type]
        initialise(network, seed)
        shortcut, branch = STRENGTHS[strengths]
        network.set_strengths((shortcut,) * 8, (branch,) * 8)
        picture = make_picture(32, seed)
        first = attribute(network, picture, "input_x_gradient", TARGET).attribution
        for method in ("integrated_gradients", "deep_lift"):
            result = attribute(network, picture, method, TARGET)
            assert_close(result.attribution, torch.from_numpy(first.copy()))
            assert result.completeness_error is not None
            assert result.completeness_error < 1e-2


def test_a_new_head_changes_the_map() -> None:
    network = make_network()
    before = attribute(network, make_picture(), "saliency", TARGET).attribution.ravel()
    nn.init.normal_(network.fc.weight, generator=torch.Generator().manual_seed(9))
    after = attribute(network, make_picture(), "saliency", TARGET).attribution.ravel()
    assert abs(np.corrcoef(before, after)[0, 1]) < 0.5


# ---- a trace is never left ------------------------------------------------------------------


def trace(network: nn.Module) -> list[object]:
    """Everything an attribution could leave behind."""
    left: list[object] = []
    for module in network.modules():
        hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
        left += [module.training, [len(kind) for kind in hooks], sorted(vars(module))]
    for name, parameter in network.named_parameters():
        left += [name, parameter.grad, parameter.requires_grad, parameter.detach().numpy().tobytes()]
    return [*left, *(buffer.numpy().tobytes() for buffer in network.buffers())]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["live", "snapshot"])
def test_a_method_leaves_no_trace(method: str, kind: str) -> None:
    live = make_network()
    network = snapshot(live) if kind == "snapshot" else live
    picture = make_picture()
    before, random = trace(network), torch.random.get_rng_state()
    attribute(network, picture, method, TARGET)
    assert trace(network) == before
    assert torch.equal(torch.random.get_rng_state(), random)
    assert torch.is_grad_enabled()
    assert picture.grad is None
    assert not picture.requires_grad


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("where", ["conv1", "layer2.0.act1", "layer3.1", "fc"])
def test_a_method_leaves_no_trace_when_it_fails(method: str, where: str) -> None:
    network = snapshot(make_network())

    def fail(*_: object) -> None:
        raise ArithmeticError("injected")

    handle = network.get_submodule(where).register_forward_hook(fail)
    before = trace(network)
    with pytest.raises(ArithmeticError, match="injected"):
        attribute(network, make_picture(), method, TARGET)
    assert trace(network) == before
    assert torch.is_grad_enabled()
    handle.remove()
    clean = attribute(make_network(), make_picture(), method, TARGET).attribution
    assert np.array_equal(attribute(network, make_picture(), method, TARGET).attribution, clean)


def train_step(network: ResidualNetwork, optimizer: torch.optim.Optimizer, seed: int) -> None:
    x = torch.randn(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    optimizer.zero_grad()
    F.cross_entropy(network(x), torch.tensor([0, 1, 2, 3])).backward()
    optimizer.step()


def test_training_is_the_same_bit_for_bit_while_a_snapshot_is_explained() -> None:
    alone, watched = make_network(), make_network()
    optimizers = [torch.optim.SGD(network.parameters(), 0.05, 0.9) for network in (alone, watched)]
    copied = snapshot(watched)
    for step, method in enumerate(METHODS):
        train_step(alone, optimizers[0], step)
        train_step(watched, optimizers[1], step)
        refresh_snapshot(copied, watched)
        pieces = attribute_in_pieces(copied, make_picture(), method, TARGET)
        next(pieces)
        assert torch.is_grad_enabled()  # also in the middle of a map
        train_step(alone, optimizers[0], 100 + step)
        train_step(watched, optimizers[1], 100 + step)
        list(pieces)
    for (name, ours), theirs in zip(watched.state_dict().items(), alone.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs), name


# ---- snapshots ------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_snapshot_computes_the_same_bits(variant: str) -> None:
    live = make_network(VARIANTS[variant], "half strength").eval()
    x = make_picture(32)[None]
    assert torch.equal(snapshot(live)(x), live(x))


def test_snapshot_is_quiet_and_apart() -> None:
    live = make_network()
    calls: list[int] = []
    for block in live.blocks:
        block.probe = lambda index, *_: calls.append(index)
    random = torch.random.get_rng_state()
    copied = snapshot(live.double())
    assert torch.equal(torch.random.get_rng_state(), random)
    assert not any(module.training for module in copied.modules())
    assert not any(parameter.requires_grad for parameter in copied.parameters())
    assert {parameter.dtype for parameter in copied.parameters()} == {torch.float32}
    attribute(live, make_picture(), "saliency", TARGET)
    assert not calls
    with torch.no_grad():
        live.fc.weight.zero_()
    assert copied.fc.weight.abs().sum() > 0


def test_refreshed_snapshot_follows_weights_statistics_and_strengths() -> None:
    live, other = make_network(), make_network(strengths="half strength", seed=5)
    copied = snapshot(live)
    refresh_snapshot(copied, other)
    assert torch.equal(copied(make_picture()[None]), other.eval()(make_picture()[None]))
    with pytest.raises(ValueError, match="other settings"):
        refresh_snapshot(copied, make_network(VARIANTS["zero-padding"]))


# ---- pieces and results ---------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_pieces_end_in_the_whole_map(method: str) -> None:
    network = snapshot(make_network(NetworkSettings(width=16)))
    results = list(attribute_in_pieces(network, make_picture(28), method, TARGET))
    whole = attribute(network, make_picture(28), method, TARGET)
    assert np.array_equal(results[-1].attribution, whole.attribution)
    assert [result.done for result in results] == [False] * (len(results) - 1) + [True]
    assert (len(results) == 1) == METHODS[method].one_pass
    assert all(result.completeness_error is None for result in results[:-1])
    assert (whole.completeness_error is None) == (method not in ("integrated_gradients", "deep_lift"))
    assert whole.attribution.dtype == np.float32
    assert whole.attribution.shape == (1 if method == "grad_cam" else 3, 28, 28)
    assert not whole.attribution.flags.writeable
    assert (whole.target, whole.baseline) == (TARGET, METHODS[method].baseline)
    assert whole.seconds > 0


def test_first_piece_of_integrated_gradients_looks_like_the_whole() -> None:
    network = make_network(NetworkSettings(width=16))
    first, *_, whole = attribute_in_pieces(network, make_picture(28), "integrated_gradients", TARGET)
    assert np.corrcoef(first.attribution.ravel(), whole.attribution.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("steps", [1, 7, 64])
def test_integrated_gradients_takes_the_steps_it_is_told(steps: int) -> None:
    network = make_network().eval()
    x = make_picture()[None]
    expected = captum.IntegratedGradients(network).attribute(x, 0 * x, TARGET, n_steps=steps)[0]
    result = attribute(network, make_picture(), "integrated_gradients", TARGET, steps=steps)
    assert_close(result.attribution, expected)


def test_probabilities_are_those_of_eval_mode() -> None:
    network = make_network()
    result = probabilities(network, make_picture())
    assert network.training
    expected = network.eval()(make_picture()[None])[0].double().softmax(0).detach().numpy()
    np.testing.assert_array_equal(result, expected)
    assert result.dtype == np.float64
    assert result.sum() == pytest.approx(1)


def test_default_method_is_quick() -> None:
    assert METHODS[DEFAULT_METHOD].one_pass


# ---- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_guided_backprop_is_refused_where_it_is_plain_saliency(activation: str) -> None:
    network = make_network(NetworkSettings(width=4, activation=activation)).eval()  # type: ignore[arg-type]
    guided = by_captum(network, "guided_backprop", make_picture(), network)
    assert torch.equal(guided, by_captum(network, "saliency", make_picture(), network))
    with pytest.raises(AttributionError, match=f"with {activation} it would be plain saliency"):
        attribute(network, make_picture(), "guided_backprop", TARGET)


def test_deep_lift_is_refused_where_an_activation_is_used_twice() -> None:
    network = make_network(NetworkSettings(width=4, block="pre_shared")).eval()
    with pytest.raises(RuntimeError, match="used more than once"):
        by_captum(network, "deep_lift", make_picture(), network)
    reason = unsuitable(network, "deep_lift")
    assert reason is not None
    with pytest.raises(AttributionError, match="each activation to be used once"):
        attribute(network, make_picture(), "deep_lift", TARGET)


def test_captums_deep_lift_needs_the_snapshot_without_norm() -> None:
    # measured: 100 % off where an activation shares its input tensor with a shortcut
    network = make_network(VARIANTS["pre-activation without norm"]).eval()
    ours = attribute(network, make_picture(), "deep_lift", TARGET)
    theirs = by_captum(network, "deep_lift", make_picture(), network).detach().numpy()
    assert ours.completeness_error is not None
    assert ours.completeness_error < 1e-4
    assert np.abs(ours.attribution - theirs).max() > 0.1 * np.abs(theirs).max()


def test_a_deep_lift_that_does_not_add_up_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(self: object, inputs: Tensor, *_: object) -> Tensor:
        return torch.ones_like(inputs)

    monkeypatch.setattr(captum.DeepLift, "attribute", wrong)
    with pytest.raises(AttributionError, match="does not add up"):
        attribute(make_network(), make_picture(), "deep_lift", TARGET)


def test_deep_lift_is_refused_where_float32_sees_no_difference() -> None:
    # measured: the map is off by 7 times its own maximum in a plain network of sigmoids
    network = make_network(SIGMOID, "plain")
    with pytest.raises(AttributionError, match="cannot tell them apart"):
        attribute(network, make_picture(32), "deep_lift", TARGET)


@pytest.mark.parametrize("method", METHODS)
def test_a_block_cut_on_both_paths_is_named(method: str) -> None:
    network = make_network()
    strengths = (1.0, 1.0, 0.0, *(1.0,) * 5)
    network.set_strengths(strengths, strengths)
    assert str(unsuitable(network, method)).startswith("both paths of block 2.0 are cut")
    with pytest.raises(AttributionError, match=r"block 2\.0"):
        attribute(network, make_picture(), method, TARGET)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("strengths", STRENGTHS)
def test_everything_else_is_offered(variant: str, strengths: str) -> None:
    network = make_network(VARIANTS[variant], strengths)
    refused = [method for method in METHODS if unsuitable(network, method)]
    assert refused == ([] if network.settings.activation == "relu" else ["guided_backprop"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "grad-cam"}, "method must be one of saliency, .*, not grad-cam"),
        ({"target": 10}, "target must be a class from 0 to 9, not 10"),
        ({"target": -1}, "target must be a class from 0 to 9, not -1"),
        ({"steps": 0}, "1 to 10000 steps, not 0"),
        ({"picture": torch.zeros(1, 8, 8)}, "a picture must be 3 × height × width, not 1 × 8 × 8"),
        ({"picture": torch.zeros(3, 0, 8)}, "not 3 × 0 × 8"),
    ],
    ids=["method", "target too large", "target negative", "steps", "channels", "empty"],
)
def test_bad_input_is_refused_in_one_line_at_once(change: dict[str, object], message: str) -> None:
    arguments = {"picture": make_picture(), "method": "saliency", "target": TARGET, **change}
    with pytest.raises(AttributionError, match=message):
        attribute_in_pieces(make_network(), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", METHODS)
def test_a_diverged_network_is_not_explained(method: str) -> None:
    network = make_network()
    with torch.no_grad():
        network.blocks[3].conv1.weight.fill_(float("nan"))
    with pytest.raises(AttributionError, match="no longer finite"):
        attribute(network, make_picture(), method, TARGET)
