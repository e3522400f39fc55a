"""How the maps of an explanation stand in a table: a row a network, a column a frame; no widgets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from PySide6.QtCore import QCoreApplication

from core.messages import Arrangement, Attributed, Explain, Explanation
from core.methods import METHODS, STEM
from core.overlay import Pixels
from gui.block_names import place_name
from gui.explanation_words import class_name
from gui.subject import Subject

Key: TypeAlias = str | int  # what tells a map from the others of its network: role, block or method


@dataclass(frozen=True, slots=True)
class Column:
    """One frame of every network."""

    key: Key
    title: str
    explain: str = ""


@dataclass(frozen=True, slots=True)
class Network:
    """Who is asked; `blocks` is 0 while it is not known."""

    name: str
    hue: int | None
    blocks: int


@dataclass(frozen=True, slots=True, eq=False)
class Arranged:
    """The table: `rows` hold a subject a column, None where a network has no such place."""

    arrangement: Arrangement
    columns: tuple[Column, ...]
    networks: tuple[Network, ...]
    rows: tuple[tuple[Subject | None, ...], ...]

    def subjects(self) -> list[tuple[int, int, Subject]]:
        """Return every subject with its row and column, row by row."""
        return [
            (row, column, subject)
            for row, subjects in enumerate(self.rows)
            for column, subject in enumerate(subjects)
            if subject is not None
        ]


NOTHING = Arranged("single", (), (), ())


def key_of(answer: Attributed, arrangement: Arrangement) -> Key:
    """Return which column an answer belongs to."""
    match arrangement:
        case "switch" | "targets":
            return answer.role
        case "filmstrip":
            return STEM if answer.block is None else answer.block
        case "methods":
            return answer.method
        case _:
            return 0


def arrange(
    asked: Explain | None, explanation: Explanation | None, networks: Sequence[Network], picture: Pixels
) -> Arranged:
    """Lay out what was asked with the answers that are there; the other places wait.

    An explanation in another arrangement than the one asked for gives no answers.
    """
    arrangement = "single" if asked is None else asked.arrangement
    fits = explanation is not None and explanation.arrangement == arrangement
    answers = _by_place(explanation.networks if explanation is not None and fits else (), arrangement)
    columns = _columns(asked, answers.values(), networks, explanation)
    shown = explanation if fits else None
    rows = tuple(
        tuple(
            _subject(arrangement, column, network, picture, shown, answers.get((network.name, column.key)))
            for column in columns
        )
        for network in networks
    )
    return Arranged(arrangement, columns, tuple(networks), rows)


def _by_place(answers: Iterable[Attributed], arrangement: Arrangement) -> dict[tuple[str, Key], Attributed]:
    return {(each.name, key_of(each, arrangement)): each for each in answers}


def _subject(
    arrangement: Arrangement,
    column: Column,
    network: Network,
    picture: Pixels,
    explanation: Explanation | None,
    answer: Attributed | None,
) -> Subject | None:
    title = column.title
    if arrangement == "filmstrip" and network.blocks:
        if isinstance(column.key, int) and column.key >= network.blocks:
            return None
        title = place_name(int(column.key), network.blocks)  # networks of other depth have other names
    return Subject(
        network.name, network.hue, picture, None if answer is None else explanation, answer, title, arrangement
    )  # fmt: skip


# ---- columns ----------------------------------------------------------------------------------------


def _columns(
    asked: Explain | None,
    answers: Iterable[Attributed],
    networks: Sequence[Network],
    explanation: Explanation | None,
) -> tuple[Column, ...]:
    match asked:
        case Explain(arrangement="switch"):
            return _switch()
        case Explain(arrangement="targets"):
            names = () if explanation is None else explanation.class_names
            return _targets(asked, list(answers), names)
        case Explain(arrangement="filmstrip"):
            return _filmstrip([network.blocks for network in networks])
        case Explain(arrangement="methods"):
            return tuple(
                Column(name, _said(METHODS[name].label), _said(METHODS[name].explain))
                for name in asked.methods
            )
        case _:
            return (Column(0, ""),)


def _switch() -> tuple[Column, ...]:
    return (
        Column(
            "on",
            QCoreApplication.translate("Explanation", "shortcuts on"),
            QCoreApplication.translate("Explanation", "The network with every shortcut at strength 1"),
        ),
        Column(
            "off",
            QCoreApplication.translate("Explanation", "shortcuts off"),
            QCoreApplication.translate("Explanation", "The network with every shortcut cut"),
        ),
        Column(
            "difference",
            QCoreApplication.translate("Explanation", "on − off"),
            QCoreApplication.translate("Explanation", "The first map minus the second, pixel by pixel"),
        ),
    )


def _targets(asked: Explain, answers: list[Attributed], names: tuple[str, ...]) -> tuple[Column, ...]:
    first = _one_name([each.target for each in answers if each.role == "target"], asked.target, names)
    second = _one_name([each.target for each in answers if each.role == "against"], asked.against, names)
    both = QCoreApplication.translate("Explanation", "{first} − {second}")
    first_title = first or QCoreApplication.translate("Explanation", "its class")
    second_title = second or QCoreApplication.translate("Explanation", "the runner-up")
    difference = (
        both.format(first=first, second=second)
        if first and second
        else QCoreApplication.translate("Explanation", "difference")
    )
    return (
        Column(
            "target",
            first_title,
            QCoreApplication.translate("Explanation", "What speaks for the explained class"),
        ),
        Column(
            "against",
            second_title,
            QCoreApplication.translate("Explanation", "What speaks for the class it is held against"),
        ),
        Column(
            "difference",
            difference,
            QCoreApplication.translate(
                "Explanation", "The first map minus the second: why this and not that"
            ),
        ),
    )


def _one_name(found: list[int], wanted: int | None, names: tuple[str, ...]) -> str:
    """Return the class all networks agree on, or the one asked for; empty where they differ."""
    classes = set(found) or ({wanted} - {None})
    if len(classes) != 1 or not names:
        return ""
    (only,) = classes
    return class_name(names, only) if only is not None else ""


def _filmstrip(blocks: list[int]) -> tuple[Column, ...]:
    deepest = max(blocks, default=0)
    alike = len(set(blocks) - {0}) <= 1
    after = QCoreApplication.translate("Explanation", "After block {block}: the addition and its activation")
    found = [
        Column(
            STEM,
            place_name(STEM, deepest),
            QCoreApplication.translate("Explanation", "After the stem, before the first block"),
        )
    ]
    for block in range(deepest):
        name = place_name(block, deepest) if alike else str(block)
        found.append(Column(block, name, after.format(block=name)))
    return tuple(found)


def networks_of(
    lanes: Mapping[str, int], names: Sequence[str], blocks: Mapping[str, int], answers: Sequence[Attributed]
) -> tuple[Network, ...]:
    """Return who is asked: the names known, and those that answered; `lanes` gives hues, `blocks` sizes."""
    sizes = {**{each.name: len(each.shortcuts) for each in answers}, **blocks}
    known = dict.fromkeys([*names, *(each.name for each in answers)])
    return tuple(Network(name, lanes.get(name), sizes.get(name, 0)) for name in known)


def _said(text: str) -> str:
    return QCoreApplication.translate("Method", text)
