"""The line that names the stored runs drawn behind the live curves."""

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.run_ink import SWATCH, Overlaid, draw_swatch
from gui.theme import LIGHT, Theme

_SPACE = 5
_BETWEEN = 14
_TIGHT = 8
_LEAST_NAME = 30


class OverlayLegend(QWidget):
    """Number, line and name of each stored run in one line; hidden while there is none.

    Where the line is too short, names are elided to one width, or left to the hint altogether.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme: Theme = LIGHT
        self._runs: tuple[Overlaid, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.hide()

    @property
    def runs(self) -> tuple[Overlaid, ...]:
        """What is shown."""
        return self._runs

    def show_runs(self, runs: tuple[Overlaid, ...]) -> None:
        """Name these runs."""
        self._runs = runs
        lines = [
            self.tr("{number}: {name} (lanes {lanes})").format(
                number=run.number, name=run.label, lanes=", ".join(run.lanes)
            )
            for run in runs
        ]
        self.setToolTip("\n".join((self.tr("Stored runs behind the loss:"), *lines)))
        self.setAccessibleName(self.toolTip())
        self.setVisible(bool(runs))
        self.update()

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(200, self.fontMetrics().height() + 6)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        metrics, height = self.fontMetrics(), self.height()
        fixed = len(self._runs) * (SWATCH[0] + _SPACE + _BETWEEN)
        wanted = [metrics.horizontalAdvance(run.label) + 2 for run in self._runs]
        room = _name_room(wanted, self.width() - _SPACE - fixed)
        x = float(_SPACE)
        for run, width in zip(self._runs, wanted, strict=True):
            area = QRectF(x, (height - SWATCH[1]) / 2, *SWATCH)
            draw_swatch(painter, self._theme, run.slot, area, self.font())
            if room < min(_LEAST_NAME, width):
                x = area.right() + _TIGHT
                continue
            x = area.right() + _SPACE
            shown = metrics.elidedText(run.label, Qt.TextElideMode.ElideMiddle, min(width, room))
            painter.setPen(QColor(self._theme.text))
            painter.drawText(QPointF(x, (height + metrics.ascent() - metrics.descent()) / 2), shown)
            x += min(width, room) + _BETWEEN
        painter.end()


def _name_room(wanted: list[int], room: int) -> int:
    """The widest a name may be for all to fit."""
    left, names = room, sorted(wanted)
    for place, width in enumerate(names):
        share = left // (len(names) - place)
        if width > share:
            return share
        left -= width
    return max(names, default=0)
