"""Chooses which checkpoints of a run stay: a pure function of their steps, kinds and sizes."""

import math
from collections.abc import Sequence

MOST_CHECKPOINTS = 40
MOST_BYTES = 2_000_000_000


def keep(
    checkpoints: Sequence[tuple[int, str, int]], most: int = MOST_CHECKPOINTS, most_bytes: int = MOST_BYTES
) -> set[int]:
    """Return the steps to keep of (step, kind, bytes), one entry a step.

    Step 0, every toggle's and the last always count as wanted, even beyond `most`; the others
    fill up to `most`, log-spaced in distance from the last. Too many bytes cost the others
    first, then the toggles between; step 0 and the last stay whatever they weigh.
    """
    if not checkpoints:
        return set()
    sizes = {step: size for step, _kind, size in checkpoints}
    last = max(sizes)
    ends = {last} | {step for step, kind, _size in checkpoints if step == 0 or kind == "start"}
    toggles = {step for step, kind, _size in checkpoints if kind == "toggle"} - ends
    kept = sorted(sizes)
    total = sum(sizes.values())
    while (too_heavy := total > most_bytes) or len(kept) > most:
        spare = [step for step in kept if step not in ends and step not in toggles]
        if not spare and too_heavy:
            spare = [step for step in kept if step in toggles]
        if not spare:
            break
        crowded = _most_crowded(kept, set(spare), last)
        kept.remove(crowded)
        total -= sizes[crowded]
    return set(kept)


def _most_crowded(kept: Sequence[int], spare: set[int], last: int) -> int:
    """Return the spare step whose going leaves the smallest gap, in log distance from the last.

    Dropping one at a time, as a run grows, so keeps the spacing even; picking the nearest to
    ideal places afresh each time would not, as the places move and what is gone is gone.
    """

    def gap(position: int) -> float:
        older = kept[position - 1] if position else kept[0]
        return math.log1p(last - older) - math.log1p(last - kept[position + 1])

    places = [position for position, step in enumerate(kept) if step in spare]
    return kept[min(places, key=gap)]
