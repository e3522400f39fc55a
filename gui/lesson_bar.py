"""The strip under the run bar: what the current lesson asks, what to watch, and what came of it."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from gui.icons import icon
from gui.panel import Panel
from gui.setting_grid import paint_text


class LessonBar(Panel):
    """Title, question, a paragraph that folds, and the verdict; hidden without a lesson."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._met: bool | None = None
        self.symbol = QLabel()
        self.title = _label(bold=True)
        self.question = _label()
        self.watch = _label()
        self.verdict = _label()
        self.fold = QToolButton()
        self._arrange()
        self.fold.toggled.connect(self.refresh_now)
        self.hide()

    def set_lesson(self, title: str, question: str, watch: str) -> None:
        """Show a lesson, its paragraph unfolded; forgets the last verdict."""
        self.title.setText(title)
        self.question.setText(question)
        self.watch.setText(watch)
        self.fold.setVisible(bool(watch))
        self.fold.setChecked(bool(watch))
        self.set_verdict("", None)
        self.refresh_now()
        self.show()

    def set_verdict(self, text: str, met: bool | None) -> None:
        """Say how the lesson's expectation stands; `met` None: not settled yet."""
        self._met = met
        self.verdict.setText(text)
        self.mark_dirty()

    def clear(self) -> None:
        """Show nothing: a free run."""
        self.hide()

    def refresh(self) -> None:
        """Show what is known."""
        unfolded = self.fold.isChecked()
        self.fold.setIcon(icon("unfold" if unfolded else "fold", self.theme))
        self.symbol.setPixmap(icon("lesson", self.theme).pixmap(QSize(18, 18), self.devicePixelRatio()))
        self.watch.setVisible(unfolded and bool(self.watch.text()))
        self.verdict.setVisible(bool(self.verdict.text()))
        colors = {None: self.theme.muted, True: self.theme.good, False: self.theme.bad}
        paint_text(self.verdict, colors[self._met])
        paint_text(self.watch, self.theme.muted)

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
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 3, 8, 5)
        layout.setSpacing(3)
        layout.addLayout(head)
        layout.addWidget(self.watch)
        layout.addWidget(self.verdict)


def _label(*, bold: bool = False) -> QLabel:
    label = QLabel()
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
