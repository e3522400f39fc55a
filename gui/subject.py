"""One map's place on screen: the network, the picture, the answer; and what a figure is made from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.messages import Arrangement, Attributed, Explanation
from core.overlay import Look, Overlay, Pixels
from gui.explanation_words import Bar, bars, completeness, target


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What a view shows: a network, a picture, and the answer once it is there."""

    name: str
    hue: int | None  # of a lane
    picture: Pixels  # (height, width, 3)
    explanation: Explanation | None = None
    answer: Attributed | None = None
    title: str = ""  # of its column; empty where every network has one map
    arrangement: Arrangement = "single"

    @property
    def attribution(self) -> NDArray[np.float32] | None:
        """The map, if there is one."""
        return None if self.answer is None else self.answer.attribution

    @property
    def is_difference(self) -> bool:
        """Whether the map is one map minus another."""
        return self.answer is not None and self.answer.role == "difference"

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines over the bars."""
        if self.answer is None or self.explanation is None or self.is_difference:
            return ()
        return tuple(filter(None, (target(self.answer, self.explanation), completeness(self.answer))))

    @property
    def bars(self) -> tuple[Bar, ...]:
        """The classes with their probabilities."""
        if self.answer is None or self.explanation is None:
            return ()
        return bars(self.answer, self.explanation)


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A map as it stands on screen, to be drawn again at another size.

    `caption` says in parts what it is: network, step, strengths, method, class, baseline, error.
    """

    subject: Subject
    row: int  # of the network
    column: int  # of the frame
    title: str  # of the column; empty where every network has one map
    overlay: Overlay | None
    look: Look
    table: str  # name of the colour map
    scale: float  # at the end of the colour table; 0: there is nothing to measure
    common: bool  # the other maps of its kind have the same scale
    caption: tuple[str, ...]
