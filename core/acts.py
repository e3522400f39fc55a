"""What a lesson does by itself while it runs: frozen data, carried by Setup. No torch."""

from dataclasses import dataclass
from typing import Literal

from core.findings import Instrument


@dataclass(frozen=True, slots=True)
class Act:
    """Something done once `step` steps are done (0: before the first), to one lane or (None) to all."""

    step: int
    do: Literal["shortcuts", "branches", "analyse"]
    lane: int | None = None
    value: float = 0.0  # strength of every block
    instrument: Instrument | None = None  # for "analyse"
