"""`demo`: drives the real window through its main job and saves what it looks like."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.headless.arguments import UsageError
from core.headless.output import emit, say
from gui.display_check import check_display, has_display

SLACK = 55.0  # seconds past --seconds after which the demo gives up


@dataclass(frozen=True, slots=True)
class Act:
    """At a share of the time: do something, then maybe take a picture of the window."""

    at: float
    what: str
    do: Callable[[], object]
    shot: str | None = None


def command(options: argparse.Namespace) -> int:
    """Run `demo`."""
    if not 3 <= options.seconds <= 3600:
        raise UsageError("--seconds must be a number from 3 to 3600, not {value}", value=options.seconds)
    out = Path(options.out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError("{path} cannot be made: {reason}", path=out, reason=error.strerror) from None
    if not has_display():
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    check_display()
    return Demo(options.seconds, out).run(options)


class Demo:
    """Plays a short script in the window."""

    def __init__(self, seconds: float, out: Path) -> None:
        self._seconds = seconds
        self._out = out
        self._shots: list[str] = []
        self._began: float | None = None
        self._acts: list[Act] = []
        self._steps = 0
        self._directory: str | None = None
        self._explained = 0
        self._failed: list[str] = []

    def run(self, options: argparse.Namespace) -> int:
        """Open the window, play, close; returns the exit code."""
        from PySide6.QtCore import QTimer

        from gui.app import keep_alive, leave_if_stuck, make_application, open_window
        from gui.logs import set_up_logging

        application = make_application()
        set_up_logging()
        run_folder = self._out / "run"
        number = 2
        while run_folder.exists():
            run_folder = self._out / f"run-{number}"
            number += 1
        self._window = open_window(argparse.Namespace(run=str(run_folder), lesson=None, files=[]))
        stop = keep_alive(self._window)
        self._window.show()
        self._window.resize(1280, 800)
        self._window.reset_layout()
        self._window.event_seen.connect(self._on_event)
        self._acts = self._script()
        self._deadline = time.monotonic() + self._seconds + SLACK
        clock = QTimer(self._window)
        clock.timeout.connect(self._tick)
        clock.start(50)
        application.exec()
        stop()
        leave_if_stuck(self._window, 1)
        missed = [act.what for act in self._acts]
        made = {
            "screenshots": self._shots, "run": self._directory, "steps": self._steps,
            "explanations": self._explained, "failed": self._failed, "missed": missed,
        }  # fmt: skip
        if self._window.interrupted:
            made["interrupted"] = True
        if options.json:
            emit(made)
        else:
            say(
                f"{self._steps} steps, {self._explained} explanations, {len(self._shots)} screenshots in {self._out}"
            )
        if self._window.interrupted:
            return 130
        good = self._steps > 0 and not missed and not self._failed and self._explained > 0
        return 0 if good else 1

    def _script(self) -> list[Act]:
        window = self._window
        return [
            Act(0.15, "select a block", lambda: window.network.select(0, 2)),
            Act(0.20, "look at it", lambda: None, "block-light"),
            Act(0.22, "pictures", lambda: window.show_panel("pictures")),
            Act(0.30, "look", lambda: None, "training-light"),
            Act(0.35, "cut every shortcut of lane A", window.network.toggle_all),
            Act(0.50, "look", lambda: None, "cut-light"),
            Act(0.55, "restore them", window.network.toggle_all),
            Act(0.60, "ask by another method", lambda: window.pictures.choose_method("integrated_gradients")),
            Act(0.75, "dark", lambda: window.set_appearance("dark")),
            Act(0.80, "look", lambda: None, "restored-dark"),
            Act(0.82, "larger", self._enlarge),
            Act(0.92, "look", lambda: None, "large-dark"),
            Act(0.94, "light", lambda: window.set_appearance("system")),
            Act(1.0, "look", lambda: None, "large-light"),
        ]

    def _enlarge(self) -> None:
        self._window.resize(1920, 1080)
        self._window.reset_layout()

    def _on_event(self, event: object) -> None:
        from core.messages import Explanation, Failed, RunStarted, TrainingSlice

        match event:
            case RunStarted():
                self._directory = str(event.directory)
            case TrainingSlice():
                self._began = self._began or time.monotonic()
                self._steps = event.first_step + event.steps - 1
            case Explanation(done=True):
                self._explained += 1
            case Failed():
                self._failed.append(str(event.notice))
            case _:
                pass

    def _tick(self) -> None:
        now = time.monotonic()
        if now > self._deadline or (not self._acts and self._began is not None):
            self._window.close()
            return
        if self._began is None:
            return
        share = (now - self._began) / self._seconds
        while self._acts and self._acts[0].at <= share:
            act = self._acts.pop(0)
            say(act.what)
            act.do()
            if act.shot:
                self._save(act.shot)

    def _save(self, name: str) -> None:
        self._window.paint_everything()
        path = self._out / f"{name}.png"
        if self._window.grab().save(str(path)):
            self._shots.append(str(path))
        else:
            sys.stderr.write(f"skipscope: {path} cannot be written\n")
