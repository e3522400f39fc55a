"""The gallery: thumbnails of an album's pictures, each with a mark per network, ✓ right or ✗ wrong."""

from collections.abc import Sequence

from PySide6.QtCore import (
    QModelIndex,
    QPersistentModelIndex,
    QPointF,
    QRect,
    QRectF,
    QSize,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetrics,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QPixmap,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from core.messages import PicturePage
from gui.gallery_model import GalleryModel
from gui.gallery_picture import GalleryPicture
from gui.network_ink import scaled
from gui.theme import LIGHT, Theme

SIDE = 64  # of a thumbnail, in logical pixels: 2 × 28 and 2 × 32 fit
_MARK = 13
_EDGE = 4
_SMALL = 0.85  # of the font, for labels
_MOST_TEXTS = 2000
QUIET_MS = 700


class Thumbnail(QStyledItemDelegate):
    """Draws one cell: the picture, the networks' marks, the true class."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.theme: Theme = LIGHT
        self._marks: dict[tuple[Theme, bool | None, int | None, float], QPixmap] = {}
        self._texts: dict[tuple[str, int], str] = {}  # elided: that is slow

    def cell(self, font: QFont) -> QSize:
        """Return the size of a cell."""
        height = SIDE + _MARK + QFontMetrics(scaled(font, _SMALL)).height() + 3 * _EDGE
        return QSize(SIDE + 2 * _EDGE + 4, height)

    def sizeHint(self, option: QStyleOptionViewItem, _index: QModelIndex | QPersistentModelIndex) -> QSize:
        return self.cell(option.font)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        model = index.model()
        assert isinstance(model, GalleryModel)
        painter.save()
        self._paint_frame(painter, option)
        picture = model.picture(index.row())
        box = QRect(
            option.rect.left() + (option.rect.width() - SIDE) // 2, option.rect.top() + _EDGE, SIDE, SIDE
        )
        if picture is None or picture.state == "loading":
            self._paint_waiting(painter, box)
        elif picture.state == "unreadable":
            self._paint_unreadable(painter, box)
        else:
            self._paint_picture(painter, box, model, picture)
            self._paint_marks(painter, box, model, picture)
        if picture is not None:
            self._paint_label(painter, option, model.label_name(picture))
        painter.restore()

    def _paint_waiting(self, painter: QPainter, box: QRect) -> None:
        """Three dots where a picture will be."""
        painter.fillRect(box, QColor(self.theme.surface))
        for place in (-1, 0, 1):
            dot = QRect(box.center().x() + 9 * place - 2, box.center().y() - 2, 4, 4)
            painter.fillRect(dot, QColor(self.theme.muted))

    def _paint_unreadable(self, painter: QPainter, box: QRect) -> None:
        """A crossed-out sheet, and in a word what it means."""
        painter.fillRect(box, QColor(self.theme.surface))
        painter.setPen(QPen(QColor(self.theme.muted), 1, Qt.PenStyle.DashLine))
        painter.drawRect(box.adjusted(0, 0, -1, -1))
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(self.theme.bad), 2))
        sheet = QRectF(box.center().x() - 8, box.top() + 10, 17, 21)
        painter.drawRect(sheet)
        painter.drawLine(sheet.bottomLeft() + QPointF(-4, 4), sheet.topRight() + QPointF(4, -4))
        painter.restore()
        painter.setFont(scaled(painter.font(), _SMALL * 0.9))
        painter.setPen(QColor(self.theme.text))
        flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom
        painter.drawText(box.adjusted(-4, 0, 4, -5), flags, self.tr("unreadable"))

    def _paint_frame(self, painter: QPainter, option: QStyleOptionViewItem) -> None:
        rect = QRectF(option.rect).adjusted(1, 1, -1, -1)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(QPen(QColor(self.theme.accent), 2))
            painter.setBrush(QColor(self.theme.surface))
            painter.drawRect(rect)
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(rect, QColor(self.theme.surface))

    def _paint_picture(
        self, painter: QPainter, box: QRect, model: GalleryModel, picture: GalleryPicture
    ) -> None:
        ratio = painter.deviceTransform().m11()
        image = model.thumbnail(picture, round(SIDE * ratio))
        size = QSize(round(image.width() / ratio), round(image.height() / ratio))
        rect = QRect(0, 0, size.width(), size.height())
        rect.moveCenter(box.center())
        painter.drawImage(rect, image)

    def _paint_marks(
        self, painter: QPainter, box: QRect, model: GalleryModel, picture: GalleryPicture
    ) -> None:
        marks = picture.marks(model.names)
        ratio = painter.deviceTransform().m11()
        left = box.center().x() - len(marks) * (_MARK + 2) // 2 + 1
        for network, right in enumerate(marks):
            drawn = self._mark(right, model.names.hue(network), ratio)
            painter.drawPixmap(left + network * (_MARK + 2), box.bottom() + 2, drawn)

    def _mark(self, right: bool | None, hue: int | None, ratio: float) -> QPixmap:
        """Return a mark drawn before: there are few, and lines take longer than a picture."""
        key = (self.theme, right, hue, ratio)
        if key not in self._marks:
            pixmap = QPixmap(round(_MARK * ratio), round(_MARK * ratio))
            pixmap.setDevicePixelRatio(ratio)
            pixmap.fill(Qt.GlobalColor.transparent)
            painter = QPainter(pixmap)
            paint_mark(painter, QRectF(0, 0, _MARK, _MARK), self.theme, right, hue)
            painter.end()
            self._marks[key] = pixmap
        return self._marks[key]

    def _paint_label(self, painter: QPainter, option: QStyleOptionViewItem, text: str) -> None:
        font = scaled(option.font, _SMALL)
        painter.setFont(font)
        painter.setPen(QColor(self.theme.text))
        metrics = QFontMetrics(font)
        rect = option.rect.adjusted(2, option.rect.height() - metrics.height() - _EDGE, -2, -_EDGE)
        key = (text, rect.width())
        if key not in self._texts:
            if len(self._texts) >= _MOST_TEXTS:
                self._texts.clear()
            self._texts[key] = metrics.elidedText(text, Qt.TextElideMode.ElideRight, rect.width())
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, self._texts[key])


class Gallery(QListView):
    """Shows the model's pictures and says what is looked at.

    Signals: `picked` (row) when a picture is chosen; `scrolled` when other rows come into view;
    `unfinished` (offset) when a page in view still waits for its files, and no other page comes any more.
    """

    picked = Signal(int)
    scrolled = Signal()
    unfinished = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.pictures = GalleryModel(self)
        self.empty_text = ""
        self._thumbnail = Thumbnail(self)
        self._settled = QTimer(self, singleShot=True, interval=0)
        self._settled.timeout.connect(self.scrolled)
        self._quiet = QTimer(self, singleShot=True, interval=QUIET_MS)
        self._quiet.timeout.connect(self._on_quiet)
        self.setModel(self.pictures)
        self.setItemDelegate(self._thumbnail)
        self._set_up()
        self.selectionModel().currentChanged.connect(self._on_current)
        self.verticalScrollBar().valueChanged.connect(lambda _value: self._settled.start())

    def _set_up(self) -> None:
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(True)
        self.setUniformItemSizes(True)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        # Always there, so that its coming and going does not move the columns.
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setMouseTracking(True)
        self.setAccessibleName(self.tr("Pictures of the album"))
        self.setGridSize(self._thumbnail.cell(self.font()))
        self.verticalScrollBar().setSingleStep(self.gridSize().height() // 3)
        self.setMinimumHeight(self.gridSize().height() + 2 * self.frameWidth())

    # ---- data in --------------------------------------------------------------------------

    def take(self, page: PicturePage, chosen: int | None) -> None:
        """Keep a page and mark the chosen picture where it stands now."""
        self.pictures.take(page)
        if page.paths:
            self._quiet.start()
        current = self.currentIndex()
        if chosen is None:
            if current.isValid() and self.pictures.picture(current.row()) is not None:
                self.picked.emit(current.row())  # it was chosen before its page was here
        elif (row := self.pictures.row_of(chosen)) is not None and row != current.row():
            self.mark(row)
        self._settled.start()

    def fetch_again(self) -> None:
        """Have the pages in view fetched again, and the others when they come into view."""
        self.pictures.mark_old()
        self._settled.start()

    def mark(self, row: int | None) -> None:
        """Show a row as chosen without saying so."""
        selection = self.selectionModel()
        blocked = selection.blockSignals(True)
        selection.setCurrentIndex(
            self.pictures.index(row) if row is not None else QModelIndex(),
            selection.SelectionFlag.ClearAndSelect,
        )
        selection.blockSignals(blocked)
        self.viewport().update()

    def say_empty(self, text: str) -> None:
        """Set what is drawn while there is no picture."""
        if text != self.empty_text:
            self.empty_text = text
            self.setAccessibleDescription(text)
            self.viewport().update()

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self._thumbnail.theme = theme
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Base, QColor(theme.background))
        palette.setColor(QPalette.ColorRole.Text, QColor(theme.text))
        self.setPalette(palette)

    # ---- what is in view ------------------------------------------------------------------

    def rows_in_view(self) -> tuple[int, int]:
        """Return the first and the last row that can be seen, and one line more on each side."""
        cell = self.gridSize()
        columns = max(1, self.viewport().width() // cell.width())
        top = self.verticalScrollBar().value()
        first = top // cell.height() - 1
        last = (top + self.viewport().height()) // cell.height() + 1
        return max(0, first * columns), (last + 1) * columns - 1

    def dataChanged(  # noqa: N802
        self, _first: QModelIndex | QPersistentModelIndex, _last: QModelIndex | QPersistentModelIndex,
        roles: Sequence[int] = (),
    ) -> None:  # fmt: skip
        # Qt would lay out every row anew, 20 ms for 20,000: here every cell is as large as before.
        self.viewport().update()

    def _on_quiet(self) -> None:
        """Only the page asked for last comes again by itself: one that was scrolled past waits in vain."""
        offset = self.pictures.unfinished(*self.rows_in_view())
        if offset is not None:
            self.unfinished.emit(offset)

    def _on_current(self, current: QModelIndex) -> None:
        if current.isValid():
            self.picked.emit(current.row())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        cell, width = self._thumbnail.cell(self.font()), self.viewport().width() - 1
        spread = QSize(max(cell.width(), width // max(1, width // cell.width())), cell.height())
        if spread != self.gridSize():
            self.setGridSize(spread)
        self._settled.start()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self.pictures.rowCount() and self.empty_text:
            painter = QPainter(self.viewport())
            painter.setPen(QColor(self._thumbnail.theme.muted))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.viewport().rect().adjusted(12, 4, -12, -4), flags, self.empty_text)
            painter.end()


def paint_mark(painter: QPainter, spot: QRectF, theme: Theme, right: bool | None, hue: int | None) -> None:
    """Draw ✓, ✗ or – (not known) over a bar in the lane's colour: shape says it as well as colour."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.fillRect(spot, QColor(theme.surface))
    bar = QColor(theme.muted) if hue is None else theme.lane_color(hue)
    painter.fillRect(QRectF(spot.left(), spot.bottom() - 2, spot.width(), 2), bar)
    color = {True: theme.good, False: theme.bad, None: theme.muted}[right]
    painter.setPen(QPen(QColor(color), 1.8, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    for start, end in _STROKES[right]:
        painter.drawLine(_within(spot, start), _within(spot, end))
    painter.restore()


_STROKES = {  # in parts of the square over the bar
    True: (((0.2, 0.55), (0.42, 0.8)), ((0.42, 0.8), (0.82, 0.25))),
    False: (((0.25, 0.25), (0.75, 0.8)), ((0.75, 0.25), (0.25, 0.8))),
    None: (((0.3, 0.5), (0.7, 0.5)),),
}


def _within(spot: QRectF, place: tuple[float, float]) -> QPointF:
    return QPointF(spot.left() + place[0] * spot.width(), spot.top() + place[1] * (spot.height() - 2))
