"""The docks of recorded runs and of what was done, and the time machine under the curves."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtGui import QKeySequence

from core.messages import Branch, Event, Failed, LookBack, LookedBack, Resume, RunStarted, TrainingSlice
from gui.lane_state import LaneState

if TYPE_CHECKING:  # a panel's module is loaded when the panel is needed
    from gui.checkpoint_steps import CheckpointSteps
    from gui.deed_list import DeedList
    from gui.main_window import MainWindow
    from gui.run_library import RunLibrary
    from gui.time_machine import TimeMachine


class RunDocks(QObject):
    """Adds the run library and the list of deeds to a window, and serves the time machine."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self._window = window
        self._library: RunLibrary | None = None
        self._machine: TimeMachine | None = None
        self._directory: Path | None = None
        self._checkpoints: CheckpointSteps | None = None
        window.docks.add("runs", self.tr("Runs"), self._make_library, feed_library, extra=True)
        window.docks.add("deeds", self.tr("Done"), self._make_deeds, lambda _panel, _event: None, extra=True)

    def take(self, event: Event) -> None:
        """Pass an event on to the time machine."""
        machine = self._machine
        match event:
            case RunStarted():
                self._directory = event.directory
                self._look(at_once=True)
            case TrainingSlice():
                self._look()
            case LookedBack() if machine is not None:
                machine.on_looked_back(event)
                self._window.network.look_back(self._past(event))
            case Failed() if machine is not None:
                machine.on_failed(event)
            case _:
                pass

    def serve(self, machine: "TimeMachine") -> None:
        """Connect the time machine, once the curves are there."""
        from gui.checkpoint_steps import CheckpointSteps

        self._machine = machine
        window = self._window
        self._checkpoints = CheckpointSteps(self)
        machine.step_chosen.connect(self._look_back)
        machine.branch_requested.connect(
            lambda step, shortcuts, branches: window.submit(
                Branch(step, shortcuts=shortcuts, branches=branches)
            )
        )
        window.toggles.requested.connect(
            lambda command: machine.mark_requested(command.lane, command.shortcuts, command.branches)
        )
        self._checkpoints.known.connect(self._on_checkpoints)
        self._look(at_once=True)

    def stop(self) -> None:
        """Read no more: the window closes."""
        if self._library is not None:
            self._library.stop()

    def _look(self, *, at_once: bool = False) -> None:
        if self._checkpoints is not None:
            self._checkpoints.look(self._directory, at_once=at_once)

    def _look_back(self, step: int) -> None:
        from gui.time_machine import PRESENT

        assert self._machine is not None
        command = LookBack(None if step == PRESENT else step)
        self._machine.asked(command.id)
        self._window.submit(command)

    def _past(self, event: LookedBack) -> list[LaneState]:
        """The lanes as they were: strengths from the checkpoint, readings from the journal."""
        if event.step is None or self._directory is None:
            return []
        import numpy as np

        from core.stored_run import RecordError, read_steps

        found = []
        for number, lane in enumerate(self._window.network.lanes):
            past = LaneState(
                lane.info, lane.blocks, event.shortcuts[number], event.branches[number],
                step=event.step, is_past=True,
            )  # fmt: skip
            with contextlib.suppress(RecordError):  # then without readings
                read = read_steps(self._directory, number, event.step, event.step)
                if len(read.steps):
                    past.loss = float(read.losses[0])
                    past.norms = read.gradient_norms[0].astype(np.float64)
                    past.output_gradients = read.output_gradients[0].astype(np.float64)
            found.append(past)
        return found

    def _on_checkpoints(self, directory: Path, steps: list[int]) -> None:
        if self._machine is not None and directory == self._directory:
            self._machine.set_checkpoints(steps)

    def _make_library(self) -> "RunLibrary":
        from gui.run_library import RunLibrary

        panel = self._library = RunLibrary()
        submit = self._window.submit
        panel.resume_requested.connect(lambda path: submit(Resume(path, play=True)))
        panel.open_requested.connect(lambda path: submit(Resume(path)))
        panel.branch_requested.connect(lambda path, step: submit(Branch(step, path)))
        panel.overlay_changed.connect(self._window.curves.overlay.show_runs)
        return panel

    def _make_deeds(self) -> "DeedList":
        from gui.deed_list import DeedList

        panel = DeedList(self._window.undoing.deeds)
        for action in (panel.undo, panel.redo):  # the menu has the keys
            action.setShortcut(QKeySequence())
        return panel


def feed_library(panel: "RunLibrary", event: Event) -> None:
    """Pass an event on to the run library."""
    if isinstance(event, RunStarted):
        panel.start_run(event)
