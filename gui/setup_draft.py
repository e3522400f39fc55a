"""What the set-up form holds: values as typed, the faults in them, and how they differ from the run.

Frozen data and plain functions; the form shows a draft and puts a new one in its place at each edit.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from core.notices import Notice
from core.settings import (
    DEPTHS,
    FOUR_STAGES,
    MAX_LANES,
    SETTING,
    SETTINGS,
    LaneSettings,
    NetworkSettings,
    RunSettings,
    SettingsError,
    check_strengths,
    lane,
)

Preset = Literal["all", "none", "custom"]
# Where something stands in the form: the lane's place (None: the whole run) and the setting's name.
# Beside the settings there are "name", "shortcuts" and "lane" (the rest) of a lane,
# and "lanes" of the run.
Place = tuple[int | None, str]

RUN_NAMES = tuple(setting.name for setting in SETTINGS if setting.scope == "run")
NETWORK_NAMES = tuple(setting.name for setting in SETTINGS if setting.scope == "network")
# What goes with a data set as long as nobody chose otherwise: (classes, side of its pictures).
NATURAL: Mapping[str, tuple[int, int]] = {
    "fashion-mnist": (10, 28),
    "cifar10": (10, 32),
    "cifar100": (100, 32),
}


@dataclass(frozen=True, slots=True)
class LaneDraft:
    """One lane as typed; `base` is what it was made from, `origin` its place in the running run."""

    name: str
    network: Mapping[str, Any]
    learning_rate: Any
    preset: Preset
    custom: str  # the strengths as typed, for the preset "custom"
    base: LaneSettings
    origin: int | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """The whole form as typed."""

    run: Mapping[str, Any]
    lanes: tuple[LaneDraft, ...]
    base: RunSettings
    steps: int | None  # a length in steps stands until epochs are edited


def draft_of(settings: RunSettings, running_lanes: int = 0) -> Draft:
    """Return settings as the form holds them; their first lanes stand for those of the running run."""
    lanes = tuple(
        _lane_draft(made, place if place < running_lanes else None)
        for place, made in enumerate(settings.lanes)
    )
    run = {name: getattr(settings, name) for name in RUN_NAMES}
    return Draft(run, lanes, settings, settings.steps)


def build(draft: Draft) -> RunSettings:
    """Return the settings of a draft, or raise the first SettingsError in it."""
    _check(RUN_NAMES, draft.run)
    lanes = tuple(build_lane(one, classes(draft)) for one in draft.lanes)
    return dataclasses.replace(draft.base, lanes=lanes, steps=draft.steps, **draft.run)


def build_lane(draft: LaneDraft, class_count: int | None = None) -> LaneSettings:
    """Return one lane's settings, or raise the first SettingsError in them."""
    known = class_count or draft.base.network.classes
    network = dataclasses.replace(draft.base.network, classes=known, **draft.network)
    SETTING["learning_rate"].check(draft.learning_rate)
    made = lane(draft.name, network, strengths_of(draft, network), draft.learning_rate)
    if network == draft.base.network:  # its weights and branch strengths still fit
        made = dataclasses.replace(made, checkpoint=draft.base.checkpoint, branches=draft.base.branches)
    return made


def strengths_of(draft: LaneDraft, network: NetworkSettings) -> tuple[float, ...]:
    """Return the shortcut strengths a lane's preset stands for."""
    if draft.preset != "custom":
        return (1.0 if draft.preset == "all" else 0.0,) * network.block_count
    try:
        strengths = tuple(float(word) for word in draft.custom.replace(",", " ").split())
    except ValueError:
        raise SettingsError("strengths must be numbers, not {value}", value=draft.custom) from None
    check_strengths(strengths, network)
    return strengths


def classes(draft: Draft) -> int | None:
    """How many classes the draft's data set is known to have, when it is another than the run's."""
    dataset = draft.run["dataset"]
    return NATURAL[dataset][0] if dataset != draft.base.dataset and dataset in NATURAL else None


def faults(draft: Draft) -> dict[Place, Notice]:
    """Return what is wrong, each thing at the place where it is typed."""
    found: dict[Place, Notice] = {}
    for name in RUN_NAMES:
        _note(found, (None, name), SETTING[name].check, draft.run[name])
    for place, one in enumerate(draft.lanes):
        if not one.name:
            found[place, "name"] = Notice("a lane needs a name")
        for name, value in (*one.network.items(), ("learning_rate", one.learning_rate)):
            if value != getattr(one.base.network, name, None):  # a checkpoint may hold what no form offers
                _note(found, (place, name), SETTING[name].check, value)
        if not any(where == place for where, _ in found):
            _note(found, (place, "shortcuts"), build_lane, one)
    if not found:
        _note(found, (None, "lanes"), build, draft)
    return found


def changes(draft: Draft, running: RunSettings) -> set[Place]:
    """Return where a draft asks for something else than the running run."""
    found: set[Place] = {(None, name) for name in RUN_NAMES if draft.run[name] != getattr(running, name)}
    if draft.steps != running.steps:
        found.add((None, "epochs"))
    if [one.origin for one in draft.lanes] != list(range(len(running.lanes))):
        found.add((None, "lanes"))
    for place, one in enumerate(draft.lanes):
        if one.origin is not None:
            found |= {(place, name) for name in _lane_changes(one, running.lanes[one.origin])}
    return found


