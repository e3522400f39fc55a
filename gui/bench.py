"""`bench`: rows of ours against a peer. Each measured thing runs in a process of its own.

`window` and `start` open the real window in a child; `headless` is the same engine without Qt.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from importlib import import_module
from typing import Any

from core.headless.arguments import UsageError
from core.headless.output import emit, say
from gui.display_check import has_display

USUAL = ("train", "window", "start", "explain", "length", "accelerator")
KNOWN = (*USUAL, "init")  # init takes minutes: by its name only
SLICE_MS = 50.0  # the engine publishes that often
FRAME_MS = 16.7  # a panel repainted within a frame is never felt
EXPLAINED_S = 10.0  # from the start of the process to the first map, nothing clicked
HEADLESS_SECONDS = 20.0
WINDOWS = 2  # in turns with the engine alone, before, between and after
STARTS = 5
SETTLE_STEPS = 15
CLICK_EVERY_MS = 1500
CLICKS = 8
BORN = "SKIPSCOPE_BENCH_BORN"  # when the parent started a child, by the system's clock


def command(options: argparse.Namespace) -> int:
    """Run `bench`."""
    wanted = options.rows or list(USUAL)
    if wanted[0].startswith("child-"):
        return _child(wanted[0], options.seconds)
    for name in wanted:
        if name not in KNOWN:
            raise UsageError("bench knows {known}, not {name}", known=", ".join(KNOWN), name=name)
    rows: list[dict[str, Any]] = []
    for name in wanted:
        say(f"measuring {name}")
        rows += _rows(name, options.seconds)
    if options.json:
        emit(rows)
    else:
        for row in rows:
            mark = "met" if row["met"] else "NOT MET"
            peer = "" if row["peer"] is None else f" against {row['peer']:.4g}"
            ratio = "" if row["ratio"] is None else f", ratio {row['ratio']:.3f}"
            if row["ours"] is None:
                say(row["row"])
                continue
            say(f"{row['row']}: {row['ours']:.4g}{peer}{ratio}, goal {row['goal']}: {mark}")
    return 0 if all(row["met"] for row in rows) else 1


# ---- rows -----------------------------------------------------------------------------------


def _rows(name: str, seconds: float) -> list[dict[str, Any]]:
    if name == "window":
        return _window_rows(seconds)
    if name == "start":
        return _start_rows()
    measuring = import_module(f"core.headless.bench_{name}")
    rows: list[dict[str, Any]] = measuring.rows()
    return rows


def _window_rows(seconds: float) -> list[dict[str, Any]]:
    peers: list[float] = _run_child("child-headless", HEADLESS_SECONDS)["rates"]
    windows = []
    for _ in range(WINDOWS):
        windows.append(_run_child("child-window", seconds / WINDOWS))
        peers += _run_child("child-headless", HEADLESS_SECONDS)["rates"]
    window = _together(windows)
    ours, peer = statistics.median(window["rates"]), statistics.median(peers)
    ticks = sorted(window["ticks_ms"])
    p99 = ticks[int(len(ticks) * 0.99)]
    painted = window["click_painted_ms"]
    applied = window["click_applied_steps"]
    said = window["click_applied_ms"]
    soon = 2 * 1000 / ours + SLICE_MS + FRAME_MS
    return [
        _row("window training (steps/s)", ours, peer, 0.90, ours / peer >= 0.90,
             [min(window["rates"]) / peer, max(window["rates"]) / peer]),
        _row("window tick p99 (ms)", p99, None, 50, p99 < 50, [ticks[len(ticks) // 2], p99]),
        _row("window tick max (ms)", ticks[-1], None, 150, ticks[-1] < 150, ticks[-5:]),
        _row("click painted (ms)", statistics.median(painted), None, 100, max(painted) < 100,
             [min(painted), max(painted)]),
        _row("click applied (steps later)", statistics.median(applied), None, 1, max(applied) <= 1,
             [min(applied), max(applied)]),
        _row("click applied, and in the window (ms; goal: two steps, a slice and a frame)", statistics.median(said),
             None, soon, statistics.median(said) < soon, [min(said), max(said)]),
        *_repaint_rows(window["repaints_ms"]),
        _row("repaints of hidden panels", window["hidden_repaints"], None, 0, not window["hidden_repaints"], []),
    ]  # fmt: skip


def _together(windows: list[dict[str, Any]]) -> dict[str, Any]:
    """Put what several windows measured side by side."""
    whole: dict[str, Any] = {
        key: [each for window in windows for each in window[key]]
        for key in ("rates", "ticks_ms", "click_painted_ms", "click_applied_steps", "click_applied_ms")
    }
    whole["hidden_repaints"] = sum(window["hidden_repaints"] for window in windows)
    panels = {panel for window in windows for panel in window["repaints_ms"]}
    whole["repaints_ms"] = {
        panel: [cost for window in windows for cost in window["repaints_ms"].get(panel, [])]
        for panel in panels
    }
    return whole


def _repaint_rows(repaints: dict[str, list[float]]) -> list[dict[str, Any]]:
    rows = []
    for panel, costs in sorted(repaints.items()):
        typical = statistics.median(costs)
        rows.append(
            _row(
                f"repaint of {panel} (ms)",
                typical,
                None,
                FRAME_MS,
                typical < FRAME_MS,
                [min(costs), max(costs)],
            )
        )
    return rows


def _start_rows() -> list[dict[str, Any]]:
    visible, first, explained, torch_alone = [], [], [], []
    for _ in range(STARTS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import torch"], check=True)
        torch_alone.append(time.perf_counter() - began)
        made = _run_child("child-start", 60)
        visible.append(made["visible"])
        first.append(made["first_step"])
        explained.append(made["first_explanation"])
    peer, shown, stepped, seen = (
        statistics.median(each) for each in (torch_alone, visible, first, explained)
    )
    soon = min(5.0, 2 * peer)
    return [
        _row("start: window visible (s)", shown, peer, min(1.0, peer), shown < min(1.0, peer),
             [min(visible), max(visible)]),
        _row("start: both lanes' first step (s)", stepped, peer, soon, stepped < soon, [min(first), max(first)]),
        _row("start: first explanation (s)", seen, peer, EXPLAINED_S, seen < EXPLAINED_S,
             [min(explained), max(explained)]),
    ]  # fmt: skip


def _row(
    name: str, ours: float, peer: float | None, goal: float, met: bool, spread: list[float]
) -> dict[str, Any]:
    return {
        "row": name, "ours": ours, "peer": peer, "ratio": None if peer is None else ours / peer,
        "goal": goal, "met": met, "spread": spread,
    }  # fmt: skip


def _run_child(name: str, seconds: float) -> dict[str, Any]:
    from core.paths import asset

    environment = dict(os.environ)
    if not has_display():
        environment["QT_QPA_PLATFORM"] = "offscreen"
    environment[BORN] = repr(time.time())
    script = str(asset("..", "main.py"))
    done = subprocess.run(
        [sys.executable, script, "bench", name, "--seconds", str(seconds)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise UsageError("bench {name} failed: {why}", name=name, why=done.stderr.strip()[-500:])
    made: dict[str, Any] = json.loads(done.stdout)
    return made


# ---- children -------------------------------------------------------------------------------


def _child(name: str, seconds: float) -> int:
    if name == "child-headless":
        from core.headless.bench_engine import steps_per_second

        emit({"rates": steps_per_second(seconds, SETTLE_STEPS)})
        return 0
    return _WindowBench(name == "child-start", seconds).run()


class _WindowBench:
    """Opens the window, watches it for a while, prints what it saw."""

    def __init__(self, only_start: bool, seconds: float) -> None:
        self._only_start = only_start
        self._seconds = seconds
        self._made: dict[str, Any] = {
            "rates": [], "ticks_ms": [], "click_painted_ms": [], "click_applied_steps": [],
            "click_applied_ms": [], "repaints_ms": {}, "hidden_repaints": 0,
        }  # fmt: skip
        self._born = float(os.environ[BORN])
        self._step = 0
        self._marks: list[tuple[float, int]] = []
        self._last_tick: float | None = None
        self._libraries = False
        self._clicked: tuple[float, int] | None = None
        self._waits_for_paint = False
        self._clicking = False
        self._is_over = False  # closing waits for the engine to save: no tick that anybody feels

    def run(self) -> int:
        import tempfile

        from PySide6.QtCore import QEvent, QObject, Qt, QTimer

        from gui.app import keep_alive, make_application, open_window

        application = make_application()
        watch = self

        class Filter(QObject):
            """Sees when the window, and after a click the network, has been painted."""

            def eventFilter(self, target: QObject, event: QEvent) -> bool:
                if event.type() == QEvent.Type.Paint:
                    watch.on_seen()
                    QTimer.singleShot(0, watch.on_paint)
                return False

        with tempfile.TemporaryDirectory() as folder:
            os.environ["SKIPSCOPE_DATA_DIR"] = folder
            self._window = open_window(argparse.Namespace(run=None, lesson=None, files=[]))
            stop = keep_alive(self._window)
            self._filter = Filter()
            self._window.network.installEventFilter(self._filter)
            self._window.event_seen.connect(self.on_event)
            self._window.listen_at_once(self.on_published)
            self._window.resize(1920, 1080)
            self._window.show()
            self._window.resize(1920, 1080)
            self._window.reset_layout()
            ticker = QTimer(self._window)
            ticker.setTimerType(Qt.TimerType.PreciseTimer)
            ticker.timeout.connect(self.on_tick)
            if not self._only_start:
                ticker.start(16)
                clicks = QTimer(self._window)
                clicks.timeout.connect(self.click)
                clicks.start(CLICK_EVERY_MS)
            QTimer.singleShot(int(1000 * (self._seconds + 40)), self._window.close)
            application.exec()
            stop()
        emit(self._made)
        return 0

    def on_seen(self) -> None:
        self._made.setdefault("visible", time.time() - self._born)

    def on_paint(self) -> None:
        if self._waits_for_paint and self._clicked is not None:
            self._waits_for_paint = False
            self._made["click_painted_ms"].append(1000 * (time.perf_counter() - self._clicked[0]))

    def on_published(self, event: object) -> None:
        """Runs on the engine's thread."""
        from core.messages import TrainingSlice

        if isinstance(event, TrainingSlice):
            self._made.setdefault("first_step", time.time() - self._born)

    def on_event(self, event: object) -> None:
        from core.messages import Explanation, LibrariesLoaded, TrainingSlice

        if isinstance(event, LibrariesLoaded):
            self._libraries = True
        if isinstance(event, Explanation) and self._only_start:
            self._made["first_explanation"] = time.time() - self._born
            self._window.close()
        if not isinstance(event, TrainingSlice):
            return
        self._step = event.first_step + event.steps - 1
        if event.applied and self._clicked is not None:
            self._made["click_applied_steps"].append(event.first_step - self._clicked[1] - 1)
            self._made["click_applied_ms"].append(1000 * (time.perf_counter() - self._clicked[0]))
            self._clicked = None
        if not self._only_start and self._libraries and self._step >= SETTLE_STEPS:
            now = time.perf_counter()
            self._marks.append((now, self._step))
            self._note_repaints()
            if now - self._marks[0][0] >= self._seconds:
                self._made["rates"] = self._made["rates"] or rates(self._marks)
                self._clicking = True  # after the rates: a toggle brings evaluations and checkpoints
                if len(self._made["click_applied_steps"]) >= CLICKS:
                    self._is_over = True
                    self._window.close()

    def on_tick(self) -> None:
        now = time.perf_counter()
        if self._last_tick is not None and self._marks and not self._is_over:
            self._made["ticks_ms"].append(1000 * (now - self._last_tick))
        self._last_tick = now

    def _note_repaints(self) -> None:
        """Take over what the paint clock measured since the last time."""
        clock = self._window.clock
        shown = {type(panel).__name__ for panel in self._window.docks.panels() if panel.isVisible()}
        for name, cost in clock.costs.items():
            self._made["repaints_ms"].setdefault(name, []).append(1000 * cost)
            hidden = name not in shown and name not in ("RunBar", "TimeMachine")
            self._made["hidden_repaints"] += hidden
        clock.costs.clear()

    def click(self) -> None:
        """Click the arc of a block, as a hand would."""
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest

        if not self._clicking or self._clicked is not None:
            return
        network = self._window.network
        area = network.drawing().rows[0].blocks[1].arc_area
        self._clicked = (time.perf_counter(), self._step)
        self._waits_for_paint = True
        point = area.center().toPoint()
        QTest.mouseClick(network, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, point)


def rates(marks: list[tuple[float, int]], span: float = 5.0) -> list[float]:
    """Steps per second over consecutive spans of about five seconds."""
    found = []
    began, first = marks[0]
    for now, step in marks:
        if now - began >= span:
            found.append((step - first) / (now - began))
            began, first = now, step
    return found or [(marks[-1][1] - marks[0][1]) / max(marks[-1][0] - marks[0][0], 1e-9)]
