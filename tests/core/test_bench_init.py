"""Gradients at initialisation against a network written out in plain functions, in float64."""

import json
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import main
from core.gradient_at_start import gradient_at_start
from core.headless import bench_init
from core.headless.bench_init import Case, cases
from core.network import ResidualNetwork, derived_seed, initialise
from core.settings import NetworkSettings

SIZE = 16
SLOPES = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}
NETWORKS = [
    {}, {"norm": "none"}, {"norm": "none", "init": "torch"}, {"norm": "none", "activation": "sigmoid"},
    {"activation": "tanh"}, {"block": "pre"}, {"block": "pre", "norm": "none"},
]  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.device.threads", lambda wanted=0: 1)


def by_hand(
    settings: NetworkSettings, seed: int, shortcut: float, branch: float, size: int = SIZE, batch: int = 32
) -> tuple[float, list[float]]:
    """Loss, and each block's norm: the program's weights in a forward pass of our own."""
    drawn = ResidualNetwork(settings)
    initialise(drawn, seed)
    weights = {name: p.detach().double().requires_grad_() for name, p in drawn.named_parameters()}
    act, pre = SLOPES[settings.activation], settings.block == "pre"

    def conv(name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight = weights[f"{name}.weight"]
        return F.conv2d(x, weight, weights.get(f"{name}.bias"), stride, padding=weight.shape[-1] // 2)

    def norm(name: str, x: Tensor) -> Tensor:
        if f"{name}.weight" not in weights:
            return x
        mean, spread = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True, correction=0)
        scale, shift = (weights[f"{name}.{part}"].view(1, -1, 1, 1) for part in ("weight", "bias"))
        return (x - mean) / (spread + 1e-5).sqrt() * scale + shift

    generator = torch.Generator().manual_seed(derived_seed(seed, "noise"))
    x = torch.randn(batch, 3, size, size, generator=generator).double()
    labels = torch.randint(10, (batch,), generator=generator)
    x = conv("conv1", x) if pre else act(norm("bn1", conv("conv1", x)))
    names = [f"layer{stage}.{n}" for stage, count in enumerate(settings.stages, 1) for n in range(count)]
    for name in names:
        stride = 2 if name.endswith(".0") and not name.startswith("layer1") else 1
        if pre:
            h = conv(f"{name}.conv1", act(norm(f"{name}.bn1", x)), stride)
            h = conv(f"{name}.conv2", act(norm(f"{name}.bn2", h)))
        else:
            h = act(norm(f"{name}.bn1", conv(f"{name}.conv1", x, stride)))
            h = norm(f"{name}.bn2", conv(f"{name}.conv2", h))
        if f"{name}.shortcut.0.weight" in weights:
            x = norm(f"{name}.shortcut.1", conv(f"{name}.shortcut.0", x, stride))
        total = branch * h + (shortcut * x if shortcut else 0)
        x = total if pre else act(total)
    x = act(norm("bn_last", x)) if pre else x
    logits = x.mean((2, 3)) @ weights["fc.weight"].T + weights["fc.bias"]
    loss = (logits.logsumexp(1) - logits[torch.arange(batch), labels]).mean()
    found = []
    for name in names:
        own = [p for key, p in weights.items() if key.startswith(f"{name}.") and ".shortcut." not in key]
        gradients = torch.autograd.grad(loss, own, retain_graph=True)
        found.append(math.sqrt(math.fsum((g * g).sum().item() for g in gradients)))
    return loss.item(), found


@pytest.mark.parametrize("values", NETWORKS, ids=lambda values: "-".join(values.values()) or "default")
@pytest.mark.parametrize(("shortcut", "branch"), [(1.0, 1.0), (0.0, 1.0), (1.0, 0.1)])
def test_norms_are_those_of_plain_autograd(values: dict[str, str], shortcut: float, branch: float) -> None:
    settings = NetworkSettings(width=4, **values)  # type: ignore[arg-type]
    found = gradient_at_start(settings, 1, shortcut=shortcut, branch=branch, image_size=SIZE, batch_size=8)
    loss, norms = by_hand(settings, 1, shortcut, branch, batch=8)
    assert found.loss == pytest.approx(loss, rel=1e-4)
    assert found.norms.tolist() == pytest.approx(norms, rel=1e-2)
    assert found.first_over_last == pytest.approx(norms[0] / norms[-1], rel=1e-2)


def test_a_gradient_whose_square_is_no_float32_is_still_measured() -> None:
    settings = NetworkSettings(depth=56, width=4, norm="none", init="torch")
    found = gradient_at_start(settings, 0, shortcut=0.0, image_size=8, batch_size=4)
    _, norms = by_hand(settings, 0, 0.0, 1.0, size=8, batch=4)
    assert 0 < norms[0] < 1e-24
    assert found.norms[0] == pytest.approx(norms[0], rel=1e-2)


def test_rows_compare_the_median_with_the_figure_on_record() -> None:
    network = NetworkSettings(width=4)
    loose = replace(network, norm="none")
    reference = {}
    for each in (network, loose):
        _, norms = by_hand(each, 3, 1.0, 1.0)
        reference[each.norm] = norms[0] / norms[-1]
    factors = [(network, 2.8, True), (network, 1 / 2.8, True), (network, 3.2, False), (network, 1 / 3.2, False),
               (loose, 9.0, True), (loose, 1 / 9, True), (loose, 11.0, False), (loose, 1 / 11, False)]  # fmt: skip
    chosen = [Case(each, 1.0, 1.0, factor * reference[each.norm]) for each, factor, _ in factors]
    rows = bench_init.rows([*chosen, Case(network, 1.0, 1.0, 0.0)], seeds=(3,), image_size=SIZE)
    assert [row["met"] for row in rows] == [met for *_, met in factors] + [False]
    for row, (each, factor, _) in zip(rows, factors, strict=False):
        assert set(row) == {"row", "ours", "peer", "ratio", "goal", "met", "spread"}
        assert row["ours"] == pytest.approx(reference[each.norm], rel=1e-2)
        assert row["ratio"] == pytest.approx(1 / factor, rel=1e-2)
        assert row["goal"] == (3.0 if each is network else 10.0)
    assert rows[-1]["ratio"] is None
    assert rows[-1]["goal"] == 1e-30


def test_the_median_is_over_the_seeds() -> None:
    network = NetworkSettings(width=4, norm="none")
    pairs = [by_hand(network, seed, 1.0, 1.0)[1] for seed in (0, 1, 2)]
    ratios = sorted(norms[0] / norms[-1] for norms in pairs)
    (row,) = bench_init.rows([Case(network, 1.0, 1.0, 1.0)], seeds=(0, 1, 2), image_size=SIZE)
    assert row["ours"] == pytest.approx(ratios[1], rel=1e-2)
    assert row["spread"] == pytest.approx([ratios[0], ratios[2]], rel=1e-2)


def test_the_table_is_whole() -> None:
    names = [case.name for case in cases()]
    assert len(names) == len(set(names)) == 9 * 4 + 5 * 2
    assert set(bench_init.LOSSES) <= set(names)
    assert {(c.network.depth, c.network.width) for c in cases()} == {(18, 16), (56, 8), (110, 8)}
    assert {case.shortcut for case in cases() if case.network.block == "pre"} == {1.0}


def test_the_command_says_a_missed_goal_with_exit_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(NetworkSettings(width=2), 1.0, 1.0, 2.0)
    monkeypatch.setattr(bench_init, "cases", lambda: iter([case, replace(case, peer=0.0)]))
    assert main.main(["bench", "init", "--json"]) == 1
    said = capsys.readouterr()
    met, missed = json.loads(said.out)
    assert (met["met"], missed["met"]) == (True, False)
    assert "measuring init" in said.err
    monkeypatch.setattr(bench_init, "cases", lambda: iter([case]))
    assert main.main(["bench", "init"]) == 0
    monkeypatch.setattr(bench_init, "cases", lambda: iter([replace(case, peer=0.0)]))
    assert main.main(["bench", "init"]) == 1
    assert "against 0, goal 1e-30: NOT MET" in capsys.readouterr().err


def test_bench_without_names_leaves_init_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from gui import bench

    called: list[str] = []
    monkeypatch.setattr(bench, "_rows", lambda name, _seconds: called.append(name) or [])
    assert main.main(["bench"]) == 0
    assert called == ["train", "window", "start", "explain", "length", "accelerator"]
