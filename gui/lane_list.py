"""The lanes in the set-up form: one strip each, with its name, shortcuts and learning rate."""

from collections.abc import Sequence, Set

from PySide6.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal, SignalInstance
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QLabel, QLineEdit, QToolButton, QVBoxLayout, QWidget

from core.settings import MAX_LANES, SETTING
from gui.icons import icon, swatch
from gui.setting_fields import QuietComboBox, make_editor
from gui.setting_grid import SectionHeading, line_label, mark_label, paint_text, show_line, show_mark
from gui.setup_draft import LaneDraft
from gui.theme import Theme

ROWS_PER_LANE = 3


class LaneList(QWidget):
    """One to four lanes; one of them is selected, for *copy*, *remove* and the network settings.

    Signals: `selected(place)`; `edited(place, field)` with the field "name", "preset", "custom" or
    "learning_rate" at every change by a person; `rate_finished(place)` once a learning rate is meant;
    `add_clicked`, `copy_clicked`, `remove_clicked`.
    """

    selected = Signal(int)
    edited = Signal(int, str)
    rate_finished = Signal(int)
    add_clicked = Signal()
    copy_clicked = Signal()
    remove_clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.heading = SectionHeading()
        self.heading.set_title(self.tr("Lanes"))
        self.add_button = self._button(self.tr("Add a lane with all shortcuts"), self.add_clicked)
        self.copy_button = self._button(self.tr("Copy the selected lane"), self.copy_clicked)
        self.remove_button = self._button(self.tr("Remove the selected lane"), self.remove_clicked)
        self._choice = QButtonGroup(self)
        self._choice.idClicked.connect(self.selected)
        # Made once and hidden when not used: the keyboard's order stays that of the screen.
        self.strips = tuple(LaneStrip(place, self) for place in range(MAX_LANES))
        self._captions = (
            QLabel(self.tr("Name")),
            QLabel(self.tr("Shortcuts")),
            QLabel(self.tr("Learning rate")),
        )
        self._layout()

    def show_lanes(self, lanes: Sequence[LaneDraft], selected: int, theme: Theme) -> None:
        """Show lanes without echo."""
        for place, strip in enumerate(self.strips):
            strip.set_visible(place < len(lanes))
            if place < len(lanes):
                strip.show_lane(lanes[place], theme)
        self.strips[selected].button.setChecked(True)
        self.add_button.setEnabled(len(lanes) < MAX_LANES)
        self.copy_button.setEnabled(len(lanes) < MAX_LANES)
        self.remove_button.setEnabled(len(lanes) > 1)
        for button, name in (
            (self.add_button, "add"),
            (self.copy_button, "copy"),
            (self.remove_button, "remove"),
        ):
            button.setIcon(icon(name, theme))
        for caption in self._captions:
            paint_text(caption, theme.muted)

    def show_marks(
        self, changed: Sequence[Set[str]], faults: Sequence[str], notes: Sequence[str], theme: Theme
    ) -> None:
        """Mark what differs from the run, lane by lane, and say what is wrong or what there is."""
        for strip, names, fault, note in zip(self.strips, changed, faults, notes, strict=False):
            show_mark(strip.mark, bool(names & {"name", "shortcuts", "lane"}), theme)
            show_line(strip.line, fault, note, theme)

    @property
    def controls(self) -> list[QWidget]:
        """What the keyboard reaches, top to bottom."""
        found: list[QWidget] = [self.add_button, self.copy_button, self.remove_button]
        for strip in self.strips:
            found += [strip.button, strip.name, strip.preset, strip.learning_rate.control, strip.custom]
        return found

    def _button(self, text: str, clicked: SignalInstance) -> QToolButton:
        button = QToolButton()
        button.setAutoRaise(True)
        button.setToolTip(text)
        button.setAccessibleName(text)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        button.clicked.connect(clicked)
        self.heading.add_button(button)
        return button

    def _layout(self) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(4)
        for column, stretch in ((2, 2), (3, 3), (4, 3)):
            grid.setColumnStretch(column, stretch)
            grid.addWidget(self._captions[column - 2], 0, column)
        for strip in self.strips:
            self._choice.addButton(strip.button, strip.place)
            strip.add_to(grid, 1 + ROWS_PER_LANE * strip.place)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.heading)
        layout.addLayout(grid)


