"""The shock card: what each toggle did, before it, at it, and 10 and 50 steps later."""

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from core.messages import LaneInfo, RunStarted, Shocked, TrainingSlice
from gui.network_ink import scaled
from gui.network_words import number
from gui.panel import Panel
from gui.setting_grid import paint_text
from gui.shock_record import MOMENTS, RecentLosses, ToggleRecord, percent, verdict
from gui.theme import LIGHT, Theme
from gui.wording import whole

MOST_CARDS = 8
_LONGEST, _HEAD, _TAIL = 70, 40, 24  # characters of a title's first part; all of it is in the hover
_INSET = 4  # pixels between a figure and its cell's edge
_MARK = 24  # pixels of a lane's line sample


class ShockCard(Panel):
    """Follows the last toggles, one card each, newest first."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._infos: tuple[LaneInfo, ...] = ()
        self._losses: list[RecentLosses] = []
        self._records: list[ToggleRecord] = []  # newest first
        self._cards: list[ToggleCard] = []
        self._list = QWidget()
        self._scroll = QScrollArea()
        self._empty = QLabel(
            self.tr("Cut or restore a shortcut: what that does to the network is followed here.")
        )
        self._layout()
        self.refresh()

    @property
    def records(self) -> tuple[ToggleRecord, ...]:
        """What is followed, newest first."""
        return tuple(self._records)

    @property
    def cards(self) -> "tuple[ToggleCard, ...]":
        """The cards shown, newest first."""
        return tuple(self._cards[: len(self._records)])

    # ---- data in --------------------------------------------------------------------------

    def start_run(self, run: RunStarted) -> None:
        """Forget the last run's toggles."""
        self._infos = run.lanes
        self._losses = [RecentLosses() for _ in run.lanes]
        self._records.clear()
        self.refresh_now()

    def add_toggle(self, step: int, lane: int, text: str) -> None:
        """Follow what came into force at a step."""
        if 0 <= lane < len(self._infos):
            self._record(step, lane).add_text(text)
            self.mark_dirty()

    def on_shocked(self, event: Shocked) -> None:
        """Take in held-out figures; they may come before the toggle is known to be in force."""
        if 0 <= event.lane < len(self._infos):
            self._record(event.toggled, event.lane).add_reading(event.reading)
            self.mark_dirty()

    def add_slice(self, part: TrainingSlice) -> None:
        """Take in raw training losses."""
        for lane, share in enumerate(part.lanes[: len(self._losses)]):
            self._losses[lane].add(part.first_step, share.losses)
            for record in self._records:
                if record.lane == lane:
                    self._follow(record, share.diverged_at)

    # ---- what is shown --------------------------------------------------------------------

    def refresh(self) -> None:
        """Write every card anew."""
        self._scroll.setVisible(bool(self._records))
        self._empty.setVisible(not self._records)
        while len(self._cards) < len(self._records):
            self._cards.append(ToggleCard(self._list))
            self._stack.insertWidget(len(self._cards) - 1, self._cards[-1])
        for place, card in enumerate(self._cards):
            card.setVisible(place < len(self._records))
            if place < len(self._records):
                record = self._records[place]
                card.show_record(record, self._infos[record.lane], self.theme)

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        paint_text(self._empty, theme.muted)
        super().set_theme(theme)

    # ---- inside ---------------------------------------------------------------------------

    def _layout(self) -> None:
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self._empty.setMargin(16)
        self._stack = QVBoxLayout(self._list)
        self._stack.setContentsMargins(8, 8, 8, 8)
        self._stack.setSpacing(8)
        self._stack.addStretch(1)
        self._scroll.setWidget(self._list)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        everything = QVBoxLayout(self)
        everything.setContentsMargins(0, 0, 0, 0)
        everything.addWidget(self._empty, 1)
        everything.addWidget(self._scroll, 1)
        self.setMinimumSize(300, 160)
        self.setAccessibleName(self.tr("What the toggles did"))

    def _record(self, step: int, lane: int) -> ToggleRecord:
        """Return the record of a toggle; a new one ends the wait of the lane's older ones."""
        for record in self._records:
            if (record.step, record.lane) == (step, lane):
                return record
        made = ToggleRecord(step, lane)
        for record in self._records:
            if record.lane == lane and not record.ended and record.step < step:
                record.ended = self.tr("The lane was toggled again before that, at step {step}.").format(
                    step=whole(step)
                )
        self._records.append(made)
        self._records.sort(key=lambda record: -record.step)
        self._drop_surplus()
        made.find_losses(self._losses[lane])
        return made

    def _drop_surplus(self) -> None:
        """Keep the last ones; those that were overtaken at once (a dragged strength makes many) go first."""
        while len(self._records) > MOST_CARDS:
            overtaken = [record for record in self._records if record.ended and not record.was_followed]
            self._records.remove((overtaken or self._records)[-1])

    def _follow(self, record: ToggleRecord, diverged_at: int | None) -> None:
        changed = record.find_losses(self._losses[record.lane])
        if diverged_at is not None and not record.ended and not record.is_whole:
            record.ended = self.tr("The lane diverged at step {step}.").format(step=whole(diverged_at))
            changed = True
        if changed:
            self.mark_dirty()


