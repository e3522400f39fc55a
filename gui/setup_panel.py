"""The set-up panel: what the next run is to be, beside what the running one is.

It holds a draft (gui/setup_draft.py): every edit makes a new one, which gui/setup_form.py shows.
Nothing reaches the engine before *Apply*, except a lane's learning rate, which takes effect at once.
"""

import dataclasses
import random
from collections.abc import Callable, Collection

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from core.messages import EngineReady, RunStarted
from core.settings import (
    FOUR_STAGES,
    SETTING,
    NetworkSettings,
    RunSettings,
    SettingsError,
    twins,
)
from gui.panel import Panel
from gui.setting_fields import ChoiceEditor, choice_words
from gui.setup_draft import (
    Draft,
    LaneDraft,
    alike,
    build,
    build_lane,
    changes,
    draft_of,
    faults,
    with_added,
    with_depth,
    with_lane,
    with_learning_rate,
    with_network,
    with_preset,
    with_run,
    without,
)
from gui.setup_form import DOWNLOAD_MEGABYTES, FormView, SetupForm
from gui.wording import say, whole


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
            notes=self._notes(),
            lane_notes=tuple(self._lane_note(one) for one in draft.lanes),
            downloadable=dataset in DOWNLOAD_MEGABYTES and dataset not in self._local,
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