class LaneStrip(QObject):
    """The widgets of one lane."""

    def __init__(self, place: int, lanes: LaneList) -> None:
        super().__init__(lanes)
        self.place = place
        self._lanes = lanes
        self.mark = mark_label()
        self.button = QToolButton()
        self.button.setCheckable(True)
        self.button.setAutoRaise(True)
        self.name = QLineEdit()
        self.name.setMaxLength(40)
        self.name.setMinimumWidth(44)
        self.preset = QuietComboBox()
        self.custom = QLineEdit()
        self.learning_rate = make_editor(SETTING["learning_rate"])
        self.line = line_label()
        self._describe()
        self._connect()

    def add_to(self, grid: QGridLayout, row: int) -> None:
        """Take places in the list's grid."""
        grid.addWidget(self.mark, row, 0)
        for column, widget in enumerate((self.button, self.name, self.preset, self.learning_rate), start=1):
            grid.addWidget(widget, row, column)
        grid.addWidget(self.custom, row + 1, 2, 1, 3)
        grid.addWidget(self.line, row + 2, 2, 1, 3)

    def set_visible(self, shown: bool) -> None:
        """Show or hide the whole strip."""
        for widget in (self.mark, self.button, self.name, self.preset, self.learning_rate):
            widget.setVisible(shown)
        if not shown:
            self.custom.hide()
            self.line.hide()

    def show_lane(self, lane: LaneDraft, theme: Theme) -> None:
        """Show one lane without echo."""
        self.button.setIcon(swatch(theme.lane_color(self.place).name()))
        self.button.setAccessibleName(self.tr("Select lane {name}").format(name=lane.name))
        if self.name.text().strip() != lane.name:
            self.name.setText(lane.name)
        with QSignalBlocker(self.preset):
            self.preset.setCurrentIndex(self.preset.findData(lane.preset))
        self.custom.setVisible(lane.preset == "custom")
        if self.custom.text() != lane.custom:
            self.custom.setText(lane.custom)
        self.learning_rate.set_value(lane.learning_rate)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Select the lane whose editor is used, so that *copy* and *remove* mean it."""
        if event.type() == QEvent.Type.FocusIn and not self.button.isChecked():
            self.button.setChecked(True)
            self._lanes.selected.emit(self.place)
        return super().eventFilter(watched, event)

    def _describe(self) -> None:
        for words, data in (
            (self.tr("All"), "all"),
            (self.tr("None"), "none"),
            (self.tr("Custom"), "custom"),
        ):
            self.preset.addItem(words, data)
        self.button.setToolTip(self.tr("Select this lane: its network is shown below"))
        self._tell(self.name, self.tr("Lane name"), self.tr("What curves and pictures call this lane"))
        self._tell(
            self.preset, self.tr("Shortcuts at step 1"), self.tr("Which shortcuts the lane starts with")
        )
        self._tell(
            self.custom,
            self.tr("Shortcut strengths"),
            self.tr("One number from 0 to 1 for each block, stem to head"),
        )

    def _tell(self, widget: QWidget, name: str, explain: str) -> None:
        widget.setAccessibleName(name)
        widget.setAccessibleDescription(explain)
        widget.setToolTip(explain)

    def _connect(self) -> None:
        lanes, place = self._lanes, self.place
        self.name.textEdited.connect(lambda: lanes.edited.emit(place, "name"))
        self.preset.activated.connect(lambda: lanes.edited.emit(place, "preset"))
        self.custom.textEdited.connect(lambda: lanes.edited.emit(place, "custom"))
        self.learning_rate.edited.connect(lambda: lanes.edited.emit(place, "learning_rate"))
        self.learning_rate.finished.connect(lambda: lanes.rate_finished.emit(place))
        for widget in (self.name, self.preset, self.custom, self.learning_rate.control):
            widget.installEventFilter(self)
