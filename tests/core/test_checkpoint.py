import argparse
import dataclasses
import hashlib
import json
import os
import random
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
import torchvision
from torch import Tensor, nn

from core.checkpoint import Checkpoint, CheckpointError, load, to_bytes
from core.files import write_atomically
from core.network import ResidualNetwork, initialise
from core.settings import NetworkSettings
from core.transform import CIFAR10, IMAGENET, Transform
from tests.core.attack_files import CANARY, write_all
from tests.core.foreign_networks import Network, PaddedBlock, PreBlock, article, lived_in

ROOT = Path(__file__).parents[2]
GREY = Transform(28, None, (0.286,) * 3, (0.353,) * 3, grey=True)
State = dict[str, Tensor]


def assert_same_logits(opened: ResidualNetwork, peer: nn.Module, side: int = 32) -> None:
    x = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        ours, theirs = opened(x), peer.eval()(x)
    assert float(theirs.std()) > 1e-3, "the comparison would not notice a mistake"
    difference = (ours - theirs).abs().max() / (1 + theirs.abs().max())
    assert float(difference) <= 1e-5


def saved(folder: Path, content: Any, name: str = "file.pt") -> Path:
    torch.save(content, folder / name)
    return folder / name


def reported(checkpoint: Checkpoint) -> str:
    return " | ".join(str(notice) for notice in checkpoint.report)


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load(path)
    text = str(caught.value)
    assert "\n" not in text
    assert "\x1b" not in text
    return text


def our_network(**settings: Any) -> ResidualNetwork:
    network = ResidualNetwork(NetworkSettings(**{"width": 4, **settings}))
    initialise(network, seed=5)
    return lived_in(network)


def our_file(folder: Path, network: ResidualNetwork, **facts: Any) -> Path:
    known: dict[str, Any] = {"transform": GREY, "class_names": None, "step": 3, "dataset": "fashion-mnist"}
    path = folder / "ours.safetensors"
    write_atomically(path, to_bytes(network, **{**known, **facts}))
    return path


# ---- our own files ------------------------------------------------------------------------


def test_our_own_file_gives_back_everything(tmp_path: Path) -> None:
    network = our_network(depth=20, block="pre", projection="pad", classes=3)
    shortcuts, branches = (0.0, 0.25, *(1.0,) * 7), (*(1.0,) * 8, 0.5)
    network.set_strengths(shortcuts, branches)
    momentum = {"conv1.weight": torch.randn(4, 3, 3, 3), "fc.bias": torch.randn(3)}
    path = our_file(tmp_path, network, class_names=("a", "b", "ü"), step=12, momentum=momentum)

    opened = load(path)

    assert opened.settings == network.settings
    assert opened.title == "ResNet-20, pre-activation, width 4, 3 classes"
    assert (opened.shortcuts, opened.branches) == (shortcuts, branches)
    assert (opened.transform, opened.class_names) == (GREY, ("a", "b", "ü"))
    assert (opened.step, opened.dataset, opened.report) == (12, "fashion-mnist", ())
    assert opened.momentum is not None
    assert opened.momentum.keys() == momentum.keys()
    assert all(torch.equal(opened.momentum[name], momentum[name]) for name in momentum)
    assert opened.state.keys() == network.state_dict().keys()
    assert all(torch.equal(opened.state[name], tensor) for name, tensor in network.state_dict().items())


def test_an_opened_network_is_ready_and_shares_nothing_with_the_checkpoint(tmp_path: Path) -> None:
    network = our_network()
    network.set_strengths((0.0,) * 8)
    opened = load(our_file(tmp_path, network))
    before = torch.random.get_rng_state()
    made = opened.network()
    assert torch.equal(torch.random.get_rng_state(), before), "opening disturbs the run's random numbers"
    assert not made.training
    assert all(parameter.requires_grad for parameter in made.parameters())
    assert_same_logits(made, network)
    with torch.no_grad():
        made.conv1.weight.add_(1)
    assert torch.equal(opened.state["conv1.weight"], network.conv1.weight)


def test_the_file_may_vanish_once_it_is_open(tmp_path: Path) -> None:
    path = saved(tmp_path, article().state_dict())
    opened = load(path)
    path.write_bytes(bytes(path.stat().st_size))
    assert_same_logits(opened.network(), article())


