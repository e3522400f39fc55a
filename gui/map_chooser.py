"""Chooses one of the maps on screen: whose, and which of the network's."""

from collections.abc import Mapping

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QComboBox, QVBoxLayout, QWidget

from core.messages import Attributed, Explanation
from gui.combo import fill, narrow_combo
from gui.flow import Flow, labelled
from gui.trust_record import ShownMap
from gui.trust_words import map_words


class MapChooser(QWidget):
    """Two lists; one that would have a single row is not shown.

    Signals: `changed`, the user chose another map.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.chosen: ShownMap | None = None
        self.offers_networks = self.offers_maps = False  # whether there is a choice
        self.network = narrow_combo(6)
        self.map = narrow_combo(10)
        self._maps: Mapping[ShownMap, Attributed] = {}
        self._explanation: Explanation | None = None
        self._here: list[ShownMap] = []  # the chosen network's
        self._network_pair = labelled(self.tr("Network"), self.network)
        self._map_pair = labelled(self.tr("Map"), self.map)
        self.network.setToolTip(self.tr("Whose map is checked"))
        self.map.setToolTip(self.tr("Which of the network's maps on screen is checked"))
        self._flow = Flow((self._network_pair, self._map_pair))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._flow)
        self.network.currentIndexChanged.connect(self._on_network)
        self.map.currentIndexChanged.connect(self._on_map)

    def offer(self, maps: Mapping[ShownMap, Attributed], explanation: Explanation | None) -> None:
        """Offer these maps; the choice stays where it can, else it goes to a map of the same kind."""
        self._maps, self._explanation = maps, explanation
        networks = {shown.network: shown.name for shown in maps}
        _fill(self.network, [(name, number) for number, name in networks.items()], self.network.currentData())
        self._here = [shown for shown in maps if shown.network == self.network.currentData()]
        self.chosen = _nearest(self.chosen, self._here)
        if explanation is not None and self.chosen is not None:
            texts = [map_words(shown, maps[shown], explanation) for shown in self._here]
            rows = [(text, row) for row, text in enumerate(texts)]
            _fill(self.map, rows, self._here.index(self.chosen))
        self.offers_networks, self.offers_maps = len(networks) > 1, len(self._here) > 1
        pairs = ((self._network_pair, self.offers_networks), (self._map_pair, self.offers_maps))
        self._flow.show_only([pair for pair, offers in pairs if offers])
        self.setVisible(self.offers_networks or self.offers_maps)

    def _on_network(self, _row: int) -> None:
        self.offer(self._maps, self._explanation)
        self.changed.emit()

    def _on_map(self, row: int) -> None:
        self.chosen = self._here[row]
        self.changed.emit()


def _fill(combo: QComboBox, rows: list[tuple[str, int]], chosen: int | None) -> None:
    """Exchange the rows only where they differ: an open list must not close."""
    if [(combo.itemText(row), combo.itemData(row)) for row in range(combo.count())] != rows:
        fill(combo, rows, chosen)
    elif combo.currentData() != chosen:
        with QSignalBlocker(combo):
            combo.setCurrentIndex(combo.findData(chosen))


def _nearest(before: ShownMap | None, maps: list[ShownMap]) -> ShownMap | None:
    """Return the map that was chosen; else one of the same kind, of another network or class; else the first."""
    if before in maps or not maps:
        return before if maps else None
    alike = (each for each in maps if before is not None and each.method == before.method)
    same = [each for each in alike if before is not None and each.parameters == before.parameters]
    return same[0] if same else maps[0]
