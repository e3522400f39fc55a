"""How the map of one picture changed while the networks learnt: a few of its states, spread over the steps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from core.messages import Explain, Explanation, OwnPicture, readonly
from core.methods import Parameters
from core.overlay import flatten
from gui.picture_state import LANES

MOST = 24  # states that are kept …
MOST_BYTES = 48_000_000  # … and bytes of their maps
_LEAST = 3  # however large the maps are

Question: TypeAlias = tuple[int | OwnPicture, str, Parameters, int | None]


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """The maps of every lane at one step; each with its channels summed."""

    step: int
    explanation: Explanation

    @property
    def strengths(self) -> tuple[tuple[float, ...], ...]:
        """The shortcuts of every lane."""
        return tuple(each.shortcuts for each in self.explanation.networks)

    @property
    def bytes(self) -> int:
        """What its maps take."""
        maps = [each.attribution for each in self.explanation.networks]
        return sum(each.nbytes for each in maps if each is not None)


class AttributionHistory:
    """Keeps the whole answers to one question; a question of another kind begins anew."""

    def __init__(self) -> None:
        self.moments: tuple[Moment, ...] = ()  # by step
        self._question: Question | None = None

    def take(self, request: Explain, explanation: Explanation) -> bool:
        """Keep an answer if it is whole, of the lanes, and one map each; return whether it was."""
        step = explanation.step
        if request.source != LANES or request.arrangement != "single" or not explanation.done or step is None:
            return False
        question = _question(request)
        if not _same(question, self._question) or (self.moments and step < self.moments[-1].step):
            self.moments, self._question = (), question
        others = tuple(each for each in self.moments if each.step != step)
        self.moments = _thinned((*others, Moment(step, _flat(explanation))))
        return True

    def answers(self, request: Explain) -> bool:
        """Whether what is kept answers this question."""
        return request.arrangement == "single" and _same(_question(request), self._question)

    def forget(self) -> None:
        """Keep nothing."""
        self.moments, self._question = (), None


def _question(request: Explain) -> Question:
    return request.picture, request.method, request.parameters, request.target


def _same(one: Question, other: Question | None) -> bool:
    """Whether two questions are one; own pictures are compared by identity."""
    if other is None or one[1:] != other[1:]:
        return False
    if isinstance(one[0], OwnPicture) or isinstance(other[0], OwnPicture):
        return one[0] is other[0]
    return one[0] == other[0]


def _flat(explanation: Explanation) -> Explanation:
    """Sum each map over its channels: it is drawn the same and takes a third of the memory."""
    networks = tuple(
        each
        if each.attribution is None
        else replace(each, attribution=readonly(flatten(each.attribution)[None].astype(np.float32)))
        for each in explanation.networks
    )
    return replace(explanation, networks=networks)


def _thinned(moments: Sequence[Moment]) -> tuple[Moment, ...]:
    """Leave out one after the other whose neighbours are closest, but never the first or the last."""
    kept = list(moments)
    while len(kept) > MOST or (len(kept) > _LEAST and sum(each.bytes for each in kept) > MOST_BYTES):
        gaps = [kept[row + 1].step - kept[row - 1].step for row in range(1, len(kept) - 1)]
        del kept[1 + gaps.index(min(gaps))]
    return tuple(kept)
