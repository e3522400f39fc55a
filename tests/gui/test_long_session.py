"""Half an hour of a restless user in the real window, on a display of its own. Run with `-m soak`.

SKIPSCOPE_SOAK_MINUTES sets another length. The deeds are drawn from a seed that is printed.
"""

import argparse
import faulthandler
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from PySide6.QtCore import QEventLoop, QTimer, qInstallMessageHandler

from core.allocator import keep_freed_memory
from core.lessons import lesson_names
from core.messages import Assess, Branch, Event, Failed, JudgeAll, Pause, Play, Reset, Resume, RunStarted
from core.methods import METHODS
from gui.app import keep_alive, make_application, open_window
from gui.main_window import MainWindow

MINUTES = float(os.environ.get("SKIPSCOPE_SOAK_MINUTES", "30"))
DEED_MS = 1500
MOST_GROWTH, HIGHER_PEAK = 60.0, 120.0  # MB, of median and peak from the second fifth of the time to the last
EXPECTED = (
    "is not recorded",
    "side by side",
    "looks at the whole network",
    "every lane has diverged",
    "of a run that has ended",
    "this run is the present one",
)


class Session:
    """Does something at random every while, and notes what the window and Qt say."""

    def __init__(self, window: MainWindow, seed: int) -> None:
        self._window = window
        self._random = random.Random(seed)
        self.failures: list[str] = []
        self.remarks: list[str] = []
        self.done: list[str] = []
        self.readings: list[float] = []
        self.steps = 0
        self._run: RunStarted | None = None
        self._earlier: list[Path] = []
        window.event_seen.connect(self.take)
        qInstallMessageHandler(lambda _kind, _context, text: self.remarks.append(text))
        self._deeds: tuple[tuple[int, Callable[[], object]], ...] = (
            (6, self._toggle), (4, self._explain), (2, self._arrange), (2, self._resize), (2, self._panel),
            (1, self._lesson), (1, self._reset), (1, self._branch), (1, self._resume), (2, self._pause),
            (1, self._judge), (1, self._assess), (1, self._theme),
        )  # fmt: skip

    def take(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._run = event
            if event.directory is not None and event.directory not in self._earlier:
                self._earlier.append(event.directory)
        if isinstance(event, Failed):
            self.failures.append(f"{event.notice} {event.traceback or ''}")

    def act(self) -> None:
        weights, deeds = zip(*self._deeds, strict=True)
        deed = self._random.choices(deeds, weights)[0]
        self.done.append(deed.__name__)
        deed()
        self.readings.append(psutil.Process().memory_info().rss / 1e6)

    def _toggle(self) -> None:
        network = self._window.network
        self._random.choice((network.toggle_selected, network.toggle_all, network.toggle_branch))()

    def _explain(self) -> None:
        self._window.show_panel("pictures")
        self._window.pictures.choose_method(self._random.choice(tuple(METHODS)))

    def _arrange(self) -> None:
        kinds = ("single", "switch", "filmstrip", "targets", "methods")
        self._window.pictures.controls.choose_arrangement(self._random.choice(kinds))  # type: ignore[arg-type]

    def _resize(self) -> None:
        self._window.resize(self._random.randint(1024, 1920), self._random.randint(640, 1080))

    def _panel(self) -> None:
        names = (
            "shock",
            "health",
            "lesions",
            "paths",
            "slow",
            "degradation",
            "runs",
            "deeds",
            "confusion",
            "trust",
        )
        self._window.show_panel(self._random.choice((*names, "pictures")))

    def _lesson(self) -> None:
        self._window.lessons.open(self._random.choice(("", *lesson_names())))

    def _reset(self) -> None:
        self._window.submit(Reset(play=True))

    def _branch(self) -> None:
        done = 0 if self._run is None else self._run.done
        self._window.submit(Branch(self._random.randint(done, done + 200)))

    def _resume(self) -> None:
        if earlier := self._earlier[:-1]:
            self._window.submit(Resume(self._random.choice(earlier), play=True))

    def _pause(self) -> None:
        self._window.submit(Pause())
        QTimer.singleShot(400, lambda: self._window.submit(Play()))

    def _judge(self) -> None:
        self._window.submit(JudgeAll())

    def _assess(self) -> None:
        self._window.submit(Assess("deletion", self._random.randrange(20), "saliency", 1))

    def _theme(self) -> None:
        self._window.set_appearance(self._random.choice(("light", "dark", "system")))


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_half_an_hour_of_restlessness_leaves_nothing_behind(tmp_path: Path) -> None:
    faulthandler.cancel_dump_traceback_later()  # longer than any test else
    os.environ["SKIPSCOPE_DATA_DIR"] = str(tmp_path)
    seed = int(time.time())
    keep_freed_memory()  # as main.py does
    make_application()
    window = open_window(argparse.Namespace(run=None, lesson=None, files=[]))
    stop = keep_alive(window)
    window.resize(1600, 960)
    window.show()
    session = Session(window, seed)
    loop = QEventLoop()
    deeds = QTimer()
    deeds.timeout.connect(session.act)
    QTimer.singleShot(10_000, lambda: deeds.start(DEED_MS))
    QTimer.singleShot(round(60_000 * MINUTES), loop.quit)
    loop.exec()
    deeds.stop()
    window.close()
    stop()
    qInstallMessageHandler(None)
    assert window.engine_ended, f"seed {seed}"
    faults = [line for line in session.failures if not any(words in line for words in EXPECTED)]
    assert not faults, (seed, faults[:5], session.done[-20:])
    remarks = [text for text in session.remarks if "This plugin does not support" not in text]
    assert not remarks, (seed, remarks[:5])
    fifth = len(session.readings) // 5
    parts = [session.readings[part * fifth : (part + 1) * fifth] for part in range(5)]
    growth, higher = (measure(parts[-1]) - measure(parts[1]) for measure in (statistics.median, max))
    figures = ", ".join(f"{statistics.median(part):.0f} ({max(part):.0f})" for part in parts)
    sys.stderr.write(
        f"seed {seed}: {len(session.done)} deeds; medians (peaks) of each fifth, MB: {figures}\n"
    )
    assert growth < MOST_GROWTH, (seed, growth)
    assert higher < HIGHER_PEAK, (seed, higher)
