"""The strip under the run bar: what the lesson asks, your guess, what to watch, and what came of it."""

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from core.lessons import Lesson, Outcome
from gui.flow import Flow
from gui.icons import icon
from gui.lesson_words import guess_result, lesson_verdict
from gui.panel import Panel
from gui.setting_grid import paint_text

MOST_CHOICES = 9  # one digit each


class LessonBar(Panel):
    """Title, question, the guess, a paragraph that folds, and the verdict; hidden without a lesson.

    What to watch and the verdict would give the answer away, so they wait for the guess.
    Signals: `guess_settled` once a guess is made or skipped.
    """

    guess_settled = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lesson: Lesson | None = None
        self._outcome: Outcome | None = None
        self._guessed: int | None = None
        self.is_guessing = False
        self.symbol = QLabel()
        self.title = _label(bold=True)
        self.question = _label()
        self.watch = _label()
        self.verdict = _label()
        self.answer = _label()
        self.fold = QToolButton()
        self.guess = _label()
        self.choices: QWidget = QWidget()
        self.buttons: list[QPushButton] = []
        self._keys = [QShortcut(QKeySequence(str(n + 1)), self) for n in range(MOST_CHOICES)]
        for number, key in enumerate(self._keys):
            key.activated.connect(lambda number=number: self.choose(number))
        self._arrange()
        self.fold.toggled.connect(self.refresh_now)
        self._enable_keys()
        self.hide()

    def set_lesson(self, lesson: Lesson) -> None:
        """Show a lesson and ask for the guess; forgets the last outcome."""
        self._lesson, self._outcome, self._guessed = lesson, None, None
        self.is_guessing = bool(lesson.choices)
        self.title.setText(lesson.title)
        self.question.setText(lesson.question)
        self.watch.setText(lesson.watch)
        self.fold.setChecked(True)
        self._offer(lesson)
        self._enable_keys()
        self.refresh_now()
        self.show()

    def set_outcome(self, outcome: Outcome) -> None:
        """Say what came of the lesson, once the guess is settled."""
        self._outcome = outcome
        self.refresh_now()

    def choose(self, number: int | None) -> None:
        """Guess an answer (None: skip the guess)."""
        if not self.is_guessing or (number is not None and number >= len(self.buttons)):
            return
        self._guessed = number
        self.is_guessing = False
        self._enable_keys()
        self.refresh_now()
        self.guess_settled.emit()

    def clear(self) -> None:
        """Show nothing: a free run."""
        self._lesson = None
        self.is_guessing = False
        self._enable_keys()
        self.hide()

    def refresh(self) -> None:
        """Show what is known, and no more than the guess allows."""
        lesson = self._lesson
        if lesson is None:
            return
        self.symbol.setPixmap(icon("lesson", self.theme).pixmap(QSize(18, 18), self.devicePixelRatio()))
        self.choices.setVisible(self.is_guessing)
        self.guess.setVisible(self.is_guessing)
        self.fold.setVisible(bool(lesson.watch) and not self.is_guessing)
        self.fold.setIcon(icon("unfold" if self.fold.isChecked() else "fold", self.theme))
        self.watch.setVisible(not self.fold.isHidden() and self.fold.isChecked())
        paint_text(self.watch, self.theme.muted)
        self._say_outcome(lesson)

    def _say_outcome(self, lesson: Lesson) -> None:
        verdict, answer, color = "", "", self.theme.muted
        if self._outcome is not None and self.is_guessing:
            verdict = self.tr("The run is through; guess, or skip, to see what it says.")
        elif self._outcome is not None:
            verdict, met = lesson_verdict(self._outcome)
            color = self.theme.good if met else self.theme.bad
            answer = guess_result(lesson, self._outcome, self._guessed)
        elif self._guessed is not None:
            answer = self.tr("Your guess: {guess}").format(guess=lesson.choices[self._guessed])
        for label, text in ((self.verdict, verdict), (self.answer, answer)):
            label.setText(text)
            label.setVisible(bool(text))
        paint_text(self.verdict, color)

    def _offer(self, lesson: Lesson) -> None:
        self.buttons = []
        for number, text in enumerate(lesson.choices[:MOST_CHOICES]):
            button = QPushButton(f"{number + 1}   {text}")
            button.setToolTip(self.tr("Guess this (key {number})").format(number=number + 1))
            button.clicked.connect(lambda _=False, number=number: self.choose(number))
            self.buttons.append(button)
        skip = QPushButton(self.tr("Skip"))
        skip.setFlat(True)
        skip.setToolTip(self.tr("Show everything without guessing"))
        skip.clicked.connect(lambda: self.choose(None))
        old, self.choices = self.choices, Flow([*self.buttons, skip])
        self._column.replaceWidget(old, self.choices)
        old.deleteLater()
        if lesson.guess is not None:
            self.guess.setText(self.tr("Your guess first: {question}").format(question=lesson.guess.question))

    def _enable_keys(self) -> None:
        for number, key in enumerate(self._keys):
            key.setEnabled(self.is_guessing and number < len(self.buttons))

    def _arrange(self) -> None:
        self.fold.setCheckable(True)
        self.fold.setAutoRaise(True)
        self.fold.setText(self.tr("What to watch"))
        self.fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.fold.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.fold.setToolTip(self.tr("Show or hide what to watch in this lesson"))
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(self.symbol)
        head.addWidget(self.title)
        head.addWidget(self.question, 1)
        head.addWidget(self.fold)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(8, 3, 8, 5)
        self._column.setSpacing(3)
        self._column.addLayout(head)
        for widget in (self.guess, self.choices, self.watch, self.answer, self.verdict):
            self._column.addWidget(widget)


class _Wrapped(QLabel):
    """Text in as many lines as its width asks for; a plain QLabel would ask for the lines of a narrow one."""

    def sizeHint(self) -> QSize:
        return QSize(0, self.heightForWidth(max(self.width(), 400)))

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self.updateGeometry()


def _label(*, bold: bool = False) -> QLabel:
    label = QLabel() if bold else _Wrapped()
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    if bold:
        font = label.font()
        font.setBold(True)
        label.setFont(font)
    else:
        label.setWordWrap(True)
        label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label
