"""What can be undone, and how: toggles, learning rates, new set-ups. They feed gui/deeds.py."""

import time
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QObject, Signal

from core.acts import Act
from core.messages import Failed, Reset, RunStarted, SetLearningRate, Setup, TrainingSlice
from core.notices import SkipscopeError
from core.settings import DATASETS, SETTING, RunSettings
from gui.deeds import Deeds
from gui.setting_fields import choice_words
from gui.toggles import Toggle, Toggles
from gui.wording import plain, whole

_SPIN_S = 1.0  # changes of one learning rate within so long are one


class Undoing(QObject):
    """The deeds of a window and all that feeds them.

    Signals: `requested`, a command for the engine (SetLearningRate, Setup, Reset; toggles send their own).
    """

    requested = Signal(object)

    def __init__(self, toggles: Toggles, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.deeds = Deeds(self)
        self._toggles = toggles
        self._toggle_deeds = ToggleDeeds(self.deeds, toggles)
        self.rates = RateDeeds(self.deeds)
        self.setups = SetupDeeds(self.deeds)
        self.rates.requested.connect(self.requested)
        self.setups.requested.connect(self.requested)

    def start_run(self, event: RunStarted) -> None:
        """Take a new run; what can be undone only in the last one is forgotten."""
        self._toggle_deeds.start_run(event)
        self.rates.start_run(event)
        self.setups.start_run(event)

    def add_slice(self, event: TrainingSlice) -> None:
        """Find out what is in force."""
        self.deeds.add_slice(event)

    def on_failed(self, event: Failed) -> None:
        """Find out what could not be done."""
        if event.request is not None:
            self._toggles.drop_request(event.request)
        self.deeds.on_failed(event)


class ToggleDeeds(QObject):
    """Makes every toggle one that can be undone: the former strengths, as a new command."""

    def __init__(self, deeds: Deeds, toggles: Toggles) -> None:
        super().__init__(deeds)
        self._deeds = deeds
        self._toggles = toggles
        self._names: tuple[str, ...] = ()
        toggles.done.connect(self._on_done)

    def start_run(self, event: RunStarted) -> None:
        """Take the lanes' names."""
        self._names = tuple(lane.name for lane in event.lanes)

    def _on_done(self, toggle: Toggle) -> None:
        name = self._names[toggle.lane] if toggle.lane < len(self._names) else str(toggle.lane + 1)
        self._deeds.push(
            self.tr("{lane}: {what}").format(lane=name, what=toggle.text),
            lambda: self._put(toggle.lane, toggle.former_shortcuts, toggle.former_branches),
            lambda: self._put(toggle.lane, toggle.shortcuts, toggle.branches),
            commands=(toggle.command,),
            gesture=("toggle", toggle.gesture),
        )

    def _put(self, *strengths: object) -> tuple[int, ...]:
        command = self._toggles.put(*strengths)  # type: ignore[arg-type]  # as they came out of a Toggle
        return () if command is None else (command,)


class RateDeeds(QObject):
    """Sets learning rates, so that they can be set back.

    Signals: `requested` (SetLearningRate); `shown` (value, lane or None) for the fields that show rates.
    """

    requested = Signal(object)
    shown = Signal(float, object)

    def __init__(self, deeds: Deeds) -> None:
        super().__init__(deeds)
        self._deeds = deeds
        self._names: tuple[str, ...] = ()
        self._rates: list[float] = []
        self._last: tuple[int | None, float] = (None, -1e9)  # lane, moment
        self._gesture = 0

    def start_run(self, event: RunStarted) -> None:
        """Take the rates a run begins with."""
        self._names = tuple(lane.name for lane in event.settings.lanes)
        self._rates = [lane.learning_rate for lane in event.settings.lanes]

    def set_rate(self, value: float, lane: int | None = None) -> None:
        """Set the learning rate of a lane, or of all."""
        before = list(self._rates)
        after = [value if lane in (None, place) else rate for place, rate in enumerate(before)]
        command = SetLearningRate(value, lane)
        self.requested.emit(command)
        self.shown.emit(value, lane)
        self._rates = after
        if before == after:
            return
        now = time.monotonic()
        if self._last[0] != lane or now - self._last[1] > _SPIN_S:
            self._gesture += 1
        self._last = (lane, now)
        words = self.tr("learning rate {value}") if lane is None else self.tr("{lane}: learning rate {value}")
        self._deeds.push(
            words.format(lane="" if lane is None else self._names[lane], value=plain(value)),
            lambda: self._put(before),
            lambda: self._put(after),
            commands=(command.id,),
            gesture=("rate", self._gesture),
        )

    def _put(self, rates: list[float]) -> tuple[int, ...]:
        """Set every lane's rate that is another one now."""
        self._last = (None, -1e9)
        sent = []
        for lane, (now, wanted) in enumerate(zip(self._rates, rates, strict=False)):
            if now != wanted:
                command = SetLearningRate(wanted, lane)
                self.requested.emit(command)
                self.shown.emit(wanted, lane)
                sent.append(command.id)
        self._rates = list(rates)
        return tuple(sent)


class SetupDeeds(QObject):
    """Begins runs, so that the former settings can be begun again.

    Signals: `requested` (Setup or Reset).
    """

    requested = Signal(object)

    def __init__(self, deeds: Deeds) -> None:
        super().__init__(deeds)
        self._deeds = deeds
        self._run: RunStarted | None = None
        self._waiting: set[int] = set()  # commands that ask for a run
        self._scripts: dict[str | None, tuple[Act, ...]] = {}  # what each lesson does by itself

    def begin(
        self,
        settings: RunSettings,
        lesson: str | None = None,
        *,
        play: bool = True,
        script: tuple[Act, ...] = (),
    ) -> None:
        """Begin a run with these settings."""
        former = self._run
        self._scripts[lesson] = script
        command = self._send(settings, lesson, play)
        text = self._words(settings, lesson)
        if former is None:
            self._deeds.note(text, commands=(command,))
            return
        before, old_lesson = former.settings, former.lesson
        self._deeds.push(
            text,
            lambda: (self._send(before, old_lesson, play),),
            lambda: (self._send(settings, lesson, play),),
            commands=(command,),
            lasting=True,
            caution=self.tr("undo begins the former settings again, as a new run"),
        )

    def reset(self, *, play: bool) -> None:
        """Begin the same settings again."""
        command = Reset(play)
        self._waiting.add(command.id)
        self._deeds.note(
            self.tr("reset: same seed, same weights"),
            self.tr("cannot be undone; the run before it is among the runs"),
            commands=(command.id,),
        )
        self.requested.emit(command)

    def start_run(self, event: RunStarted) -> None:
        """Take what runs now."""
        self._deeds.begun(self._waiting, 1)
        self._waiting.clear()
        self._deeds.start_run(event)
        self._run = event
        if event.parent is not None and event.done == event.begins_at:
            self._deeds.note(
                self.tr("branched off {run} at step {step}").format(
                    run=Path(event.parent).name, step=whole(event.begins_at)
                ),
                self.tr("cannot be undone; the run it branched off is among the runs"),
            )
        elif event.done > event.begins_at and event.directory is not None:
            self._deeds.note(
                self.tr("gone on with {run} at step {step}").format(
                    run=event.directory.name, step=whole(event.done)
                ),
                self.tr("training cannot be undone; branch from an earlier step instead"),
            )

    def _send(self, settings: RunSettings, lesson: str | None, play: bool) -> int:
        command = Setup(settings, play, lesson, self._scripts.get(lesson, ()))
        self._waiting.add(command.id)
        self.requested.emit(command)
        return command.id

    def _words(self, settings: RunSettings, lesson: str | None) -> str:
        if lesson is not None:
            return self.tr("lesson “{title}”").format(title=_title(lesson))
        depths = sorted({lane.network.depth for lane in settings.lanes})
        count = len(settings.lanes)
        words = (
            self.tr("new set-up: {dataset}, {depths} layers, 1 lane")
            if count == 1
            else self.tr("new set-up: {dataset}, {depths} layers, {count} lanes")
        )
        return words.format(
            dataset=dataset_words(settings.dataset),
            depths=self.tr(" and ").join(map(str, depths)),
            count=count,
        )


def dataset_words(dataset: str) -> str:
    """Return a data set's name for people: of a folder, its last part."""
    if dataset in DATASETS:
        return choice_words(SETTING["dataset"], dataset)
    return Path(dataset).name or dataset


def _title(lesson: str) -> str:
    from core.lessons import load_lesson  # not needed before the window is seen

    try:
        return QCoreApplication.translate("Lesson", load_lesson(lesson).title)
    except SkipscopeError:
        return Path(lesson).stem
