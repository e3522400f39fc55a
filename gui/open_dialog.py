"""Asks what to do with a checkpoint that has been opened."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QPushButton, QVBoxLayout, QWidget

from core.messages import CheckpointOpened
from gui.wording import say


class OpenDialog(QDialog):
    """Offers a checkpoint as a lane, as twins, or to be asked beside the run. Shown with `open`.

    Signals: `chosen` (path, use).
    """

    chosen = Signal(str, str)

    def __init__(self, event: CheckpointOpened, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Open checkpoint"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._path = event.path
        lines = [f"<b>{event.title}</b>", event.transform]
        lines += [say(notice) for notice in event.report]
        if not event.trainable:
            lines.append(self.tr(
                "Its classes do not fit the present data set, so it can predict and explain, but not be "
                "trained on."
            ))  # fmt: skip
        layout = QVBoxLayout(self)
        for line in lines:
            label = QLabel(line, self)
            label.setWordWrap(True)
            layout.addWidget(label)
        buttons = QDialogButtonBox(self)
        for use, text, tip, training in (
            ("twins", self.tr("Train as &twins"), self.tr("Two lanes from it: one with all shortcuts, one "
             "with none"), True),
            ("lane", self.tr("Train as one &lane"), self.tr("A new run with this network alone"), True),
            ("reference", self.tr("Only &explain"), self.tr("Keep it beside the run, for predictions and "
             "explanations"), False),
        ):  # fmt: skip
            button = QPushButton(text, self)
            button.setToolTip(tip)
            button.setEnabled(event.trainable or not training)
            button.clicked.connect(lambda _=False, use=use: self._choose(use))
            buttons.addButton(button, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        buttons.rejected.connect(self.reject)
        layout.addWidget(buttons)
        self.setMinimumWidth(460)

    def _choose(self, use: str) -> None:
        self.chosen.emit(self._path, use)
        self.accept()
