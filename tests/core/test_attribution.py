"""Every map against autograd by hand or brute force; what is left behind; what is refused."""

import copy
import itertools

import captum.attr as captum
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core import attribution_gradients, attribution_noise, attribution_question
from core.attribution import (
    AttributionError,
    Result,
    attribute,
    attribute_in_pieces,
    probabilities,
    unsuitable,
)
from core.methods import DEFAULT_METHOD, METHODS, MethodError, Parameters, Size, values
from core.network import ResidualNetwork, initialise
from core.settings import NetworkSettings
from core.snapshot import refresh_snapshot, snapshot
from tests.core import attribution_cases
from tests.core.attribution_cases import (
    QUICK,
    SIDE,
    STRENGTHS,
    TARGET,
    VARIANTS,
    Captum,
    assert_close,
    make_network,
    make_picture,
)

one_thread = pytest.fixture(autouse=True)(attribution_cases.one_thread)
COMPLETE = ("integrated_gradients", "deep_lift", "gradient_shap", "shapley_value_sampling", "conductance")
COARSE = ("grad_cam", "activation", "conductance")  # one channel
RELU_ONLY = ("guided_backprop", "guided_grad_cam")


# ---- against what can be worked out by hand --------------------------------------------------


@pytest.mark.parametrize(
    ("height", "width", "parameters"),
    [
        (8, 8, ()),
        (16, 16, ()),
        (9, 14, ()),
        (33, 40, ()),
        (2, 5, ()),
        (9, 14, (("window", 5), ("stride", 2))),
        (12, 8, (("window", 4), ("stride", 4))),
        (8, 11, (("window", 8), ("stride", 8))),
        (6, 6, (("window", 1), ("stride", 1))),
    ],
)
def test_occlusion_equals_brute_force(height: int, width: int, parameters: Parameters) -> None:
    network = make_network().eval()
    picture = make_picture(40)[:, :height, :width].contiguous()
    window = int(dict(parameters).get("window", min(max(3, min(height, width) // 8), height, width)))
    stride = int(dict(parameters).get("stride", max(1, window // 2)))
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
    ours = attribute(network, picture, "occlusion", TARGET, parameters).attribution
    # each loss is a difference of two scores, so its rounding is theirs
    np.testing.assert_allclose(
        ours, np.broadcast_to(total / count, ours.shape), atol=2e-6 * max(1, abs(whole))
    )


@pytest.mark.parametrize(("height", "width", "grid"), [(8, 8, 2), (9, 14, 4), (5, 7, 5), (6, 6, 1)])
def test_feature_ablation_equals_brute_force(height: int, width: int, grid: int) -> None:
    network = make_network().eval()
    picture = make_picture(14)[:, :height, :width].contiguous()
    expected = np.full((height, width), np.nan)
    with torch.no_grad():
        whole = float(network(picture[None])[0, TARGET])
        for row, column in itertools.product(range(grid), repeat=2):
            inside = np.array(
                [[y * grid // height == row and x * grid // width == column for x in range(width)]
                 for y in range(height)]
            )  # fmt: skip
            blanked = picture.clone()
            blanked[:, torch.from_numpy(inside)] = 0
            expected[inside] = whole - float(network(blanked[None])[0, TARGET])
    ours = attribute(network, picture, "feature_ablation", TARGET, (("grid", grid),)).attribution
    np.testing.assert_allclose(ours, np.broadcast_to(expected, ours.shape), atol=2e-6 * max(1, abs(whole)))


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
    result = attribute(network, picture, "integrated_gradients", target, (("steps", 400),))
    missing, change = missing_and_change(network, picture, result)
    assert result.completeness_error == pytest.approx(missing / change, abs=1e-5)
    assert missing <= 1e-2 * change


@pytest.mark.parametrize("strengths", STRENGTHS)
@pytest.mark.parametrize("stem", ["3x3", "7x7"])
def test_three_methods_agree_on_an_untrained_network(stem: str, strengths: str) -> None:
    # without biases and statistics the network is positively homogeneous
    for seed in range(5):
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
    others = np.random.get_state()[1].copy()
    attribute(network, picture, method, TARGET, QUICK.get(method, ()))
    assert trace(network) == before
    assert torch.equal(torch.random.get_rng_state(), random)
    assert np.array_equal(np.random.get_state()[1], others)
    assert torch.is_grad_enabled()
    assert picture.grad is None
    assert not picture.requires_grad


PLACES = ("conv1", "maxpool", "layer1.0", "layer2.0.act1", "layer3.1", "fc")


@pytest.mark.parametrize(
    ("method", "where"),
    # an activation is not asked of the head
    [pair for pair in itertools.product(METHODS, PLACES) if pair != ("activation", "fc")],
)
def test_a_method_leaves_no_trace_when_it_fails(method: str, where: str) -> None:
    network = snapshot(make_network())

    def fail(*_: object) -> None:
        raise ArithmeticError("injected")

    handle = network.get_submodule(where).register_forward_hook(fail)
    before, random = trace(network), torch.random.get_rng_state()
    parameters = QUICK.get(method, ())
    with pytest.raises(ArithmeticError, match="injected"):
        attribute(network, make_picture(), method, TARGET, parameters)
    assert trace(network) == before
    assert torch.equal(torch.random.get_rng_state(), random)
    assert torch.is_grad_enabled()
    handle.remove()
    clean = attribute(make_network(), make_picture(), method, TARGET, parameters).attribution
    again = attribute(network, make_picture(), method, TARGET, parameters).attribution
    assert np.array_equal(again, clean)


@pytest.mark.parametrize(
    "method", ["saliency", *RELU_ONLY, "grad_cam", "deep_lift", "smooth_grad", "conductance"]
)
def test_a_method_leaves_no_trace_when_it_fails_on_the_way_back(method: str) -> None:
    network = snapshot(make_network())

    def fail(_gradient: Tensor) -> None:
        raise ArithmeticError("injected")

    def lay(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        if output.requires_grad:
            output.register_hook(fail)

    handle = network.act_last.register_forward_hook(lay)
    before = trace(network)
    parameters = (*QUICK.get(method, ()), *([("block", 2)] if METHODS[method].has_block else []))
    with pytest.raises(ArithmeticError, match="injected"):
        attribute(network, make_picture(), method, TARGET, parameters)
    assert trace(network) == before
    assert torch.is_grad_enabled()
    handle.remove()
    clean = attribute(make_network(), make_picture(), method, TARGET, parameters).attribution
    again = attribute(network, make_picture(), method, TARGET, parameters).attribution
    assert np.array_equal(again, clean)


@pytest.mark.parametrize("method", METHODS)
def test_an_abandoned_map_leaves_no_trace(method: str) -> None:
    network = snapshot(make_network(NetworkSettings(width=16)))
    before = trace(network)
    pieces = attribute_in_pieces(network, make_picture(28), method, TARGET)
    next(pieces)
    assert trace(network) == before
    pieces.close()  # type: ignore[attr-defined]
    assert trace(network) == before
    assert torch.is_grad_enabled()


def train_step(network: ResidualNetwork, optimizer: torch.optim.Optimizer, seed: int) -> None:
    x = torch.randn(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    optimizer.zero_grad()
    F.cross_entropy(network(x), torch.tensor([0, 1, 2, 3])).backward()
    optimizer.step()


def explain_while_training(explanations: int, side: int) -> None:
    """Train a network alone and one that is explained at every step, in the middle of maps as well."""
    alone, watched = make_network(), make_network()
    optimizers = [torch.optim.SGD(network.parameters(), 0.05, 0.9) for network in (alone, watched)]
    copied = snapshot(watched)
    for step, method in zip(range(explanations), itertools.cycle(METHODS), strict=False):
        train_step(alone, optimizers[0], step)
        train_step(watched, optimizers[1], step)
        refresh_snapshot(copied, watched)
        pieces = attribute_in_pieces(copied, make_picture(side), method, TARGET, QUICK.get(method, ()))
        next(pieces)
        assert torch.is_grad_enabled()  # also in the middle of a map
        train_step(alone, optimizers[0], 100 + step)
        train_step(watched, optimizers[1], 100 + step)
        list(pieces)
    for (name, ours), theirs in zip(watched.state_dict().items(), alone.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs), name


def test_training_is_the_same_bit_for_bit_while_a_snapshot_is_explained() -> None:
    explain_while_training(len(METHODS), SIDE)


@pytest.mark.gate
def test_training_is_the_same_bit_for_bit_while_a_hundred_maps_are_made() -> None:
    explain_while_training(100, SIDE)


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
    network = snapshot(make_network(NetworkSettings(width=32)))  # 16 pictures a piece on one thread
    parameters = (("samples", 3),) if method == "shapley_value_sampling" else ()
    results = list(attribute_in_pieces(network, make_picture(28), method, TARGET, parameters))
    whole = attribute(network, make_picture(28), method, TARGET, parameters)
    assert_close(results[-1].attribution, torch.from_numpy(whole.attribution.copy()))  # in larger pieces
    again = list(attribute_in_pieces(network, make_picture(28), method, TARGET, parameters))
    assert np.array_equal(results[-1].attribution, again[-1].attribution)
    assert [result.done for result in results] == [False] * (len(results) - 1) + [True]
    if method != "smooth_grad":  # its 16 pictures of this size make one piece
        assert (len(results) == 1) == METHODS[method].one_pass
    assert all(result.completeness_error is None for result in results[:-1])
    assert (whole.completeness_error is not None) == (method in COMPLETE)
    assert whole.attribution.dtype == np.float32
    assert whole.attribution.shape == (1 if method in COARSE else 3, 28, 28)
    assert not whole.attribution.flags.writeable
    assert (whole.target, whole.baseline) == (TARGET, METHODS[method].baseline)
    assert whole.seconds > 0


@pytest.mark.parametrize("method", METHODS)
def test_a_map_does_not_depend_on_how_it_was_cut(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = snapshot(make_network())
    parameters = QUICK.get(method, ())
    whole = attribute(network, make_picture(), method, TARGET, parameters).attribution
    monkeypatch.setattr(attribution_question, "_MOST_ON_CPU", 1)
    finely = list(attribute_in_pieces(network, make_picture(), method, TARGET, parameters))
    assert (len(finely) == 1) == METHODS[method].one_pass
    assert_close(finely[-1].attribution, torch.from_numpy(whole.copy()))


@pytest.mark.parametrize(
    "method", ["integrated_gradients", "gradient_shap", "shapley_value_sampling", "conductance"]
)
def test_the_first_piece_looks_like_the_whole(method: str) -> None:
    network = make_network(NetworkSettings(width=32))
    first, *_, whole = attribute_in_pieces(network, make_picture(28), method, TARGET)
    alike = np.corrcoef(first.attribution.ravel(), whole.attribution.ravel())[0, 1]
    assert alike > (0.3 if method == "shapley_value_sampling" else 0.8)


@pytest.mark.parametrize("steps", [1, 7, 64])
def test_integrated_gradients_takes_the_steps_it_is_told(steps: int) -> None:
    network = make_network().eval()
    x = make_picture()[None]
    expected = captum.IntegratedGradients(network).attribute(x, 0 * x, TARGET, n_steps=steps)[0]
    result = attribute(network, make_picture(), "integrated_gradients", TARGET, (("steps", steps),))
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


def captums(network: nn.Module, method: str, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    return Captum(network, network, monkeypatch).maps(method, make_picture()[None])[0]


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_guided_methods_are_refused_where_they_are_plain_saliency(
    activation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make_network(NetworkSettings(width=4, activation=activation)).eval()  # type: ignore[arg-type]
    guided = captums(network, "guided_backprop", monkeypatch)
    assert torch.equal(guided, captums(network, "saliency", monkeypatch))
    for method in RELU_ONLY:
        with pytest.raises(AttributionError, match=f"with {activation} .* would be plain saliency"):
            attribute(network, make_picture(), method, TARGET)
        assert unsuitable(network, "smooth_grad", (("of", method),)) == unsuitable(network, method)
        with pytest.raises(AttributionError, match=f"with {activation} .* would be plain saliency"):
            attribute(network, make_picture(), "smooth_grad", TARGET, (("of", method),))


def test_deep_lift_is_refused_where_an_activation_is_used_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    network = make_network(NetworkSettings(width=4, block="pre_shared")).eval()
    with pytest.raises(RuntimeError, match="used more than once"):
        captums(network, "deep_lift", monkeypatch)
    for method, parameters in (("deep_lift", ()), ("smooth_grad", (("of", "deep_lift"),))):
        assert unsuitable(network, method, parameters) is not None
        with pytest.raises(AttributionError, match="each activation to be used once"):
            attribute(network, make_picture(), method, TARGET, parameters)


def test_captums_deep_lift_needs_the_snapshot_without_norm(monkeypatch: pytest.MonkeyPatch) -> None:
    # measured: 100 % off where an activation shares its input tensor with a shortcut
    network = make_network(VARIANTS["pre-activation without norm"]).eval()
    ours = attribute(network, make_picture(), "deep_lift", TARGET)
    theirs = captums(network, "deep_lift", monkeypatch).numpy()
    assert ours.completeness_error is not None
    assert ours.completeness_error < 1e-4
    assert np.abs(ours.attribution - theirs).max() > 0.1 * np.abs(theirs).max()


@pytest.mark.parametrize("method", ["deep_lift", "smooth_grad"])
def test_a_deep_lift_that_does_not_add_up_is_refused(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = captum.DeepLift.attribute

    def wrong(self: captum.DeepLift, *arguments: object) -> Tensor:
        return 2 * real(self, *arguments)

    monkeypatch.setattr(captum.DeepLift, "attribute", wrong)
    parameters = (("of", "deep_lift"),) if method == "smooth_grad" else ()
    with pytest.raises(AttributionError, match=r"does not add up here \(off by 100%\)"):
        attribute(make_network(), make_picture(), method, TARGET, parameters)


def test_deep_lift_is_refused_where_float32_sees_no_difference() -> None:
    # measured: the map is off by 7 times its own maximum in a plain network of sigmoids
    network = make_network(SIGMOID, "plain")
    with pytest.raises(AttributionError, match="cannot tell them apart"):
        attribute(network, make_picture(32), "deep_lift", TARGET)


def cut_at(network: ResidualNetwork, block: int) -> None:
    strengths = tuple(float(index != block) for index in range(network.settings.block_count))
    network.set_strengths(strengths, strengths)


@pytest.mark.parametrize("method", METHODS)
def test_a_block_cut_on_both_paths_is_named(method: str) -> None:
    network = make_network()
    cut_at(network, 2)
    assert str(unsuitable(network, method)).startswith("both paths of block 2.0 are cut")
    with pytest.raises(AttributionError, match=r"block 2\.0"):
        attribute(network, make_picture(), method, TARGET)


@pytest.mark.parametrize("block", range(-1, 8))
def test_an_activation_before_the_cut_can_be_looked_at(block: int) -> None:
    network = make_network()
    parameters = (("block", block),)
    expected = attribute(network, make_picture(), "activation", TARGET, parameters).attribution
    cut_at(network, 2)
    if block < 2:
        found = attribute(network, make_picture(), "activation", TARGET, parameters).attribution
        assert np.array_equal(found, expected)
        assert unsuitable(network, "activation", parameters) is None
    else:
        with pytest.raises(AttributionError, match=r"block 2\.0"):
            attribute(network, make_picture(), "activation", TARGET, parameters)
    assert unsuitable(network, "grad_cam", parameters) is not None  # the score is the same for all pictures


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("strengths", STRENGTHS)
def test_everything_else_is_offered(variant: str, strengths: str) -> None:
    network = make_network(VARIANTS[variant], strengths)
    refused = [method for method in METHODS if unsuitable(network, method)]
    assert refused == ([] if network.settings.activation == "relu" else list(RELU_ONLY))


@pytest.mark.parametrize(
    ("block", "channel", "words"),
    [(-1, 3, None), (-1, 4, "the stem has channels 0 to 3, not 4"), (4, 15, None),
     (4, 16, "block 3.0 has channels 0 to 15, not 16"), (7, 32, "block 4.1 has channels 0 to 31, not 32")],
)  # fmt: skip
def test_a_channel_that_is_not_there_is_refused(block: int, channel: int, words: str | None) -> None:
    parameters = (("block", block), ("channel", channel))
    reason = unsuitable(make_network(), "activation", parameters)
    if words is None:
        assert reason is None
        attribute(make_network(), make_picture(), "activation", TARGET, parameters)
    else:
        assert str(reason) == words
        with pytest.raises(AttributionError, match=words):
            attribute(make_network(), make_picture(), "activation", TARGET, parameters)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "grad-cam"}, "method must be one of saliency, .*, not grad-cam"),
        ({"target": 10}, "target must be a class from 0 to 9, not 10"),
        ({"target": -1}, "target must be a class from 0 to 9, not -1"),
        ({"method": "integrated_gradients", "parameters": (("steps", 0),)}, "from 1 to 10000, not 0"),
        ({"parameters": (("steps", 5),)}, "Saliency has no parameter steps"),
        ({"method": "grad_cam", "parameters": (("block", 8),)}, "block must be .* from -1 to 7, not 8"),
        ({"method": "occlusion", "parameters": (("window", 17),)}, "window must be .* from 1 to 16, not 17"),
        (
            {"method": "occlusion", "parameters": (("window", 3), ("stride", 4))},
            "is 3 wide and moves by 4: pixels between",
        ),
        ({"method": "smooth_grad", "parameters": (("of", "occlusion"),)}, "of must be one of saliency"),
        ({"picture": torch.zeros(1, 8, 8)}, "a picture must be 3 × height × width, not 1 × 8 × 8"),
        ({"picture": torch.zeros(3, 0, 8)}, "not 3 × 0 × 8"),
    ],
    ids=["method", "target too large", "target negative", "steps", "no such", "block", "window", "stride",
         "of", "channels", "empty"],
)  # fmt: skip
def test_bad_input_is_refused_in_one_line_at_once(change: dict[str, object], message: str) -> None:
    arguments = {"picture": make_picture(), "method": "saliency", "target": TARGET, **change}
    with pytest.raises((AttributionError, MethodError), match=message):
        attribute_in_pieces(make_network(), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", METHODS)
def test_a_diverged_network_is_not_explained(method: str) -> None:
    network = make_network()
    with torch.no_grad():
        network.blocks[3].conv1.weight.fill_(float("nan"))
    with pytest.raises(AttributionError, match="no longer finite"):
        attribute(network, make_picture(), method, TARGET)


@pytest.mark.parametrize("method", METHODS)
def test_a_picture_that_does_not_fit_into_memory_is_refused_at_once(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attribution_question, "_free_bytes", lambda _device: 20_000)
    attribute_in_pieces(make_network(), make_picture(), method, TARGET)  # so small that nobody asks
    monkeypatch.setattr(attribution_question, "_ALWAYS_THERE", 0)
    with pytest.raises(
        AttributionError, match=r"a picture of 16 × 16 takes about 0\.\d GB, and 0\.0 GB are free"
    ):
        attribute_in_pieces(make_network(), make_picture(), method, TARGET)


def test_a_chosen_window_moves_by_half_of_itself() -> None:
    size = Size(224, 8)
    assert values("occlusion", (), size) == {"window": 28, "stride": 14}
    assert values("occlusion", (("window", 10),), size) == {"window": 10, "stride": 5}
    assert values("occlusion", (("window", 10), ("stride", 3)), size) == {"window": 10, "stride": 3}


def test_what_the_program_keeps_for_itself_is_given_back_before_anything_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free = [20_000]
    monkeypatch.setattr(attribution_question, "_free_bytes", lambda _device: free[-1])
    monkeypatch.setattr(attribution_question, "_ALWAYS_THERE", 0)
    monkeypatch.setattr(attribution_question, "give_back_memory", lambda: free.append(10**12))
    attribute_in_pieces(make_network(), make_picture(), "saliency", TARGET)
    assert len(free) == 2


@pytest.mark.parametrize(
    ("method", "parameters"),
    [("integrated_gradients", (("steps", 32),)), ("gradient_shap", (("samples", 32),))],
)
@pytest.mark.parametrize(("size", "largest"), [(1, 2), (7, 7), (16, 18)])
def test_the_ends_share_a_pass_only_with_many(
    method: str, parameters: Parameters, size: int, largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The memory of a pass is that of the pictures that were counted; two without gradients are as little."""
    passes: list[int] = []
    network = snapshot(make_network())
    handle = network.register_forward_hook(lambda _module, inputs, _output: passes.append(len(inputs[0])))
    whole = attribute(network, make_picture(), method, TARGET, parameters)
    for module in (attribution_gradients, attribution_noise):
        monkeypatch.setattr(module, "piece_size", lambda _question: size)
    passes.clear()
    found = attribute(network, make_picture(), method, TARGET, parameters)
    handle.remove()
    assert max(passes) == largest
    assert found.completeness_error == pytest.approx(whole.completeness_error, abs=1e-4)
    assert_close(found.attribution, torch.from_numpy(whole.attribution.copy()))
