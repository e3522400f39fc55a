"""The set-up panel: what the next run is to be, beside what the running one is.

It holds a draft (gui/setup_draft.py): every edit makes a new one, which gui/setup_form.py shows.
Nothing reaches the engine before *Apply*, except a lane's learning rate, which takes effect at once.
"""

import random
from collections.abc import Collection

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from core.messages import EngineReady, RunStarted
from core.settings import (
    SETTING,
    NetworkSettings,
    RunSettings,
    twins,
)
from gui.panel import Panel
from gui.setting_fields import ChoiceEditor, choice_words
from gui.setup_draft import (
    Draft,
    alike,
    build,
    changes,
    draft_of,
    faults,
    with_added,
    with_depth,
    with_lane,
    with_learning_rate,
    with_network,
    with_preset,
    with_rate,
    with_run,
    without,
)
from gui.setup_form import DOWNLOAD_MEGABYTES, FormView, SetupForm
from gui.setup_notes import lane_note, network_notes, recipe_notes
from gui.wording import say


class SetupPanel(Panel):
    """The form for data, recipe, lanes and networks.

    Signals: `apply_requested(RunSettings)`; `learning_rate_changed(lane, value)` as soon as it is meant;
    `download_requested(name)`; `folder_requested()`, to be answered with `set_dataset`.
    """

    apply_requested = Signal(object)
    learning_rate_changed = Signal(int, float)
    download_requested = Signal(str)
    folder_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.draft = draft_of(RunSettings(lanes=twins(NetworkSettings())))
        self._selected = 0
        self._run: RunStarted | None = None  # as it began; a reset brings the same again
        self._running: RunSettings | None = None  # with the learning rates of now
        self._device = "cpu"
        self._local: Collection[str] = ()
        self.form = SetupForm()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.form)
        self._connect()
        self._take(self.draft)

    def settings(self) -> RunSettings:
        """Return what the form asks for, or raise the SettingsError it shows."""
        return build(self.draft)

    def set_settings(self, settings: RunSettings) -> None:
        """Put settings into the form, as an edit: what differs from the running run is marked."""
        self._take(draft_of(settings, len(self._running.lanes) if self._running else 0))

    def start_run(self, event: RunStarted) -> None:
        """Take the settings of a new run; edits not yet applied outlive a reset of the same run."""
        again = self._run is not None and event.settings == self._run.settings
        self._run, self._running = event, event.settings
        if again:
            self.refresh()
        else:
            self._take(draft_of(event.settings, len(event.lanes)))

    def set_engine(self, event: EngineReady) -> None:
        """Offer the devices there are."""
        self._device = event.device
        editor = self.form.recipe.editors["device"]
        assert isinstance(editor, ChoiceEditor)
        automatic = self.tr("Automatic ({device})").format(
            device=choice_words(SETTING["device"], event.device)
        )
        editor.set_choices(dict.fromkeys(("auto", *event.devices)), {"auto": automatic})
        self.refresh()

    def set_dataset(self, dataset: str) -> None:
        """Choose a data set: a name, or the folder that `folder_requested` asked for."""
        self._edit(with_run(self.draft, "dataset", dataset))

    def set_local_datasets(self, names: Collection[str]) -> None:
        """Say which data sets need no download."""
        self._local = frozenset(names)
        self.refresh()

    def set_learning_rate(self, value: float, lane: int | None = None) -> None:
        """Take a learning rate of one lane of the run, or of all, that was set elsewhere; no echo."""
        if self._running is not None:
            self._running = with_rate(self._running, value, lane)
        self._edit(with_learning_rate(self.draft, value, lane))

    def refresh(self) -> None:
        """Show the draft, what differs from the run, and what is wrong."""
        draft = self.draft
        dataset = draft.run["dataset"]
        view = FormView(
            draft=draft,
            selected=self._selected,
            places=self._places(),
            changed=changes(draft, self._running) if self._running else set(),
            faults={place: say(notice) for place, notice in faults(draft).items()},
            notes=network_notes(draft, self._places(), self._device) | recipe_notes(draft),
            lane_notes=tuple(lane_note(one, self._run) for one in draft.lanes),
            downloadable=dataset in DOWNLOAD_MEGABYTES and dataset not in self._local,
            has_run=self._running is not None,
        )
        self.form.show_view(view, self.theme)

    def _take(self, draft: Draft) -> None:
        self._selected = 0
        self.form.for_all.setChecked(alike(draft))
        self._edit(draft)

    def _edit(self, draft: Draft) -> None:
        self.draft = draft
        self._selected = min(self._selected, len(draft.lanes) - 1)
        self.refresh()

    def _select(self, place: int) -> None:
        self._selected = place
        self.refresh()

    def _places(self) -> tuple[int, ...]:
        """Return the lanes that an edit of the network is for."""
        everywhere = self.form.for_all.isChecked()
        return tuple(range(len(self.draft.lanes))) if everywhere else (self._selected,)

    def _on_recipe_edited(self, name: str) -> None:
        self._edit(with_run(self.draft, name, self.form.recipe.editors[name].value()))

    def _on_network_edited(self, name: str) -> None:
        value = self.form.network.editors[name].value()
        if name == "depth":
            self._edit(with_depth(self.draft, self._places(), value, self._device))
        else:
            self._edit(with_network(self.draft, self._places(), name, value))

    def _on_lane_edited(self, place: int, field: str) -> None:
        strip = self.form.lanes.strips[place]
        if field == "preset":
            self._edit(with_preset(self.draft, place, strip.preset.currentData()))
        elif field == "learning_rate":
            self._edit(with_lane(self.draft, place, learning_rate=strip.learning_rate.value()))
        elif field == "name":
            self._edit(with_lane(self.draft, place, name=strip.name.text().strip()))
        else:
            self._edit(with_lane(self.draft, place, custom=strip.custom.text()))

    def _on_rate_meant(self, place: int) -> None:
        one = self.draft.lanes[place]
        if self._running is None or one.origin is None or (place, "learning_rate") in faults(self.draft):
            return
        if one.learning_rate != self._running.lanes[one.origin].learning_rate:
            self._running = with_rate(self._running, one.learning_rate, one.origin)
            self.learning_rate_changed.emit(one.origin, float(one.learning_rate))

    def _on_add(self, copy: bool) -> None:
        self._edit(with_added(self.draft, self._selected, copy=copy))
        self._select(len(self.draft.lanes) - 1)

    def _revert(self) -> None:
        if self._running is not None:
            self._take(draft_of(self._running, len(self._running.lanes)))

    def _connect(self) -> None:
        form, lanes = self.form, self.form.lanes
        form.recipe.edited.connect(self._on_recipe_edited)
        form.network.edited.connect(self._on_network_edited)
        form.for_all.clicked.connect(self.refresh)
        form.new_seed.clicked.connect(
            lambda: self._edit(with_run(self.draft, "seed", random.randrange(2**31)))
        )
        form.download.clicked.connect(lambda: self.download_requested.emit(self.draft.run["dataset"]))
        form.apply_button.clicked.connect(lambda: self.apply_requested.emit(self.settings()))
        form.revert_button.clicked.connect(self._revert)
        dataset = form.recipe.editors["dataset"]
        assert isinstance(dataset, ChoiceEditor)
        dataset.folder_wanted.connect(self.folder_requested)
        lanes.selected.connect(self._select)
        lanes.edited.connect(self._on_lane_edited)
        lanes.rate_finished.connect(self._on_rate_meant)
        lanes.add_clicked.connect(lambda: self._on_add(copy=False))
        lanes.copy_clicked.connect(lambda: self._on_add(copy=True))
        lanes.remove_clicked.connect(lambda: self._edit(without(self.draft, self._selected)))
