"""The lines that ask how a branch is to begin: with which shortcuts, or from which step."""

from enum import Enum

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QComboBox, QFrame, QLabel, QSpinBox, QToolButton, QVBoxLayout

from core.library import RunSummary
from gui.flow import Flow, labelled
from gui.wording import whole


class Keep(Enum):
    """Which shortcuts a branch begins with."""

    THEN = "then"  # as they were at that step
    ALL = "all"
    NONE = "none"
    NOW = "now"  # as in the network panel


class BranchEditor(QFrame):
    """A line that asks which shortcuts a branch begins with.

    Signals: `confirmed`, `given_up`.
    """

    confirmed = Signal()
    given_up = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.about = QLabel()
        self.about.setTextFormat(Qt.TextFormat.PlainText)
        self.choice = QComboBox()
        for text, keep in (
            (self.tr("as they were then"), Keep.THEN),
            (self.tr("all"), Keep.ALL),
            (self.tr("none: the plain network"), Keep.NONE),
            (self.tr("as in the network panel now"), Keep.NOW),
        ):
            self.choice.addItem(text, keep)
        self.choice.setAccessibleName(self.tr("Shortcuts the branch begins with"))
        self.begin = QToolButton()
        self.begin.setText(self.tr("Begin the branch"))
        self.give_up = QToolButton()
        self.give_up.setText(self.tr("Cancel"))
        for button in (self.begin, self.give_up):
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 2, 0, 2)
        layout.addWidget(
            Flow((self.about, labelled(self.tr("Shortcuts:"), self.choice), self.begin, self.give_up))
        )
        self.begin.clicked.connect(self.confirmed)
        self.give_up.clicked.connect(self.given_up)

    def keep(self) -> Keep:
        """Return what is chosen."""
        chosen = self.choice.currentData()
        assert isinstance(chosen, Keep)
        return chosen

    def show_step(self, step: int) -> None:
        """Say where the branch would begin."""
        self.about.setText(self.tr("A new run from the checkpoint of step {step}").format(step=whole(step)))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if event.key() == Qt.Key.Key_Escape or (enter and self.give_up.hasFocus()):
            self.given_up.emit()
        elif enter:
            self.confirmed.emit()
        else:
            super().keyPressEvent(event)


class BranchFrom(QFrame):
    """A line that asks from which step of a run to branch.

    Signals: `confirmed` (directory, step).
    """

    confirmed = Signal(object, int)

    def __init__(self) -> None:
        super().__init__()
        self._run: RunSummary | None = None
        self.step = QSpinBox()
        self.step.setAccessibleName(self.tr("Step to branch from"))
        self.step.setGroupSeparatorShown(True)
        self.begin = QToolButton()
        self.begin.setText(self.tr("Begin the branch"))
        self.begin.setToolTip(self.tr("A new run begins from the run's checkpoint at or before this step"))
        self.give_up = QToolButton()
        self.give_up.setText(self.tr("Cancel"))
        for button in (self.begin, self.give_up):
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(
            Flow(
                (
                    labelled(self.tr("From the checkpoint at or before step"), self.step),
                    self.begin,
                    self.give_up,
                )
            )
        )
        self.begin.clicked.connect(self._on_begin)
        self.give_up.clicked.connect(self.hide)
        self.hide()

    def ask(self, run: RunSummary) -> None:
        """Ask for a step of this run."""
        self._run = run
        self.step.setRange(0, run.steps)
        self.step.setValue(run.steps)
        self.show()
        self.step.setFocus()
        self.step.selectAll()

    def _on_begin(self) -> None:
        self.hide()
        if self._run is not None:
            self.confirmed.emit(self._run.directory, self.step.value())
