"""What can be done with a run, by the engine's state; the buttons and the learning rate that do it."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from core.messages import EngineState
from core.settings import SETTING, SettingsError
from gui.icons import icon
from gui.setting_fields import NumberEditor, setting_explanation, setting_label
from gui.setting_grid import paint_text
from gui.theme import Theme
from gui.wording import say

ICON = QSize(18, 18)


@dataclass(frozen=True, slots=True)
class Controls:
    """What the run bar offers."""

    play: bool = False
    pause: bool = False
    step: bool = False
    reset: bool = False
    learning_rate: bool = False
    lesson: bool = False


def controls_for(state: EngineState | None, *, has_run: bool) -> Controls:
    """Return what can be done in a state (None: the engine is not there yet)."""
    match state:
        case None | EngineState.STOPPED:
            return Controls()
        case EngineState.LOADING:
            return Controls(lesson=True)
        case EngineState.RUNNING:
            return Controls(pause=True, reset=True, learning_rate=True, lesson=True)
    return Controls(play=has_run, step=has_run, reset=has_run, learning_rate=has_run, lesson=True)


class RunButtons(QWidget):
    """Play or pause (one button, by state), step, reset.

    Signals: `play_clicked` (also *Go on*), `pause_clicked`, `step_clicked`, `reset_clicked`.
    """

    play_clicked = Signal()
    pause_clicked = Signal()
    step_clicked = Signal()
    reset_clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._running = False
        self.play = self._button(self.tr("Play"), "")
        self.step = self._button(self.tr("Step"), self.tr("Train one step of every lane, then pause"))
        self.reset = self._button(
            self.tr("Reset"), self.tr("The same run again from step 0: same seed and weights")
        )
        self.play.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.play.clicked.connect(self._on_play)
        self.step.clicked.connect(self.step_clicked)
        self.reset.clicked.connect(self.reset_clicked)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for button in (self.play, self.step, self.reset):
            layout.addWidget(button)
        self._fix_width()

    def show_state(self, state: EngineState | None, controls: Controls, theme: Theme) -> None:
        """Show what the play button would do, and what can be done."""
        self._running = state is EngineState.RUNNING
        text, explain = self._words(state)
        self.play.setText(text)
        self.play.setAccessibleName(text)
        self.play.setToolTip(explain)
        self.play.setIcon(icon("pause" if self._running else "play", theme))
        self.step.setIcon(icon("step", theme))
        self.reset.setIcon(icon("reset", theme))
        self.play.setEnabled(controls.pause if self._running else controls.play)
        self.step.setEnabled(controls.step)
        self.reset.setEnabled(controls.reset)

    def _words(self, state: EngineState | None) -> tuple[str, str]:
        if state is EngineState.RUNNING:
            return self.tr("Pause"), self.tr("Stop after the present step")
        if state is EngineState.FINISHED:
            return self.tr("Go on"), self.tr("Train for as long again")
        return self.tr("Play"), self.tr("Train on")

    def _fix_width(self) -> None:
        """Keep room for each of the button's texts, so that nothing moves when it changes."""
        states = (EngineState.PAUSED, EngineState.RUNNING, EngineState.FINISHED)
        widest = max(self.play.fontMetrics().horizontalAdvance(self._words(state)[0]) for state in states)
        self.play.setFixedWidth(widest + ICON.width() + 24)

    def _on_play(self) -> None:
        if self._running:
            self.pause_clicked.emit()
        else:
            self.play_clicked.emit()

    def _button(self, name: str, explain: str) -> QToolButton:
        button = QToolButton()
        button.setAutoRaise(True)
        button.setIconSize(ICON)
        button.setMinimumSize(32, 32)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        button.setText(name)
        button.setAccessibleName(name)
        button.setToolTip(self.tr("{name}: {explain}").format(name=name, explain=explain) if explain else "")
        return button


class RateField(QWidget):
    """The learning rate of all lanes; what cannot be used is marked and not sent.

    Signals: `changed(value)` once a new value is meant.
    """

    changed = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self._setting = SETTING["learning_rate"]
        self._known: float | None = None
        self._theme: Theme | None = None
        self._explain = self.tr("{explain} For all lanes; the arrows step 1, 2, 5, 10.").format(
            explain=setting_explanation(self._setting)
        )
        self.caption = QLabel(setting_label(self._setting))
        self.editor = NumberEditor(self._setting)
        self.editor.describe(setting_label(self._setting), self._explain)
        self.editor.setFixedWidth(self.fontMetrics().horizontalAdvance("0.000025") + 34)
        self.caption.setBuddy(self.editor)
        font = self.caption.font()
        font.setPointSizeF(font.pointSizeF() * 0.88)
        self.caption.setFont(font)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(1)
        layout.addWidget(self.caption)
        layout.addWidget(self.editor)
        self.editor.edited.connect(self._judge)
        self.editor.finished.connect(self._on_finished)

    def show_rate(self, rates: Sequence[float]) -> None:
        """Show the learning rate of some lanes; one can be typed for all of them when they differ."""
        value = rates[0] if len(set(rates)) == 1 else None
        self._known = value
        self.editor.set_placeholder(self.tr("differs") if rates else "")
        self.editor.set_value("" if value is None else value)
        self._judge()

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self._theme = theme
        paint_text(self.caption, theme.muted)
        self._judge()

    def _fault(self) -> str:
        value = self.editor.value()
        try:
            if value != "":
                self._setting.check(value)
        except SettingsError as error:
            return say(error.notice)
        return ""

    def _judge(self) -> None:
        fault = self._fault()
        self.editor.control.setToolTip(fault or self._explain)
        if self._theme is not None:
            palette = self.editor.control.palette()
            palette.setColor(QPalette.ColorRole.Text, QColor(self._theme.bad if fault else self._theme.text))
            self.editor.control.setPalette(palette)

    def _on_finished(self) -> None:
        value = self.editor.value()
        if not self._fault() and value not in ("", self._known):
            self._known = float(value)
            self.changed.emit(self._known)
