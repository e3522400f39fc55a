"""What a question costs in forward passes, and how long a pass takes as measured; no widgets."""

from core.messages import Explain, Explanation
from core.methods import METHODS, MethodError, Size, passes


def maps_asked(request: Explain, blocks: int) -> int:
    """Return how many maps a network of so many blocks is asked for; a difference is not computed."""
    match request.arrangement:
        case "switch" | "targets":
            return 2
        case "filmstrip":
            return blocks + 1
        case "methods":
            return len(request.methods)
        case _:
            return 1


def passes_asked(request: Explain, size: Size) -> float:
    """Return what all maps of one network cost, in forward passes; raises MethodError."""
    if request.arrangement == "methods":
        return sum(
            passes(name, request.parameters if name == request.method else (), size)
            for name in request.methods
        )
    return maps_asked(request, size.blocks) * passes(request.method, request.parameters, size)


class Pace:
    """How long one forward pass takes on a picture of one size, of one source."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int], float] = {}

    def take(self, source: str, explanation: Explanation) -> None:
        """Learn from a whole explanation; maps that were known already say nothing."""
        side = min(explanation.picture.shape[:2])
        seconds = done = 0.0
        for answer in explanation.networks:
            if answer.seconds > 0 and answer.method in METHODS:
                try:
                    cost = passes(answer.method, answer.parameters, Size(side, len(answer.shortcuts)))
                except MethodError:  # of a network that is another by now
                    continue
                seconds, done = seconds + answer.seconds, done + cost
        if done:
            self._found[source, side] = seconds / done

    def seconds(self, source: str, side: int, forward_passes: float) -> float | None:
        """Return how long so many passes take; None before one was measured."""
        pace = self._found.get((source, side))
        return None if pace is None else pace * forward_passes

    def forget(self) -> None:
        """Forget what was measured: the networks are others."""
        self._found.clear()
