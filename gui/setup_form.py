"""The widgets of the set-up form: they show a draft and its marks, and decide nothing."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from itertools import pairwise

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.settings import SETTING
from gui.icons import icon
from gui.lane_list import LaneList
from gui.setting_fields import choice_words
from gui.setting_grid import SettingGrid, line_label, paint_text, show_line, show_mark
from gui.setup_draft import NETWORK_NAMES, RUN_NAMES, Draft, Place
from gui.theme import Theme

DOWNLOAD_MEGABYTES = {"cifar10": 170, "cifar100": 169}


@dataclass(frozen=True, slots=True)
class FormView:
    """What the form shows beside the values: marks, faults and remarks, worded."""

    draft: Draft
    selected: int
    places: tuple[int, ...]  # the lanes that the network section speaks for
    changed: Set[Place]
    faults: Mapping[Place, str]
    notes: Mapping[str, str]
    lane_notes: tuple[str, ...]
    downloadable: bool
    has_run: bool


class SetupForm(QWidget):
    """Three sections that scroll, and a foot with *Apply* and *Revert* that does not."""

    def __init__(self) -> None:
        super().__init__()
        self.recipe = SettingGrid([SETTING[name] for name in RUN_NAMES])
        self.download = QToolButton()
        self.new_seed = QToolButton()
        self.lanes = LaneList()
        self.lanes_line = line_label()
        self.for_all = QCheckBox(self.tr("For all lanes"))
        self.network = SettingGrid([SETTING[name] for name in NETWORK_NAMES])
        self.rule = QFrame()
        self.rule.setFrameShape(QFrame.Shape.HLine)
        self.rule.setFrameShadow(QFrame.Shadow.Plain)
        self.summary = QLabel()
        self.apply_button = QPushButton(self.tr("Apply (resets the run)"))
        self.revert_button = QPushButton(self.tr("Revert"))
        self._describe()
        self._arrange()
        self._order_keys()

    def show_view(self, view: FormView, theme: Theme) -> None:
        """Show values and marks without echo."""
        self.recipe.show_values(view.draft.run)
        self.lanes.show_lanes(view.draft.lanes, view.selected, theme)
        self.network.show_values(view.draft.lanes[view.selected].network)
        self._show_marks(view, theme)
        self._show_heading(view)
        self._show_foot(view, theme)
        paint_text(self.rule, theme.grid)
        self.download.setIcon(icon("download", theme))
        self.new_seed.setIcon(icon("seed", theme))
        self._show_download(view)

    def _show_marks(self, view: FormView, theme: Theme) -> None:
        run_changed = {name for place, name in view.changed if place is None}
        run_faults = {name: text for (place, name), text in view.faults.items() if place is None}
        self.recipe.show_marks(run_changed, run_faults, view.notes, theme)
        here = {name for place, name in view.changed if place in view.places}
        wrong = {name: text for (place, name), text in view.faults.items() if place in view.places}
        self.network.show_marks(here, wrong, view.notes, theme)
        by_lane = [
            {name for where, name in view.changed if where == place} for place in range(len(view.draft.lanes))
        ]
        self.lanes.show_marks(by_lane, self._lane_faults(view), view.lane_notes, theme)
        show_mark(self.lanes.heading.mark, "lanes" in run_changed, theme)
        show_line(self.lanes_line, run_faults.get("lanes", ""), "", theme)

    def _lane_faults(self, view: FormView) -> list[str]:
        """Return one fault a lane: those the network section shows stand there already."""
        found = []
        for place in range(len(view.draft.lanes)):
            elsewhere = [
                text
                for (where, name), text in view.faults.items()
                if where == place and not (place in view.places and name in self.network.editors)
            ]
            found.append(elsewhere[0] if elsewhere else "")
        return found

    def _show_heading(self, view: FormView) -> None:
        several = len(view.draft.lanes) > 1
        self.for_all.setVisible(several)
        if several and len(view.places) == 1:
            name = view.draft.lanes[view.selected].name
            self.network.heading.set_title(self.tr("Network of {lane}").format(lane=name))
        else:
            self.network.heading.set_title(self.tr("Network"))

    def _show_foot(self, view: FormView, theme: Theme) -> None:
        self.apply_button.setEnabled(not view.faults and (bool(view.changed) or not view.has_run))
        self.revert_button.setEnabled(view.has_run and bool(view.changed or view.faults))
        if view.faults:
            one = len(view.faults) == 1
            words = self.tr("1 value cannot be used") if one else self.tr("{count} values cannot be used")
            self.summary.setText(words.format(count=len(view.faults)))
        elif view.changed:
            one = len(view.changed) == 1
            words = self.tr("1 change, not applied") if one else self.tr("{count} changes, not applied")
            self.summary.setText(words.format(count=len(view.changed)))
        elif view.has_run:
            self.summary.setText(self.tr("The run has these settings"))
        else:
            self.summary.setText(self.tr("No run yet"))
        paint_text(self.summary, theme.bad if view.faults else theme.muted)

    def _show_download(self, view: FormView) -> None:
        dataset = view.draft.run["dataset"]
        self.download.setVisible(view.downloadable)
        if view.downloadable:
            words = self.tr("Download {name} ({size} MB)").format(
                name=choice_words(SETTING["dataset"], dataset), size=DOWNLOAD_MEGABYTES[dataset]
            )
            self.download.setToolTip(words)
            self.download.setAccessibleName(words)

    def _describe(self) -> None:
        self.recipe.heading.set_title(self.tr("Data and recipe"))
        self.new_seed.setToolTip(self.tr("Draw a new seed"))
        self.new_seed.setAccessibleName(self.tr("Draw a new seed"))
        self.for_all.setToolTip(self.tr("Edits of the network are made in every lane"))
        for button in (self.download, self.new_seed):
            button.setAutoRaise(True)
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.recipe.add_beside("dataset", self.download)
        self.recipe.add_beside("seed", self.new_seed)
        self.network.heading.add_button(self.for_all)
        self.apply_button.setToolTip(
            self.tr("Begin a new run with these settings; the present one is kept in its folder")
        )
        self.revert_button.setToolTip(self.tr("Show the running run's settings again"))

    def _arrange(self) -> None:
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(10, 6, 10, 10)
        column.setSpacing(14)
        for section in (self.recipe, self.lanes, self.lanes_line, self.network):
            column.addWidget(section)
        column.addStretch(1)
        width = max(self.recipe.label_width, self.network.label_width)
        self.recipe.set_label_width(width)
        self.network.set_label_width(width)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(inside)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(scroll, 1)
        layout.addWidget(self.rule)
        layout.addLayout(self._foot())

    def _order_keys(self) -> None:
        """Let the Tab key go from top to bottom, whatever the order things were made in."""
        order = [*self.recipe.controls, *self.lanes.controls, self.for_all, *self.network.controls]
        for before, after in pairwise([*order, self.apply_button, self.revert_button]):
            QWidget.setTabOrder(before, after)

    def _foot(self) -> QVBoxLayout:
        buttons = QHBoxLayout()
        buttons.addWidget(self.apply_button, 1)
        buttons.addWidget(self.revert_button)
        foot = QVBoxLayout()
        foot.setContentsMargins(10, 6, 10, 8)
        foot.setSpacing(4)
        foot.addWidget(self.summary)
        foot.addLayout(buttons)
        return foot