@pytest.mark.parametrize(
    ("part", "value", "fragment"),
    [
        ("version", 2, "newer Skipscope"),
        ("version", "1", "version"),
        ("settings", None, "settings"),
        ("settings", {"depth": 19}, "depth must be"),
        ("settings", {"colour": 1}, "unknown setting"),
        ("settings", {"width": 4, "classes": 10.0}, "classes"),
        ("settings", {"width": 8}, "4×3×3×3, but 8×3×3×3"),
        ("settings", {"width": 4, "depth": 34}, "are missing"),
        ("transform", {"size": 0, "resize": None, "mean": [0, 0, 0], "std": [1, 1, 1]}, "size must be"),
        ("transform", [], "transform"),
        ("class_names", ["a"], "names 1 classes, but has 10"),
        ("class_names", [1] * 10, "class_names"),
        ("shortcuts", [1.0] * 7, "7 strengths"),
        ("shortcuts", [float("nan")] * 8, "strength must be"),
        ("branches", [True] * 8, "branches"),
        ("step", -1, "step"),
        ("dataset", 5, "dataset"),
    ],
)
def test_our_metadata_is_not_believed_unchecked(tmp_path: Path, part: str, value: Any, fragment: str) -> None:
    path = our_file(tmp_path, our_network())
    with safetensors.safe_open(path, framework="pt") as file:
        facts = json.loads(file.metadata()["skipscope"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    metadata = {"skipscope": json.dumps(facts | {part: value})}
    safetensors.torch.save_file(tensors, tmp_path / "changed.safetensors", metadata)
    assert fragment in refusal(tmp_path / "changed.safetensors")


def test_momentum_of_a_wrong_shape_is_refused_and_of_no_parameter_is_reported(tmp_path: Path) -> None:
    network = our_network()
    assert "fc.bias is 3, but 10" in refusal(
        our_file(tmp_path, network, momentum={"fc.bias": torch.zeros(3)})
    )
    opened = load(our_file(tmp_path, network, momentum={"bn1.running_mean": torch.zeros(4)}))
    assert opened.momentum is None
    assert "momentum/bn1.running_mean" in reported(opened)


# ---- other people's networks --------------------------------------------------------------


@pytest.mark.parametrize(("name", "depth"), [("resnet18", 18), ("resnet34", 34)])
def test_torchvisions_networks_give_the_same_logits(tmp_path: Path, name: str, depth: int) -> None:
    peer = lived_in(getattr(torchvision.models, name)(num_classes=1000))
    opened = load(saved(tmp_path, peer.state_dict()))
    assert opened.settings == NetworkSettings(depth=depth, width=64, stem="7x7", classes=1000)
    assert opened.transform == IMAGENET
    assert opened.report == ()
    assert opened.title == f"ResNet-{depth}, width 64, 1000 classes"
    assert_same_logits(opened.network(), peer, side=64)


def test_the_articles_network_gives_the_same_logits(tmp_path: Path) -> None:
    peer = article(width=8)
    opened = load(saved(tmp_path, peer.state_dict()))
    assert opened.settings == NetworkSettings(width=8)
    assert opened.transform == CIFAR10
    assert opened.report == ()
    assert_same_logits(opened.network(), peer)


def test_the_articles_network_without_its_addition_is_ours_with_all_shortcuts_cut(tmp_path: Path) -> None:
    peer = article(width=8, added=False)
    network = load(saved(tmp_path, peer.state_dict())).network()
    network.set_strengths((0.0,) * 8)
    assert_same_logits(network, peer)


def test_pre_activation_with_a_shared_activation_gives_the_same_logits(tmp_path: Path) -> None:
    peer = lived_in(Network(PreBlock, (2, 2, 2, 2), 8, head="linear"))
    opened = load(saved(tmp_path, peer.state_dict()))
    assert opened.settings == NetworkSettings(width=8, block="pre_shared")
    assert_same_logits(opened.network(), peer)


def test_zero_padded_four_stage_networks_give_the_same_logits(tmp_path: Path) -> None:
    peer = lived_in(Network(PaddedBlock, (3, 4, 6, 3), 8, head="fc", both_sides=False))
    opened = load(saved(tmp_path, {"state_dict": {f"module.{n}": t for n, t in peer.state_dict().items()}}))
    assert opened.settings == NetworkSettings(depth=34, width=8, projection="pad")
    assert_same_logits(opened.network(), peer)


@pytest.mark.parametrize(("head", "both_sides"), [("linear", True), ("fc", False)])
def test_zero_padded_three_stage_networks_give_the_same_logits(
    tmp_path: Path, head: str, both_sides: bool
) -> None:
    peer = lived_in(Network(PaddedBlock, (3, 3, 3), 16, head=head, both_sides=both_sides))
    opened = load(saved(tmp_path, peer.state_dict()))
    assert opened.settings == NetworkSettings(depth=20, width=16, projection="pad")
    assert ("both sides" in reported(opened)) == both_sides
    assert_same_logits(opened.network(), peer)


@pytest.mark.parametrize(
    "settings",
    [
        {"block": "pre"},
        {"block": "pre", "projection": "pad", "depth": 20},
        {"block": "pre", "stem": "7x7"},
        {"block": "pre_shared"},
        {"norm": "none"},
        {"norm": "none", "projection": "pad"},
        {"stem": "7x7", "depth": 34},
    ],
    ids=str,
)
def test_our_networks_are_known_by_their_names_alone(tmp_path: Path, settings: dict[str, Any]) -> None:
    network = our_network(**settings)
    opened = load(saved(tmp_path, network.state_dict()))
    assert opened.settings == network.settings
    assert_same_logits(opened.network(), network, side=64)


# ---- odd but harmless files ---------------------------------------------------------------

ARTICLE = dict(article().state_dict())


def changed(change: Callable[[Tensor], Tensor]) -> State:
    return {
        name: change(tensor) if tensor.is_floating_point() else tensor for name, tensor in ARTICLE.items()
    }


def without(*endings: str) -> State:
    return {name: tensor for name, tensor in ARTICLE.items() if not name.endswith(endings)}


def non_finite() -> State:
    return ARTICLE | {
        "layer3.1.conv2.weight": torch.full_like(ARTICLE["layer3.1.conv2.weight"], float("nan"))
    }


def shared_storage() -> State:
    together = torch.cat([tensor.flatten() for tensor in ARTICLE.values() if tensor.is_floating_point()])
    views, start = dict(ARTICLE), 0
    for name, tensor in ARTICLE.items():
        if tensor.is_floating_point():
            views[name] = together[start : start + tensor.numel()].view(tensor.shape)
            start += tensor.numel()
    return views


def every_second(tensor: Tensor) -> Tensor:
    return torch.stack((tensor, tensor), -1)[..., 0]


def after_a_step() -> dict[str, Any]:
    """The state of an optimiser with momentum, as training scripts save it."""
    weight = nn.Parameter(torch.ones(3))
    optimiser = torch.optim.SGD([weight], 0.1, momentum=0.9)
    weight.sum().backward()
    optimiser.step()
    return optimiser.state_dict()


# what to save, and what is reported ("" for nothing)
GOOD: dict[str, tuple[Any, str]] = {
    "plain": (ARTICLE, ""),
    "parameters": (changed(lambda tensor: nn.Parameter(tensor, requires_grad=False)), ""),
    "ordered dict with metadata": (article().state_dict(), ""),
    "data parallel": ({f"module.{name}": tensor for name, tensor in ARTICLE.items()}, ""),
    "compiled": ({f"_orig_mod.module.{name}": tensor for name, tensor in ARTICLE.items()}, ""),
    "state_dict wrapper": ({"state_dict": ARTICLE, "epoch": 3}, "not used from the file: epoch"),
    "model wrapper": ({"model": OrderedDict(ARTICLE)}, ""),
    "model_state_dict wrapper": ({"model_state_dict": ARTICLE, "loss": 0.5, "lr": [0.1]}, "loss, lr"),
    "net wrapper, in a wrapper": ({"state_dict": {"net": ARTICLE, "acc": 93.0}}, "acc"),
    "half": (changed(lambda tensor: tensor.half()), "type float16"),
    "bfloat16": (changed(lambda tensor: tensor.bfloat16()), "type bfloat16"),
    "double": (changed(lambda tensor: tensor.double()), "type float64"),
    "extra tensor": (ARTICLE | {"loss.weight": torch.ones(10)}, "no part of the network: loss.weight"),
    "extra value": (ARTICLE | {"epoch": 4}, "epoch"),
    "profiler's counters": (ARTICLE | {"layer1.0.conv1.total_ops": torch.ones(1).double()}, "total_ops"),
    "no counters": (without("num_batches_tracked"), ""),
    "counters in a list": ({n: t.reshape(-1) if t.ndim == 0 else t for n, t in ARTICLE.items()}, ""),
    "float counters": ({n: t.float() if t.ndim == 0 else t for n, t in ARTICLE.items()}, ""),
    "no statistics": (without("running_mean", "running_var"), "no batch norm statistics"),
    "no head bias": (without("fc.bias"), "biases that are not in the file are zero"),
    "channels last": (
        changed(lambda t: t.contiguous(memory_format=torch.channels_last) if t.ndim == 4 else t), ""
    ),
    "views": (changed(every_second), ""),
    "shared storage": (shared_storage(), ""),
    "nan": (non_finite(), "not finite in layer3.1.conv2.weight"),
    "infinity": (ARTICLE | {"fc.bias": torch.full((10,), torch.inf)}, "not finite in fc.bias"),
    "counters of 32 bits": ({n: t.int() if t.ndim == 0 else t for n, t in ARTICLE.items()}, ""),
    "data parallel, in pytorch-cifar's wrapper": (
        {"net": {f"module.{name}": tensor for name, tensor in ARTICLE.items()}, "acc": 93.1, "epoch": 7},
        "not used from the file: acc, epoch",
    ),
    "a training's whole state": (
        {"epoch": 3, "arch": "resnet18", "state_dict": ARTICLE, "optimizer": after_a_step()}, "optimizer"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", GOOD)
def test_an_odd_but_good_file_opens_and_says_what_is_odd(tmp_path: Path, kind: str) -> None:
    content, fragment = GOOD[kind]
    opened = load(saved(tmp_path, content))
    assert opened.settings == NetworkSettings(width=4)
    assert fragment in reported(opened)
    assert bool(opened.report) == bool(fragment)
    for name, tensor in opened.state.items():
        assert tensor.is_contiguous(), name
        assert tensor.dtype == (torch.int64 if name.endswith("num_batches_tracked") else torch.float32)
        loose = 1e-2 if "float16" in fragment else 1e-6
        told = "not finite" in fragment or "statistics" in fragment or "biases" in fragment
        assert told or torch.allclose(tensor.float(), ARTICLE[name].float(), loose, loose) or tensor.ndim == 0


def test_what_a_file_lacks_is_what_does_nothing(tmp_path: Path) -> None:
    opened = load(saved(tmp_path, without("running_mean", "running_var", "fc.bias")))
    for name, tensor in opened.state.items():
        if name.endswith(("running_mean", "running_var")) or name == "fc.bias":
            assert torch.equal(tensor, torch.full_like(tensor, float(name.endswith("var")))), name


def test_a_foreign_safetensors_file_opens(tmp_path: Path) -> None:
    safetensors.torch.save_file(ARTICLE, tmp_path / "file.safetensors", {"format": "pt"})
    assert_same_logits(load(tmp_path / "file.safetensors").network(), article())


def test_the_name_of_a_file_does_not_matter(tmp_path: Path) -> None:
    safetensors.torch.save_file(ARTICLE, tmp_path / "really-safetensors.pt")
    assert load(tmp_path / "really-safetensors.pt").settings == NetworkSettings(width=4)


def stretched(name: str, *shape: int) -> State:
    return ARTICLE | {name: torch.zeros(shape)}


BAD: dict[str, tuple[Any, str]] = {
    "empty dict": ({}, "no named tensors, but nothing"),
    "list": ([torch.zeros(3)], "a list, not a state dict"),
    "tensor": (torch.zeros(3), "a Tensor, not a state dict"),
    "numbers as names": ({1: torch.zeros(3)}, "no named tensors, but 1"),
    "unknown wrapper": ({"weights": ARTICLE}, "no named tensors, but weights"),
    "whole model": (nn.Linear(2, 2), "more than weights (torch.nn.modules.linear.Linear)"),
    "another network": (nn.Linear(2, 2).state_dict(), "no residual blocks (layer1.0, …), but weight, bias"),
    "both prefixes": (ARTICLE | {"module.conv1.weight": torch.zeros(1)}, "conv1.weight is there twice"),
    "no head": (without("fc.weight", "fc.bias"), "last layer (fc or linear) is missing"),
    "0-dim weight": (ARTICLE | {"fc.weight": torch.tensor(1.0)}, "fc.weight is a single number"),
    "0-dim bias": (ARTICLE | {"bn1.bias": torch.tensor(1.0)}, "bn1.bias is a single number, but 4"),
    "5x5 stem": (stretched("conv1.weight", 4, 3, 5, 5), "5×5 on 3 channels"),
    "grey stem": (stretched("conv1.weight", 4, 1, 3, 3), "3×3 on 1 channels"),
    "one class": (ARTICLE | {"fc.weight": torch.zeros(1, 32)}, "2 to 100000 classes"),
    "too wide": (stretched("conv1.weight", 300, 3, 3, 3), "width must be"),
    "missing": (without("layer2.1.conv2.weight"), "1 of the 122 tensors of a ResNet-18"),
    "missing block": (
        {n: t for n, t in ARTICLE.items() if "layer4.1" not in n}, "blocks per stage (2, 2, 2, 1)"
    ),
    "gap": ({n.replace("layer4.1", "layer4.7"): t for n, t in ARTICLE.items()}, "stage (2, 2, 2, 2)"),
    "not doubling": (stretched("layer3.0.conv1.weight", 12, 8, 3, 3), "is 12×8×3×3, but 16×8×3×3"),
    "grouped": (stretched("layer1.0.conv2.weight", 4, 2, 3, 3), "is 4×2×3×3, but 4×4×3×3"),
    "bottleneck": (torchvision.models.resnet50().state_dict(), "bottlenecks (conv3)"),
    "squeeze": (ARTICLE | {"layer1.0.se.fc.weight": torch.zeros(2, 2)}, "layer1.0.se.fc.weight"),
    "biases beside norms": (ARTICLE | {"conv1.bias": torch.zeros(4)}, "does not have: conv1.bias"),
    "whole-number weights": (
        ARTICLE | {"fc.weight": torch.zeros(10, 32, dtype=torch.int64)}, "fc.weight holds whole"
    ),
    "bytes": (ARTICLE | {"fc.weight": torch.zeros(10, 32, dtype=torch.uint8)}, "numbers of type uint8"),
    "complex": (ARTICLE | {"fc.weight": torch.zeros(10, 32, dtype=torch.complex64)}, "ComplexFloatStorage"),
    "sparse": (ARTICLE | {"fc.weight": torch.zeros(10, 32).to_sparse()}, "more than weights"),
    "settings object beside": (
        {"state_dict": ARTICLE, "args": argparse.Namespace(lr=0.1)}, "more than weights (argparse.Namespace)"
    ),
    "numpy number beside": ({"state_dict": ARTICLE, "best": np.float64(0.9)}, "more than weights (numpy"),
    "deep stem": (
        {"conv1.0.weight" if n == "conv1.weight" else n: t for n, t in ARTICLE.items()},
        "conv1.weight is missing",
    ),
    "two layers as head": (
        {n.replace("fc.", "fc.1."): t for n, t in ARTICLE.items()}, "last layer (fc or linear) is missing"
    ),
    "another's prefix": (
        {f"backbone.{name}": tensor for name, tensor in ARTICLE.items()}, "but backbone.conv1.weight"
    ),
    "expanded": (ARTICLE | {"bn1.weight": torch.ones(1).expand(4)}, "reaches beyond its data"),
    "unknown pre-activation": (
        lived_in(Network(PreBlock, (2, 2, 2, 2), 4, head="fc")).state_dict() | {"bn1.weight": torch.ones(32)},
        "pre-activated in a way",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_is_no_network_of_ours_is_refused_naming_what_was_found(
    tmp_path: Path, kind: str
) -> None:
    content, fragment = BAD[kind]
    text = refusal(saved(tmp_path, content))
    assert text.startswith("file.pt: ")
    assert fragment in text


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        (b"", "empty"),
        (b"P", "neither"),
        (b"epoch,loss\n1,2.5\n", "neither"),
        (b"\x89PNG\r\n\x1a\n0123456789", "neither"),
        (b"PK\x03\x04", "damaged"),
        (b"PK\x05\x06" + bytes(18), "neither"),
        (b"\x02\x00\x00\x00\x00\x00\x00\x00{}", "no named tensors"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes, fragment: str) -> None:
    (tmp_path / "file").write_bytes(content)
    assert fragment in refusal(tmp_path / "file")


def test_a_path_that_is_no_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "nothing.pt")
    assert "a folder" in refusal(tmp_path)
    assert "cannot be opened" in refusal(tmp_path / "null\0byte")
    assert "\x1b" not in refusal(tmp_path / "colour\x1b[31m.pt")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refusal(tmp_path / "pipe")


def test_a_file_beyond_the_limit_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "large.pt").open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(2_000_000_001)  # sparse: takes no room
    assert "too large" in refusal(tmp_path / "large.pt")


def test_a_pickle_from_before_1_6_is_refused(tmp_path: Path) -> None:
    torch.save(ARTICLE, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert "bare pickle" in refusal(tmp_path / "old.pth")


@pytest.mark.parametrize("name", ["file.pt", "file.safetensors"])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if path.suffix == ".pt":
        torch.save(ARTICLE, path)
    else:
        safetensors.torch.save_file(ARTICLE, path)
    whole = path.read_bytes()
    for share in (0.1, 0.5, 0.9, 0.999):
        path.write_bytes(whole[: int(len(whole) * share)])
        assert "damaged" in refusal(path) or "neither" in refusal(path)


# ---- hostile files ------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="the memory's peak is measured with `resource`")
def test_hostile_files_are_refused_quickly_in_little_memory_and_nothing_runs(tmp_path: Path) -> None:
    folder = tmp_path / "hostile"
    folder.mkdir()
    expected = write_all(folder)
    saved(folder, ARTICLE, "harmless.pt")

    command = [sys.executable, "-m", "tests.core.attack_files", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=100)
    result = json.loads(done.stdout)

    assert not (folder / CANARY).exists()
    verdicts = result["verdicts"]
    assert verdicts.pop("harmless.pt") == "loaded"
    wrong = {name: verdicts[name] for name, fragment in expected.items() if fragment not in verdicts[name]}
    assert wrong == {}
    assert len(expected) >= 12
    assert {name: spent for name, spent in result["seconds"].items() if spent >= 2} == {}
    assert result["grown_mb"] < 300


def mutated(data: bytes, chance: random.Random, hot: list[range]) -> bytes:
    """Cut, or change a few bytes, most of them where the structure of the file is."""
    if chance.random() < 0.1:
        return data[: chance.randrange(len(data))]
    changed = bytearray(data)
    where = chance.choice([*hot, *hot, range(len(data))])
    for _ in range(chance.choice((1, 1, 2, 8))):
        changed[chance.choice(where)] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
    return bytes(changed)


@pytest.mark.parametrize(("name", "count"), [("file.pt", 200), ("file.safetensors", 300)])
def test_whatever_is_damaged_only_our_own_error_comes_out(tmp_path: Path, name: str, count: int) -> None:
    path = tmp_path / name
    network = our_network(width=1)
    if path.suffix == ".pt":
        torch.save(network.state_dict(), path)
        data = path.read_bytes()
        hot = [range(data.rindex(b"PK\x01\x02") - 4000, len(data)), range(9000)]
    else:
        data = to_bytes(network, transform=CIFAR10, class_names=None, step=1, dataset=None)
        hot = [range(8 + int.from_bytes(data[:8], "little")), range(200)]
    chance = random.Random(7)
    messages = []
    for _ in range(count):
        path.write_bytes(mutated(data, chance, hot))
        try:
            load(path).network()
        except CheckpointError as error:
            messages.append(str(error))
    assert not any("\n" in message for message in messages)
    assert count / 20 < len(messages) < count * 19 / 20, "nothing opens, or nothing is refused"


# ---- writing ------------------------------------------------------------------------------


def test_a_file_is_written_whole_with_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    assert write_atomically(path, b"new") == hashlib.sha256(b"new").hexdigest()
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_data_is_on_the_disk_before_the_name_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (order.append("sync"), sync(file)))
    monkeypatch.setattr(os, "replace", lambda *names: (order.append("replace"), replace(*names)))
    write_atomically(tmp_path / "file", b"new")
    assert order[:2] == ["sync", "replace"]
    assert os.name != "posix" or order[2:] == ["sync"]


def test_a_checkpoint_cannot_be_changed_by_accident(tmp_path: Path) -> None:
    opened = load(saved(tmp_path, ARTICLE))
    with pytest.raises(dataclasses.FrozenInstanceError):
        opened.title = "other"