class ToggleCard(QFrame):
    """One toggle: its title, the table of figures, the sentence."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = LIGHT
        self._mark = LaneMark(self)
        self.title = QLabel(self)
        self.sentence = QLabel(self)
        self._heads: list[QLabel] = []
        self._moments: list[QLabel] = []
        self.cells: dict[int, tuple[Cell, Cell, Cell]] = {}  # by moment: loss, accuracy, fresh accuracy
        self._arrange()

    def show_record(self, record: ToggleRecord, info: LaneInfo, theme: Theme) -> None:
        """Show what is known."""
        self._theme = theme
        self._mark.show_lane(record.lane, theme)
        self._show_title(record, info)
        has_norm = info.network.norm == "batch"
        for moment in MOMENTS:
            self._show_moment(moment, record, has_norm=has_norm)
        sentence = verdict(record, has_batch_norm=has_norm)
        self.sentence.setText(sentence)
        self.sentence.setVisible(bool(sentence))
        for label in (*self._heads, *self._moments):
            paint_text(label, theme.muted)
        paint_text(self.title, theme.text)
        paint_text(self.sentence, theme.text)
        self.update()

    # ---- inside ---------------------------------------------------------------------------

    def _arrange(self) -> None:
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.title.setFont(scaled(self.font(), 1.0, bold=True))
        self.title.setWordWrap(True)
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.sentence.setTextFormat(Qt.TextFormat.PlainText)
        self.sentence.setWordWrap(True)
        self.sentence.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(self._mark, 0, Qt.AlignmentFlag.AlignTop)
        head.addWidget(self.title, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 8, 10, 8)
        column.setSpacing(6)
        column.addLayout(head)
        column.addLayout(self._table())
        column.addWidget(self.sentence)

    def _table(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(2)
        small = scaled(self.font(), 0.88)
        heads: tuple[tuple[str, str, int, int, int], ...] = (
            (self.tr("training loss"), self.tr("The raw loss of that one step, on its batch."), 1, 1, 1),
            (self.tr("held-out accuracy, batch statistics"), self.tr(
                "Batch norm uses its running statistics, which are from before the toggle at first; "
                "or statistics estimated afresh on a few training batches."), 0, 2, 2),
            (self.tr("running"), self.tr("With the running statistics, as in every evaluation."), 1, 2, 1),
            (self.tr("fresh"), self.tr("With statistics estimated afresh on a few training batches."), 1, 3, 1),
        )  # fmt: skip
        for text, explain, row, column, span in heads:
            label = QLabel(text, self)
            label.setFont(small)
            label.setToolTip(explain)
            label.setContentsMargins(0, 0, _INSET, 0)
            label.setAlignment(Qt.AlignmentFlag.AlignRight if span == 1 else Qt.AlignmentFlag.AlignCenter)
            grid.addWidget(label, row, column, 1, span)
            self._heads.append(label)
        words = (self.tr("before"), self.tr("at the toggle"), self.tr("+10 steps"), self.tr("+50 steps"))
        for row, (moment, text) in enumerate(zip(MOMENTS, words, strict=True), start=2):
            label = QLabel(text, self)
            label.setFont(small)
            grid.addWidget(label, row, 0)
            self._moments.append(label)
            self.cells[moment] = (Cell(self), Cell(self), Cell(self))
            for column, cell in enumerate(self.cells[moment], start=1):
                cell.setAccessibleName(f"{text}: {self._heads[(0, 2, 3)[column - 1]].text()}")
                grid.addWidget(cell, row, column)
        for column in (1, 2, 3):
            grid.setColumnStretch(column, 1)
        return grid

    def _show_title(self, record: ToggleRecord, info: LaneInfo) -> None:
        done = "; ".join(record.texts) or self.tr("strengths changed")
        where = self.tr("lane {name} · step {step}").format(name=info.name, step=whole(record.step))
        shown = _shortened(done)
        self.title.setText(f"{shown} · {where}")
        self.title.setToolTip(done if shown != done else "")

    def _show_moment(self, moment: int, record: ToggleRecord, *, has_norm: bool) -> None:
        loss, running, fresh = self.cells[moment]
        waits = self._waiting(record)
        known = record.losses.get(moment)
        step = record.step + moment
        if known is None:
            loss.show_text(*waits, self._theme)
        else:
            explain = self.tr("training loss of step {step}").format(step=whole(step))
            loss.show_text(number(known, 4), explain, self._theme)
        reading = record.readings.get(moment)
        if reading is None:
            for cell in (running, fresh):
                cell.show_text(*waits, self._theme)
            return
        color = self._theme.lane_color(record.lane)
        running.show_share(reading.accuracy, self._loss_words(reading.loss), self._theme, color)
        if has_norm:
            fresh.show_share(reading.fresh_accuracy, self._loss_words(reading.fresh_loss), self._theme, color)
        else:
            fresh.show_text("–", self.tr("This network has no batch norm, so no statistics."), self._theme)

    def _waiting(self, record: ToggleRecord) -> tuple[str, str]:
        if record.ended:
            return "–", record.ended
        return "…", self.tr("not there yet")

    def _loss_words(self, loss: float) -> str:
        return self.tr("held-out loss {loss}").format(loss=number(loss, 4))

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(self._theme.grid))
        painter.setBrush(QColor(self._theme.background))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        painter.end()


def _shortened(text: str) -> str:
    """A long list of blocks without its middle; what was done to them stands at the end."""
    if len(text) <= _LONGEST:
        return text
    head, tail = text[:_HEAD].rpartition(",")[0], text[-_TAIL:].partition(",")[2]
    return f"{head or text[:_HEAD]}, … {(tail or text[-_TAIL:]).strip()}"


class Cell(QLabel):
    """A figure; a share has a bar behind it, from the left."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.share: float | None = None
        self._color = QColor()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.setContentsMargins(_INSET, 1, _INSET, 1)

    def show_text(self, text: str, explain: str, theme: Theme) -> None:
        """Show a number, or that there is none."""
        self.share = None
        self._show(text, explain, theme.text if text not in "…–" else theme.muted)

    def show_share(self, share: float, explain: str, theme: Theme, color: QColor) -> None:
        """Show a share in [0, 1]."""
        self.share = share
        self._color = QColor(color)
        self._color.setAlpha(70 if theme.dark else 46)
        self._show(percent(share), explain, theme.text)

    def _show(self, text: str, explain: str, color: str) -> None:
        self.setText(text)
        self.setToolTip(explain)
        paint_text(self, color)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.share is not None and self.share > 0:
            painter = QPainter(self)
            area = QRectF(self.rect()).adjusted(0, 0.5, 0, -0.5)
            area.setWidth(area.width() * min(self.share, 1.0))
            painter.fillRect(area, self._color)
            painter.end()
        super().paintEvent(event)


class LaneMark(QWidget):
    """A sample of a lane's line: its colour and its dash."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lane = 0
        self._theme = LIGHT
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def show_lane(self, lane: int, theme: Theme) -> None:
        """Show another lane's line."""
        self._lane, self._theme = lane, theme
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(_MARK, self.fontMetrics().height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(self._theme.lane_pen(self._lane, width=2.5))
        painter.drawLine(0, self.height() // 2, self.width(), self.height() // 2)
        painter.end()
