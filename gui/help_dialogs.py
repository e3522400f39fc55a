"""The sheet of keys, and About with what a bug report needs."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QGridLayout, QLabel, QVBoxLayout, QWidget

from core.messages import EngineReady
from gui.logs import log_file
from gui.wording import say


class KeysDialog(QDialog):
    """Lists every key. Shown with `open`."""

    def __init__(self, rows: list[tuple[str, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Keyboard"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        grid = QGridLayout()
        grid.setHorizontalSpacing(24)
        for row, (key, what) in enumerate(rows):
            shown = QLabel(f"<b>{key}</b>", self)
            grid.addWidget(shown, row, 0)
            grid.addWidget(QLabel(what, self), row, 1)
        layout = QVBoxLayout(self)
        layout.addLayout(grid)
        layout.addWidget(_close_button(self))


class AboutDialog(QDialog):
    """Versions, device and log path, to be copied. Shown with `open`."""

    def __init__(self, ready: EngineReady | None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("About Skipscope"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        lines = []
        if ready is not None:
            lines += [f"{name} {version}" for name, version in ready.versions]
            lines += ["", say(ready.reason), self.tr("{count} threads").format(count=ready.threads)]
        else:
            lines.append(self.tr("The engine is still loading."))
        lines += ["", self.tr("Log: {path}").format(path=log_file())]
        self.report = "\n".join(lines)
        heading = QLabel(self.tr("An oscilloscope for skip connections. MIT licence."), self)
        text = QLabel(self.report, self)
        text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        layout = QVBoxLayout(self)
        layout.addWidget(heading)
        layout.addWidget(text)
        buttons = _close_button(self)
        copy = buttons.addButton(self.tr("Copy"), QDialogButtonBox.ButtonRole.ActionRole)
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.report))
        layout.addWidget(buttons)


def _close_button(dialog: QDialog) -> QDialogButtonBox:
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, dialog)
    buttons.rejected.connect(dialog.reject)
    return buttons
