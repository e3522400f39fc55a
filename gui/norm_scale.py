"""The key of the gradient history's colours: a bar over the fixed decades."""

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.network_words import power_of_ten
from gui.theme import LIGHT, NORM_DECADES, Theme, norm_table

_BAR = 56
_SPACE = 4


class NormScale(QWidget):
    """10⁻⁹ ▁▁▁ 10³ in the colours of the map."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme: Theme = LIGHT
        self._texts = [power_of_ten(round(decade)) for decade in NORM_DECADES]
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            self.tr("The scale is fixed: a colour means the same in every lane and at every step.")
        )

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        metrics = self.fontMetrics()
        texts = sum(metrics.horizontalAdvance(text) for text in self._texts)
        return QSize(texts + _BAR + 2 * _SPACE, metrics.height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        metrics = self.fontMetrics()
        left = metrics.horizontalAdvance(self._texts[0]) + _SPACE
        painter.setPen(QColor(self._theme.muted))
        painter.drawText(
            self.rect(), Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self._texts[0]
        )
        painter.drawText(
            self.rect(), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, self._texts[1]
        )
        table = norm_table()
        image = QImage(table.tobytes(), len(table), 1, 3 * len(table), QImage.Format.Format_RGB888)
        painter.drawImage(QRect(left, self.height() // 2 - 4, _BAR, 9), image)
        painter.end()
