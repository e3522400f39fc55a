"""The engine by hand for tests: `tick` without a thread, events in a list, a tiny data set."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from core import datasets, run_start
from core.checkpoint import to_bytes
from core.datasets import Dataset
from core.engine import Engine
from core.messages import EngineState, Event, Setup, TrainingSlice
from core.network import ResidualNetwork
from core.settings import NetworkSettings, RunSettings, twins
from core.transform import Transform

NETWORK = NetworkSettings(width=4)


def tiny_dataset(name: str = "tiny") -> Dataset:
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, (96, 1, 8, 8), dtype=np.uint8)
    labels = generator.integers(0, 10, 96)
    return Dataset(
        name=name, images=pictures[:64], labels=labels[:64], held_out_images=pictures[64:],
        held_out_labels=labels[64:], class_names=tuple("abcdefghij"), mean=(0.5,) * 3, std=(0.25,) * 3, notice=None,
    )  # fmt: skip


def run_settings(**values: object) -> RunSettings:
    return RunSettings(**{  # type: ignore[arg-type]
        "lanes": twins(NETWORK), "image_size": 8, "batch_size": 8, "steps": 6, "threads": 1, **values,
    })  # fmt: skip


def small_checkpoint(path: Path, transform: Transform, names: tuple[str, ...], step: int) -> Path:
    """Write an untrained network with biases: without, gradients are the same all along the way from zero."""
    torch.manual_seed(0)
    network = ResidualNetwork(NetworkSettings(width=4)).eval()
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.5)
    path.write_bytes(to_bytes(network, transform=transform, class_names=names, step=step, dataset=None))
    return path


class Bench:
    """An engine, its events, and the ticking."""

    def __init__(self, record: bool = False, evaluate: bool = False, watch: bool = False) -> None:
        self.events: list[Event] = []
        self.engine = Engine(self.events.append, record=record, evaluate=evaluate, watch=watch)

    def ticks(self, until: Callable[[], bool] | None = None, most: int = 600) -> None:
        for _ in range(most):
            if until is not None and until():
                return
            self.engine.tick(0)
        assert until is None, "it did not come"

    def of(self, kind: type) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def losses(self, number: int = 0) -> list[float]:
        return [loss for event in self.of(TrainingSlice) for loss in event.lanes[number].losses.tolist()]  # type: ignore[attr-defined]

    def finished(self) -> bool:
        return self.engine.state is EngineState.FINISHED


def use_tiny_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Fashion-MNIST be 96 random pictures of 8 × 8."""
    real = datasets.load_dataset

    def load_tiny(name: str, **values: object) -> Dataset:
        return tiny_dataset(name) if name == "fashion-mnist" else real(name, **values)  # type: ignore[arg-type]

    monkeypatch.setattr(run_start, "load_dataset", load_tiny)


def trained(settings: RunSettings, **values: bool) -> Bench:
    bench = Bench(**values)
    bench.engine.submit(Setup(settings))
    bench.ticks(bench.finished)
    return bench
