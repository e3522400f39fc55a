"""A window on a fake engine, and what the engine would say."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest
from PySide6.QtCore import QObject, Signal
from pytestqt.qtbot import QtBot

from core.messages import (
    Command,
    EngineReady,
    EngineState,
    LaneInfo,
    LaneSlice,
    RunStarted,
    StateChanged,
    TrainingSlice,
)
from core.notices import Notice
from core.settings import NetworkSettings, RunSettings, twins
from gui.main_window import MainWindow

NETWORK = NetworkSettings()
SETTINGS = RunSettings(lanes=twins(NETWORK))


class FakeBridge(QObject):
    happened = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.submitted: list[Command] = []
        self.ended = False

    def submit(self, command: Command) -> None:
        self.submitted.append(command)

    def shutdown(self, seconds: float = 4.5) -> bool:
        self.ended = True
        return True

    def of(self, kind: type) -> list[Command]:
        return [command for command in self.submitted if isinstance(command, kind)]


def run_started(lesson: str | None = None, settings: RunSettings = SETTINGS) -> RunStarted:
    infos = tuple(
        LaneInfo(lane.name, lane.network, 701_466, (14_528,) * lane.network.block_count,
                 tuple((16, 28, 28) for _ in range(lane.network.block_count)))
        for lane in settings.lanes
    )  # fmt: skip
    return RunStarted(
        settings=settings, lanes=infos, class_names=tuple("abcdefghij"), steps=200, steps_per_epoch=100,
        held_out=1000, evaluated=1000, directory=None, lesson=lesson,
    )  # fmt: skip


def training_slice(
    first: int, steps: int = 1, applied: tuple[int, ...] = (), lanes: int = 2,
    shortcuts: tuple[tuple[float, ...], ...] = ((1.0,) * 8, (0.0,) * 8, (1.0,) * 8, (1.0,) * 8),
) -> TrainingSlice:  # fmt: skip
    one = [
        LaneSlice(
            losses=np.full(steps, 2.0), accuracies=np.full(steps, 0.5), gradient_norms=np.ones((steps, 8)),
            output_gradients=np.ones((steps, 8)), learning_rate=0.05, shortcuts=shortcuts[lane],
            branches=(1.0,) * 8,
        )
        for lane in range(lanes)
    ]  # fmt: skip
    return TrainingSlice(first, steps, tuple(one), applied, 400.0, 500_000_000)


READY = EngineReady("cpu", Notice("CPU: none found"), 2, (("Python", "3.11"),), ("cpu",))


def running(window: MainWindow) -> None:
    window.on_event(READY)
    window.on_event(run_started())
    window.on_event(StateChanged(EngineState.RUNNING))
    window.on_event(training_slice(1))


Make: TypeAlias = Callable[..., tuple[MainWindow, FakeBridge]]


@pytest.fixture
def make_window(qtbot: QtBot) -> Make:
    """Make windows that are closed after the test."""

    def make(**values: object) -> tuple[MainWindow, FakeBridge]:
        bridge = FakeBridge()
        window = MainWindow(bridge, **values)  # type: ignore[arg-type]
        qtbot.addWidget(window)
        window.resize(1280, 800)
        window.show()
        qtbot.waitExposed(window)
        return window, bridge

    return make
