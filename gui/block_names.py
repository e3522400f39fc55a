"""The blocks' names of a network of which only their number is known."""

from functools import cache

from PySide6.QtCore import QCoreApplication

from core.methods import STEM
from core.settings import DEPTHS, NetworkSettings


@cache
def block_names(count: int) -> tuple[str, ...]:
    """Return *stage.block* of each block; plain numbers where no network has so many."""
    for depth in DEPTHS:
        network = NetworkSettings(depth=depth)
        if network.block_count == count:
            return tuple(block.name for block in network.blocks)
    return tuple(str(number) for number in range(count))


def place_name(block: int, count: int) -> str:
    """Return the name of a place in a network of `count` blocks: the stem's or a block's."""
    if block == STEM:
        return QCoreApplication.translate("Explanation", "stem")
    names = block_names(count)
    return names[block] if block < len(names) else str(block)
