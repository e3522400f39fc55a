"""The maps of all networks side by side, or as a table with a row a network; what does not fit scrolls."""

from collections.abc import Callable

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QWidget

from core.overlay import Look, Overlay, draw, scale_of
from core.settings import MAX_LANES
from gui.arrangement import NOTHING, Arranged
from gui.explanation_layout import SMALLEST_SIDE, Text, grid
from gui.explanation_view import ExplanationView, line_height
from gui.explanation_words import TOP, ages, caption_parts, row_words
from gui.frame_heads import FrameHeads, RowName, draw_row_name
from gui.frame_layout import FrameGrid, Measures, frame_grid
from gui.subject import Shown, Subject
from gui.theme import LIGHT, Theme, color_table


class ExplanationArea(QScrollArea):
    """One view per map, as large as the room allows.

    Signals: `figure_requested` (a list of Shown) when a map, or all of them, are to be saved.
    """

    figure_requested = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme: Theme = LIGHT
        self.views: list[ExplanationView] = []  # that are shown, row by row
        self.arranged: Arranged = NOTHING
        self._at: dict[ExplanationView, tuple[int, int]] = {}  # row and column of those shown
        self._looked_at: ExplanationView | None = None
        self._table: FrameGrid | None = None
        self._common = False
        self._now: int | None = None
        self._empty_text = ""
        self._body = _Body(self._paint_names, self)
        self._heads = FrameHeads(self)
        self._head_lines = 1
        self._said = QLabel(self)  # of the frame that has the focus or the pointer
        self._said.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
        # Enough for one map a lane from the start, so that they have their place in the order of tabs.
        self._all_views: list[ExplanationView] = []
        self._make_views(MAX_LANES)
        self.setWidget(self._body)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setMinimumHeight(SMALLEST_SIDE)
        self.horizontalScrollBar().valueChanged.connect(self._on_sideways)
        self._show_frame_parts()

    # ---- data in --------------------------------------------------------------------------

    def show_arranged(self, arranged: Arranged) -> None:
        """Show these networks' answers; what is not here yet has no map until `draw_maps`."""
        subjects = arranged.subjects()
        other = _shape(arranged) != _shape(self.arranged) or len(subjects) != len(self.views)
        self.arranged = arranged
        self._make_views(len(subjects))
        self.views = self._all_views[: len(subjects)]
        framed = arranged.arrangement != "single"
        if other:
            self._at = {
                view: (row, column) for view, (row, column, _) in zip(self.views, subjects, strict=True)
            }
            for view in self._all_views:
                if view not in self._at:
                    view.forget()
                view.framed = framed
                view.setVisible(view in self._at)
            self._share_tab(self.views[0] if self.views else None)
        for view, (_, _, subject) in zip(self.views, subjects, strict=True):
            view.show_subject(subject)
        self._place()

    def draw_maps(self, look: Look, table: str, *, common: bool) -> None:
        """Lay the maps over the pictures; those that are drawn so already stay as they are."""
        self._common = common
        for difference in (False, True):  # which have a scale of their own
            views = [view for view in self.views if _of(view).is_difference == difference]
            maps = [each for view in views if (each := _of(view).attribution) is not None]
            scale = scale_of(maps) if common and maps else None
            for view in views:
                _draw(view, look, table, scale)
        self._say()

    def set_now(self, step: int | None, words: Callable[[Subject], str]) -> None:
        """Say what step the lanes have come to, and over each picture what is going on with it."""
        for view in self.views:
            view.set_now(step, words(_of(view)))
        if step != self._now:
            self._now = step
            if self._table is not None:
                self._body.update()

    def say_empty(self, text: str) -> None:
        """Set what is drawn while nothing is explained."""
        if text != self._empty_text:
            self._empty_text = text
            self.viewport().update()

    def figures(self) -> list[Shown]:
        """Return every map that is shown, to be drawn elsewhere."""
        return [self._shown(view) for view in self.views]

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self.theme = theme
        for widget in (self.viewport(), self):
            palette = widget.palette()
            palette.setColor(QPalette.ColorRole.Window, QColor(theme.background))
            widget.setPalette(palette)
        self.setAutoFillBackground(True)
        palette = self._said.palette()
        palette.setColor(QPalette.ColorRole.WindowText, QColor(theme.muted))
        self._said.setPalette(palette)
        self._heads.set_theme(theme)
        for view in self._all_views:
            view.set_theme(theme)

    # ---- views ----------------------------------------------------------------------------

    def _make_views(self, count: int) -> None:
        while len(self._all_views) < count:
            view = ExplanationView(self._body)
            view.hide()
            view.set_theme(self.theme)
            view.moved.connect(lambda rows, columns, view=view: self._move(view, rows, columns))
            view.looked_at.connect(lambda view=view: self._look_at(view))
            view.figure_wanted.connect(lambda view=view: self.figure_requested.emit([self._shown(view)]))
            view.all_wanted.connect(lambda: self.figure_requested.emit(self.figures()))
            if self._all_views:
                QWidget.setTabOrder(self._all_views[-1], view)
            self._all_views.append(view)

    def _shown(self, view: ExplanationView) -> Shown:
        subject = _of(view)
        row, column = self._at[view]
        return Shown(
            subject, row, column, subject.title, view.overlay, view.look, view.table,
            0.0 if view.overlay is None else view.overlay.scale, self._common,
            caption_parts(subject.name, subject.title, subject.answer, subject.explanation),
        )  # fmt: skip

    def _share_tab(self, chosen: ExplanationView | None) -> None:
        """One frame of a table is reached by Tab, the others from there by the arrow keys."""
        framed = self.arranged.arrangement != "single"
        for view in self.views:
            reached = not framed or view is chosen
            view.setFocusPolicy(Qt.FocusPolicy.StrongFocus if reached else Qt.FocusPolicy.ClickFocus)

    def _move(self, view: ExplanationView, rows: int, columns: int) -> None:
        row, column = self._at[view]
        if self.arranged.arrangement == "single":  # the networks are no rows there
            index = self.views.index(view) + rows + columns
            target = self.views[index] if 0 <= index < len(self.views) else None
        else:
            wanted = (row + rows, column + columns)
            target = next((each for each, at in self._at.items() if at == wanted), None)
        if target is not None:
            target.setFocus(Qt.FocusReason.OtherFocusReason)
            self.ensureWidgetVisible(target, 0, 0)

    def _look_at(self, view: ExplanationView) -> None:
        if view.hasFocus():
            self._share_tab(view)
        self._looked_at = view
        self._say()

    def _say(self) -> None:
        """Write under the table what there is to say of the frame looked at last."""
        if self._table is None:
            return
        view = self._looked_at
        text = " · ".join(view.parts()) if view is not None and view in self._at else ""
        self._said.setText(text)
        self._said.setToolTip(text)

    # ---- placing --------------------------------------------------------------------------

    def _place(self) -> None:
        if not self.views:
            self._table = None
            self._show_frame_parts()
            self._body.resize(0, 0)
        elif self.arranged.arrangement == "single":
            self._table = None
            self._show_frame_parts()
            self._place_networks()
        else:
            self._place_frames()

    def _place_networks(self) -> None:
        subjects = [_of(view) for view in self.views]
        lines = max(TOP + 2, *(len(each.lines) + len(each.bars) for each in subjects))
        text = Text(line_height(self), lines)
        shape = grid(len(subjects), self.viewport().size(), text, self.views[0].pixels)
        for index, view in enumerate(self.views):
            view.text_lines = lines
            view.setGeometry(shape.rect(index))
        last = shape.rect(len(subjects) - 1)
        self._body.resize(max(self.viewport().width(), 1), last.bottom() + 1)

    def _place_frames(self) -> None:
        line = line_height(self)
        rows, columns = len(self.arranged.rows), len(self.arranged.columns)
        measures = Measures(line, self.views[0].pixels, TOP + 2, self.arranged.arrangement != "filmstrip")
        bar = self.horizontalScrollBar().sizeHint().height()
        titles = [column.title for column in self.arranged.columns]
        # Reckoned from the area's own size, not from what the scroll bars leave: they would come and go in turn.
        room = QSize(self.width(), self.height() - 2 * line)
        table = frame_grid(rows, columns, room, measures)
        for _ in range(2):  # a bar on one side may call for one on the other
            self._head_lines = self._heads.lines(titles, table.cell.width())
            room = QSize(self.width(), self.height() - (self._head_lines + 1) * line)
            spare = QSize(
                self.width() - (bar if table.size.height() > room.height() else 0),
                room.height() - (bar if table.size.width() > self.width() else 0),
            )
            table = frame_grid(rows, columns, spare, measures)
        self._table = table
        for view, (row, column) in self._at.items():
            view.text_lines = table.lines
            view.setGeometry(table.rect(row, column))
        self._body.resize(table.size)
        self._body.update()
        self._show_frame_parts()

    def _show_frame_parts(self) -> None:
        framed = self._table is not None
        line = line_height(self) if framed else 0
        self.setViewportMargins(0, self._head_lines * line, 0, line)
        policy = Qt.ScrollBarPolicy
        self.setHorizontalScrollBarPolicy(policy.ScrollBarAsNeeded if framed else policy.ScrollBarAlwaysOff)
        self._heads.setVisible(framed)
        self._said.setVisible(framed)
        if self._table is None:
            return
        columns = self.arranged.columns
        self._heads.show_columns(
            [
                (column.title, column.explain, self._table.rect(0, place))
                for place, column in enumerate(columns)
            ]
        )
        self._heads.setGeometry(QRect(0, 0, self.viewport().width(), self._head_lines * line))
        self._said.setGeometry(QRect(0, self.height() - line, self.width(), line))
        self._on_sideways(self.horizontalScrollBar().value())

    def _on_sideways(self, value: int) -> None:
        self._heads.set_offset(value)
        if self._table is not None:
            self._body.update()  # the rows' names stay where they can be read

    def _paint_names(self, painter: QPainter, region: QRect) -> None:
        if self._table is None:
            return
        left, width = self.horizontalScrollBar().value(), self.viewport().width()
        for row, network in enumerate(self.arranged.networks):
            place = self._table.name(row)
            place.setLeft(left)
            place.setWidth(width)
            if place.intersects(region):
                draw_row_name(painter, place, self._row_name(row, network.name, network.hue), self.theme)

    def _row_name(self, row: int, name: str, hue: int | None) -> RowName:
        answered = [each for each in self.arranged.rows[row] if each is not None and each.answer is not None]
        explanation = answered[0].explanation if answered else None
        answers = [each.answer for each in answered if each.answer is not None and not each.is_difference]
        step = None if explanation is None else explanation.step
        return RowName(name, hue, row_words(answers, explanation), tuple(ages(step, self._now)))

    # ---- Qt's side ------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place()

    def wheelEvent(self, event: QWheelEvent) -> None:
        bar = self.horizontalScrollBar()
        turned = event.angleDelta()
        if bar.maximum() and not self.verticalScrollBar().maximum() and not turned.x():
            bar.setValue(bar.value() - turned.y())  # a filmstrip has one way to go
            event.accept()
        else:
            super().wheelEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self.views and self._empty_text:
            painter = QPainter(self.viewport())
            painter.setPen(QColor(self.theme.muted))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.viewport().rect().adjusted(12, 4, -12, -4), flags, self._empty_text)
            painter.end()


class _Body(QWidget):
    """What is scrolled: the views, with the rows' names between them."""

    def __init__(self, paint: Callable[[QPainter, QRect], None], parent: QWidget) -> None:
        super().__init__(parent)
        self._paint = paint

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        self._paint(painter, event.rect())
        painter.end()


def _of(view: ExplanationView) -> Subject:
    assert view.subject is not None
    return view.subject


def _shape(arranged: Arranged) -> object:
    return arranged.arrangement, arranged.columns, arranged.networks


def _draw(view: ExplanationView, look: Look, table: str, scale: float | None) -> None:
    subject = _of(view)
    attribution = subject.attribution
    if attribution is None:
        if view.overlay is not None:
            view.set_overlay(None, look, table)
        return
    asked = (id(attribution), look, table, scale)
    if view.overlay is not None and view.drawn == asked:
        return
    view.drawn = asked
    overlay: Overlay = draw(subject.picture, attribution, color_table(table), look, scale)
    view.set_overlay(overlay, look, table)