def with_run(draft: Draft, name: str, value: Any) -> Draft:
    """Return the draft with one value of the run changed, and what follows from it."""
    run = {**draft.run, name: value}
    if name == "dataset" and value in NATURAL:
        old = NATURAL.get(draft.run["dataset"])
        if old is None or draft.run["image_size"] == old[1]:
            run["image_size"] = NATURAL[value][1]
    return dataclasses.replace(draft, run=run, steps=None if name == "epochs" else draft.steps)


def with_network(draft: Draft, places: Sequence[int], name: str, value: Any) -> Draft:
    """Return the draft with one network value of some lanes changed."""
    for place in places:
        one = draft.lanes[place]
        fits = name != "depth" or one.preset != "custom"
        preset = one.preset if fits else "all"  # one strength per block: none fits another depth
        draft = with_lane(draft, place, network={**one.network, name: value}, preset=preset)
    return draft


def with_depth(draft: Draft, places: Sequence[int], depth: Any, device: str) -> Draft:
    """Return the draft with another depth, and the width that goes with it where nobody chose one."""
    for place in places:
        network = draft.lanes[place].network
        if network["width"] == usual_width(network["depth"], device):
            draft = with_network(draft, (place,), "width", usual_width(depth, device))
    return with_network(draft, places, "depth", depth)


def usual_width(depth: Any, device: str) -> int:
    """Return the first stage's width unless told otherwise: the article's 64 needs an accelerator."""
    return 64 if depth in FOUR_STAGES and device != "cpu" else 16


def with_lane(draft: Draft, place: int, **values: Any) -> Draft:
    """Return the draft with fields of one lane changed."""
    lanes = list(draft.lanes)
    lanes[place] = dataclasses.replace(lanes[place], **values)
    return dataclasses.replace(draft, lanes=tuple(lanes))


def with_preset(draft: Draft, place: int, preset: Preset) -> Draft:
    """Return the draft with another shortcut preset of a lane; custom strengths start from what was."""
    one = draft.lanes[place]
    custom = one.custom
    if preset == "custom" and one.preset != "custom" and one.network["depth"] in DEPTHS:
        blocks = NetworkSettings(depth=one.network["depth"]).block_count
        custom = " ".join(["1" if one.preset == "all" else "0"] * blocks)
    return with_lane(draft, place, preset=preset, custom=custom)


def with_learning_rate(draft: Draft, value: float, lane_of_run: int | None) -> Draft:
    """Return the draft with the learning rate of one lane of the running run (None: of all) changed."""
    for place, one in enumerate(draft.lanes):
        if one.origin is not None and lane_of_run in (None, one.origin):
            draft = with_lane(draft, place, learning_rate=value)
    return draft


def with_rate(settings: RunSettings, value: float, lane_of_run: int | None) -> RunSettings:
    """Return a run's settings with the learning rate of one lane (None: of all) changed."""
    lanes = tuple(
        dataclasses.replace(one, learning_rate=value) if lane_of_run in (None, place) else one
        for place, one in enumerate(settings.lanes)
    )
    return dataclasses.replace(settings, lanes=lanes)


def with_added(draft: Draft, place: int, *, copy: bool) -> Draft:
    """Return the draft with one more lane, at its end: a copy of one, or that one with all shortcuts."""
    if len(draft.lanes) >= MAX_LANES:
        return draft
    new = dataclasses.replace(draft.lanes[place], name=_free_name(draft), origin=None)
    if not copy:
        new = dataclasses.replace(new, preset="all", base=dataclasses.replace(new.base, checkpoint=None))
    return dataclasses.replace(draft, lanes=(*draft.lanes, new))


def without(draft: Draft, place: int) -> Draft:
    """Return the draft without a lane; the last one stays."""
    if len(draft.lanes) == 1:
        return draft
    return dataclasses.replace(draft, lanes=draft.lanes[:place] + draft.lanes[place + 1 :])


def alike(draft: Draft) -> bool:
    """Whether all lanes have the same network settings."""
    return all(dict(one.network) == dict(draft.lanes[0].network) for one in draft.lanes)


def _lane_draft(settings: LaneSettings, origin: int | None) -> LaneDraft:
    network = {name: getattr(settings.network, name) for name in NETWORK_NAMES}
    preset: Preset = "custom"
    if all(strength == 1 for strength in settings.shortcuts):
        preset = "all"
    elif not any(settings.shortcuts):
        preset = "none"
    custom = " ".join(f"{strength:g}" for strength in settings.shortcuts)
    return LaneDraft(settings.name, network, settings.learning_rate, preset, custom, settings, origin)


def _lane_changes(one: LaneDraft, running: LaneSettings) -> set[str]:
    found = {name for name, value in one.network.items() if value != getattr(running.network, name)}
    if one.name != running.name:
        found.add("name")
    if (one.base.checkpoint, one.base.branches) != (running.checkpoint, running.branches):
        found.add("lane")
    was = _lane_draft(running, None)
    if one.preset != was.preset or (one.preset == "custom" and one.custom != was.custom):
        found.add("shortcuts")
    return found


def _free_name(draft: Draft) -> str:
    taken = {one.name for one in draft.lanes}
    return next(letter for letter in "ABCDE" if letter not in taken)


def _check(names: Sequence[str], values: Mapping[str, Any]) -> None:
    for name in names:
        SETTING[name].check(values[name])


def _note(found: dict[Place, Notice], place: Place, check: Callable[[Any], object], value: Any) -> None:
    try:
        check(value)
    except SettingsError as error:
        found[place] = error.notice
