"""Puts a lesson on: its strip over the panels, the veil until the guess is settled, the judge of its run."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from core.messages import Event, RunStarted
from core.notices import SkipscopeError
from core.settings import default_run
from gui.wording import say

if TYPE_CHECKING:
    from core.lessons import Judge
    from gui.lesson_bar import LessonBar
    from gui.main_window import MainWindow
    from gui.veil import Veil


class LessonStage(QObject):
    """The window's lessons.

    Signals: `strip_made` (LessonBar), with the first lesson.
    """

    strip_made = Signal(object)

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self._window = window
        self._accelerated = False
        self._now: str | None = None
        self._judge: Judge | None = None
        self._strip: LessonBar | None = None
        self._brought_forward = False  # a panel, by the present lesson
        self.veils: list[Veil] = []

    # ---- doing ------------------------------------------------------------------------------

    def set_device(self, device: str) -> None:
        """Take the device, which decides about the free run."""
        self._accelerated = device != "cpu"

    def open(self, name: str) -> None:
        """Begin a lesson by its name or file, or a free run for an empty name."""
        if not name:
            self._window.begin(default_run(self._accelerated))
            return
        from core.lessons import load_lesson

        try:
            lesson = load_lesson(name)
        except SkipscopeError as error:
            self._window.tell(say(error.notice), bad=True)
            return
        self._window.begin(lesson.settings, name, lesson.script)

    def open_next(self) -> None:
        """Begin the lesson after the present one, or the first."""
        from core.lessons import lesson_names

        names = lesson_names()
        now = self._now
        self.open(names[(names.index(now) + 1) % len(names)] if now in names else names[0])

    # ---- events -----------------------------------------------------------------------------

    def start_run(self, event: RunStarted) -> None:
        """Show the run's lesson, or that it has none."""
        self._now, self._judge = event.lesson, None
        if event.lesson is not None:
            from core.lessons import Judge, load_lesson

            lesson = load_lesson(event.lesson)
            self._judge = Judge(lesson)
            self.strip.set_lesson(lesson)
            if lesson.panel is not None or self._brought_forward:
                self._window.show_panel(lesson.panel or "pictures")  # not the last lesson's
            self._brought_forward = lesson.panel is not None
        elif self._strip is not None:
            self._strip.clear()
        self._veil()

    def take(self, event: Event) -> None:
        """Let the judge see everything; show the verdict."""
        found = self._judge.take(event) if self._judge is not None else None
        if found is not None:
            self.strip.set_outcome(found)

    # ---- what is shown ----------------------------------------------------------------------

    @property
    def strip(self) -> "LessonBar":
        """The strip of the lesson, made with the first one."""
        if self._strip is None:
            from gui.lesson_bar import LessonBar

            self._strip = LessonBar()
            self._strip.guess_settled.connect(self._veil)
            self.strip_made.emit(self._strip)
        return self._strip

    def _veil(self) -> None:
        """Cover what gives a lesson's answer away until the guess is settled."""
        for veil in self.veils:
            veil.deleteLater()
        self.veils = []
        if self._strip is not None and self._strip.is_guessing:
            from gui.veil import Veil

            names = {"network", "curves"}
            if self._judge is not None and self._judge.lesson.panel is not None:
                names.add(self._judge.lesson.panel)
            self.veils = [Veil(self._window.docks.panel(name)) for name in sorted(names)]
