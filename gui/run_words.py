"""What the run library says of a run: its name, networks, state and figures."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QDateTime, QLocale

from core.lessons import load_lesson
from core.library import LaneSummary, RunSummary
from core.notices import SkipscopeError
from gui.network_words import number
from gui.undoable import dataset_words
from gui.wording import display_locale, say, whole

# Each state has a sign of its own shape, so that it is told without colour.
SIGNS = {
    "created": "○", "running": "▶", "finished": "✓", "stopped": "■", "failed": "✗", "diverged": "∞",
    "interrupted": "◐",
}  # fmt: skip
UNREADABLE = "?"


def run_name(run: RunSummary) -> str:
    """Return the run's name, or when it was begun."""
    if run.error is not None or not (run.name or run.created):
        return run.directory.name
    return run.name or begun_words(run.created, "d MMM yyyy, HH:mm:ss")


def begun_words(created: float, form: str = "d MMM yyyy, HH:mm") -> str:
    """Return when a run was begun; empty where that is not known."""
    return display_locale().toString(QDateTime.fromSecsSinceEpoch(int(created)), form) if created else ""


def state_words(run: RunSummary, present: bool) -> str:
    """Return a sign and a word."""
    if run.error is not None:
        return UNREADABLE + " " + QCoreApplication.translate("Runs", "unreadable")
    if present:
        return SIGNS["running"] + " " + QCoreApplication.translate("Runs", "this run")
    words = {
        "created": QCoreApplication.translate("Runs", "not begun"),
        "running": QCoreApplication.translate("Runs", "running"),
        "finished": QCoreApplication.translate("Runs", "finished"),
        "stopped": QCoreApplication.translate("Runs", "stopped"),
        "failed": QCoreApplication.translate("Runs", "failed"),
        "diverged": QCoreApplication.translate("Runs", "diverged"),
        "interrupted": QCoreApplication.translate("Runs", "interrupted"),
    }
    return SIGNS.get(run.state, UNREADABLE) + " " + words.get(run.state, run.state)


def networks_words(lanes: Sequence[LaneSummary]) -> str:
    """Return the lanes in words, those of one size together."""
    groups: dict[tuple[int, int], list[LaneSummary]] = {}
    for lane in lanes:
        groups.setdefault((lane.depth, lane.width), []).append(lane)
    said = []
    for (depth, width), members in groups.items():
        kinds = ", ".join(
            QCoreApplication.translate("Runs", "{lane} {kind}").format(lane=lane.name, kind=_kind(lane))
            for lane in members
        )
        words = QCoreApplication.translate("Runs", "{depth} layers, width {width}: {kinds}")
        said.append(words.format(depth=depth, width=width, kinds=kinds))
    return "; ".join(said)


def lesson_words(lesson: str | None) -> str:
    """Return a lesson's title; empty for a free run."""
    if not lesson:
        return ""
    try:
        return QCoreApplication.translate("Lesson", load_lesson(lesson).title)
    except SkipscopeError:
        return Path(lesson).stem


def losses_words(lanes: Sequence[LaneSummary]) -> str:
    """Return the last training loss of each lane; empty while there is none."""
    return _by_lane(lanes, [None if lane.loss is None else number(lane.loss) for lane in lanes])


def accuracies_words(lanes: Sequence[LaneSummary]) -> str:
    """Return the last held-out accuracy of each lane; empty while there is none."""
    return _by_lane(lanes, [None if lane.accuracy is None else _percent(lane.accuracy) for lane in lanes])


def steps_words(run: RunSummary) -> str:
    """Return how many steps were done of how many."""
    if run.planned is None or run.planned <= run.steps:
        return whole(run.steps)
    return QCoreApplication.translate("Runs", "{steps} of {planned}").format(
        steps=whole(run.steps), planned=whole(run.planned)
    )


def lineage_words(run: RunSummary, step: int | None, names: Mapping[Path, str]) -> str:
    """Say what a run branched off, and at which step; empty for one that did not."""
    if run.parent is None:
        return ""
    name = names.get(run.parent, run.parent.name)
    if step is None:
        return QCoreApplication.translate("Runs", "branch of {run}").format(run=name)
    return QCoreApplication.translate("Runs", "from step {step} of {run}").format(step=whole(step), run=name)


def size_words(size: int) -> str:
    """Return a size on disk."""
    return display_locale().formattedDataSize(size, 1, QLocale.DataSizeFormat.DataSizeSIFormat)


def details(run: RunSummary, present: bool, lineage: str) -> str:
    """Return all that is known of a run, in two lines or three."""
    if run.error is not None:
        return say(run.error)
    figures = []
    if loss := losses_words(run.lanes):
        figures.append(QCoreApplication.translate("Runs", "last loss {figures}").format(figures=loss))
    if accuracy := accuracies_words(run.lanes):
        figures.append(QCoreApplication.translate("Runs", "held-out {figures}").format(figures=accuracy))
    facts = (
        state_words(run, present),
        QCoreApplication.translate("Runs", "{steps} steps").format(steps=steps_words(run)),
        dataset_words(run.dataset),
        lesson_words(run.lesson),
        begun_words(run.created),
        size_words(run.bytes),
    )
    lines = (" · ".join(filter(None, facts)), networks_words(run.lanes), " · ".join((*figures, lineage)))
    return "\n".join(line.removesuffix(" · ") for line in lines if line)


def _kind(lane: LaneSummary) -> str:
    return {
        "with": QCoreApplication.translate("Runs", "with shortcuts"),
        "plain": QCoreApplication.translate("Runs", "plain"),
        "mixed": QCoreApplication.translate("Runs", "some cut"),
    }.get(lane.shortcuts, lane.shortcuts)


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %" if math.isfinite(value) else number(value)


def _by_lane(lanes: Sequence[LaneSummary], figures: Sequence[str | None]) -> str:
    """One figure a lane, named where there are several lanes."""
    named = [(lane.name, figure) for lane, figure in zip(lanes, figures, strict=True) if figure is not None]
    return " · ".join(figure if len(lanes) == 1 else f"{name} {figure}" for name, figure in named)
