"""The remarks in the set-up form: why a value is what it is, and how large a lane's network is."""

from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication

from core.messages import RunStarted
from core.settings import FOUR_STAGES
from gui.setup_draft import NETWORK_NAMES, Draft, LaneDraft
from gui.wording import whole


def network_notes(draft: Draft, places: Sequence[int], device: str) -> dict[str, str]:
    """Return remarks on network settings, by name."""
    notes = {}
    networks = [draft.lanes[place].network for place in places]
    if device == "cpu" and any(one["width"] == 16 and one["depth"] in FOUR_STAGES for one in networks):
        notes["width"] = QCoreApplication.translate(
            "SetupPanel",
            "Width 16, because there is no accelerator; the article's network is width 64",
        )
    for name in NETWORK_NAMES:
        if any(one[name] != networks[0][name] for one in networks):
            notes[name] = QCoreApplication.translate(
                "SetupPanel", "The lanes differ here; an edit makes them alike"
            )
    return notes


def recipe_notes(draft: Draft) -> dict[str, str]:
    """Return remarks on the run's settings, by name."""
    if draft.steps is None:
        return {}
    words = QCoreApplication.translate(
        "SetupPanel", "The run is {steps} steps long; an edit here replaces that"
    )
    return {"epochs": words.format(steps=whole(draft.steps))}


def lane_note(lane: LaneDraft, run: RunStarted | None) -> str:
    """Return how many parameters a lane has, where the running run says so."""
    if run is None:
        return ""
    if lane.origin is None or lane.origin >= len(run.lanes):
        return QCoreApplication.translate("SetupPanel", "New; its parameters are counted at Apply")
    info = run.lanes[lane.origin]
    if any(value != getattr(info.network, name) for name, value in lane.network.items()):
        return QCoreApplication.translate("SetupPanel", "Changed; its parameters are counted at Apply")
    words = QCoreApplication.translate("SetupPanel", "{count} parameters")
    return words.format(count=whole(info.parameters))
