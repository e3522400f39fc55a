"""Shows a figure as it will be printed, and asks how wide it is to be."""

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QKeySequence, QPixmap, QShortcut
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from gui.figure_export import Told, copy, figure_image, natural_width, save_dialog
from gui.figure_page import DPI, NARROWEST, WIDEST, FigureFrame
from gui.wording import whole

_PREVIEW = (640, 400)  # at most so large, in pixels of the screen
_PAUSE_MS = 150  # after the last change of the width, before the figure is drawn anew


class FigureDialog(QDialog):
    """A figure with its width in millimetres; saves it or copies it. Shown with `open`."""

    def __init__(self, frames: Sequence[FigureFrame], told: Told, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Figure"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._frames = tuple(frames)
        self._told = told
        self.preview = QLabel(self)
        self.preview.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.preview.setMinimumSize(*_PREVIEW)
        self.width_mm = self._width_box()
        self.size_label = QLabel(self)
        self.copy_button = QPushButton(self.tr("&Copy"), self)
        self.copy_button.setToolTip(self.tr("Put the figure on the clipboard as a picture"))
        self.copy_button.clicked.connect(self._copy)
        self.save_button = QPushButton(self.tr("&Save…"), self)
        self.save_button.setToolTip(self.tr("Write it as a picture (PNG), a drawing (SVG) or arrays (NPY)"))
        self.save_button.setDefault(True)
        self.save_button.clicked.connect(self._save)
        self._wait = QTimer(self)
        self._wait.setSingleShot(True)
        self._wait.setInterval(_PAUSE_MS)
        self._wait.timeout.connect(self.draw_now)
        self.width_mm.valueChanged.connect(self._wait.start)
        QShortcut(QKeySequence(QKeySequence.StandardKey.Copy), self, self._copy)
        self._lay_out()
        self.draw_now()

    def draw_now(self) -> None:
        """Draw the figure at the width that is chosen."""
        self._wait.stop()
        image = figure_image(self._frames, self.width_mm.value())
        ratio = self.devicePixelRatioF()
        pixmap = QPixmap.fromImage(image).scaled(
            QSize(*_PREVIEW) * ratio,
            Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
        pixmap.setDevicePixelRatio(ratio)
        self.preview.setPixmap(pixmap)
        self.preview.setAccessibleName(self.tr("The figure"))
        self.preview.setAccessibleDescription(image.text("Description"))
        text = self.tr("{width} × {height} mm, {across} × {down} dots")
        self.size_label.setText(
            text.format(
                width=round(image.width() * 25.4 / DPI), height=round(image.height() * 25.4 / DPI),
                across=whole(image.width()), down=whole(image.height()),
            )
        )  # fmt: skip

    def _width_box(self) -> QDoubleSpinBox:
        box = QDoubleSpinBox(self)
        box.setRange(NARROWEST, WIDEST)
        box.setDecimals(0)
        box.setSingleStep(5)
        box.setSuffix(self.tr(" mm"))
        box.setValue(natural_width(self._frames))
        box.setToolTip(self.tr("The width in print; a page's column is about 85 mm, its whole width 180 mm"))
        return box

    def _lay_out(self) -> None:
        label = QLabel(self.tr("&Width"), self)
        label.setBuddy(self.width_mm)
        row = QHBoxLayout()
        row.addWidget(label)
        row.addWidget(self.width_mm)
        row.addWidget(self.size_label)
        row.addStretch(1)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, parent=self)
        buttons.addButton(self.copy_button, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.addButton(self.save_button, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.preview, 1)
        layout.addLayout(row)
        layout.addWidget(buttons)

    def _copy(self) -> None:
        copy(self._frames, self.width_mm.value())
        self._told(self.tr("The figure is on the clipboard"), False)

    def _save(self) -> None:
        save_dialog(self, self._frames, self._on_saved, self.width_mm.value())

    def _on_saved(self, text: str, bad: bool) -> None:
        self._told(text, bad)
        if not bad:
            self.accept()
