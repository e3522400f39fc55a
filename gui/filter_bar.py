"""The controls over the gallery: which pictures, of which class, as which networks see them."""

from collections.abc import Mapping

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QMenu, QToolButton, QVBoxLayout, QWidget

from core.messages import BROUGHT, HELD_OUT, BrowsePictures, PictureFilter
from core.predictions import needs_predictions
from gui.cell_chip import Cell, CellChip
from gui.class_search import ClassSearch
from gui.combo import add_explained, fill, narrow_combo
from gui.explanation_words import class_name
from gui.flow import Flow, labelled
from gui.icons import icon
from gui.judge_strip import JudgeStrip
from gui.more_filters import MoreFilters
from gui.picture_state import LANES
from gui.theme import Theme
from gui.wording import whole


class FilterBar(QWidget):
    """Filter, class, source and album of the pictures, and the ways to other pictures and networks.

    Signals: `changed` when other pictures or predictions are asked for; `source_changed` when other
    networks are; `album_changed` when another album is; `refresh_requested`, `open_requested`,
    `folder_requested`, `pretrained_requested`, `imagenet_requested`.
    """

    changed = Signal()
    source_changed = Signal()
    album_changed = Signal()
    refresh_requested = Signal()
    open_requested = Signal()
    folder_requested = Signal()
    pretrained_requested = Signal()
    imagenet_requested = Signal(str)  # the word that OpenCheckpoint takes

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kind = self._kinds()
        self.label = ClassSearch()
        self.source = narrow_combo(4)
        self.source.setToolTip(self.tr("Whose predictions and explanations are shown"))
        self.refresh = QToolButton()
        self.refresh.setToolTip(self.tr("Predict these pictures again, with the weights of now"))
        self.refresh.setAccessibleName(self.tr("Refresh predictions"))
        self.open = self._open_menu()
        self.networks = self._networks_menu()
        self.album = narrow_combo(6)
        self.album.setToolTip(self.tr("Which pictures are shown: the held-out ones, or those you opened"))
        self.toggle = QToolButton()
        self.toggle.setCheckable(True)
        self.toggle.setToolTip(self.tr("More filters: how sure, in which order, as seen by which network"))
        self.more = MoreFilters()
        self.more.hide()
        self.chip = CellChip()
        self.chip.hide()
        self.strip = JudgeStrip()
        self._cell: Cell | None = None
        self._predicted: tuple[str, ...] = ()  # names of the networks' classes
        self._layout()
        self.set_class_names(())
        self.set_sources({})
        self.set_album("", 0)
        self._connect()
        self._show_toggle()

    # ---- what is chosen -------------------------------------------------------------------

    def request(self, offset: int = 0) -> BrowsePictures:
        """Make the request for a page of what is chosen."""
        more, cell = self.more, self._cell
        labels = (cell.label,) if cell is not None else self.label.chosen()
        return BrowsePictures(
            self.chosen_kind(),
            labels or (),
            offset,
            source=self.chosen_source(),
            album=self.chosen_album(),
            predicted=None if cell is None else cell.predicted,
            sure=more.sure(),
            network=more.chosen_network(),
            order=more.chosen_order(),
        )

    def no_class(self) -> str:
        """Return the text that is in no class's name; empty where there are such classes."""
        return self.label.text() if self._cell is None and self.label.chosen() is None else ""

    def goes_by_predictions(self) -> bool:
        """Whether other predictions would move pictures about."""
        return needs_predictions(self.request())

    def chosen_kind(self) -> PictureFilter:
        """Return the filter."""
        kind: PictureFilter = self.kind.currentData()
        return kind

    def chosen_album(self) -> str:
        """Return the album: the held-out pictures, or those the user opened."""
        return str(self.album.currentData())

    def chosen_source(self) -> str:
        """Return the source: the lanes, or the name of a reference."""
        return str(self.source.currentData())

    def set_class_names(self, names: tuple[str, ...]) -> None:
        """Offer these classes; with other ones the choice goes back to any."""
        if self.label.offer(names):
            self._drop_cell()

    def set_sources(self, about: Mapping[str, str], selected: str | None = None) -> None:
        """Offer the lanes and these references, each with a line that says what it is; choose one."""
        before = self.source.currentData()
        chosen = before if selected is None else selected
        fill(self.source, [(self.tr("Lanes"), LANES), *((name, name) for name in about)], chosen)
        for row, line in enumerate(about.values(), start=1):
            self.source.setItemData(row, line, Qt.ItemDataRole.ToolTipRole)
        if self.source.currentData() != before and before is not None:
            self._drop_cell()
            self.source_changed.emit()

    def show_source(self, source: str, album: str) -> None:
        """Turn to a source and an album, where they are offered."""
        for combo, wanted in ((self.album, album), (self.source, source)):
            if (row := combo.findData(wanted)) >= 0:
                combo.setCurrentIndex(row)

    def set_networks(self, names: tuple[str, ...], predicted: tuple[str, ...]) -> None:
        """Take the names of the source's networks and of the classes they know."""
        self._predicted = predicted
        self.more.set_networks(names)
        self._show_cell()
        self._show_toggle()

    def set_album(self, title: str, pictures: int) -> None:
        """Offer the pictures the user opened beside the held-out ones, and turn to them (none: do not)."""
        rows = [(self.tr("Held-out pictures"), HELD_OUT)]
        if pictures:
            rows.append((f"{title} ({whole(pictures)})", BROUGHT))
        fill(self.album, rows, BROUGHT)
        shown = [each for each in self._controls if pictures or each is not self._album_pair]
        self._flow.show_only(shown)

    def set_cell(self, label: int, predicted: int, network: int | None) -> None:
        """Show only pictures of a class that a network takes for a class, whatever was filtered before."""
        for combo in (self.kind, self.label):
            combo.blockSignals(True)
        self.kind.setCurrentIndex(0)
        self.label.clear_choice()
        for combo in (self.kind, self.label):
            combo.blockSignals(False)
        self.more.clear()
        self.more.choose_network(network)
        self._cell = Cell(label, predicted)
        self._show_cell()
        self._on_changed()

    def cell(self) -> Cell | None:
        """Return the confusion cell whose pictures alone are shown."""
        return self._cell

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self.refresh.setIcon(icon("reset", theme))
        self.strip.set_theme(theme)

    # ---- building -------------------------------------------------------------------------

    def _kinds(self) -> QComboBox:
        combo = narrow_combo(6)
        for text, data, explain in (
            (self.tr("all pictures"), "all", self.tr("Every held-out picture")),
            (
                self.tr("wrong"),
                "wrong",
                self.tr("At least one network names another class than the true one"),
            ),
            (self.tr("correct"), "correct", self.tr("Every network names the true class")),
            (self.tr("confident"), "confident", self.tr("A network gives its class at least 90 %")),
            (self.tr("lanes disagree"), "disagree", self.tr("The networks name different classes")),
        ):
            add_explained(combo, text, data, explain)
        combo.setToolTip(self.tr("Which held-out pictures are shown"))
        return combo

    def _networks_menu(self) -> QToolButton:
        button = QToolButton()
        button.setText(self.tr("Networks"))
        button.setToolTip(self.tr("Look with networks that have learnt already"))
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(button)
        menu.addAction(self.tr("Pretrained twins"), self.pretrained_requested.emit)
        asked = self.imagenet_requested
        menu.addAction(self.tr("ImageNet ResNet-18…"), lambda: asked.emit("imagenet"))
        menu.addAction(self.tr("ImageNet ResNet-34…"), lambda: asked.emit("imagenet-resnet34"))
        button.setMenu(menu)
        return button

    def _open_menu(self) -> QToolButton:
        button = QToolButton()
        button.setText(self.tr("Open"))
        button.setToolTip(
            self.tr("Open pictures of your own: one is explained at once, several are shown here as an album")
        )
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(button)
        menu.addAction(self.tr("Open pictures…"), self.open_requested.emit)
        menu.addAction(self.tr("Open folder of pictures…"), self.folder_requested.emit)
        button.setMenu(menu)
        return button

    def _layout(self) -> None:
        self._album_pair = labelled(self.tr("in"), self.album)
        self._controls = (
            labelled(self.tr("Show"), self.kind),
            self._album_pair,
            labelled(self.tr("of class"), self.label),
            labelled(self.tr("seen by"), self.source),
            self.refresh,
            self.open,
            self.networks,
            self.toggle,
        )
        self._flow = Flow(self._controls)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for part in (self._flow, self.more, self.chip, self.strip):
            layout.addWidget(part)

    def _connect(self) -> None:
        self.kind.currentIndexChanged.connect(self.changed)
        self.label.changed.connect(self._on_class)
        self.source.currentIndexChanged.connect(self._on_source)
        self.album.currentIndexChanged.connect(self._on_album)
        self.more.changed.connect(self._on_changed)
        self.toggle.toggled.connect(self._on_toggled)
        self.chip.clicked.connect(self._on_chip)
        self.refresh.clicked.connect(self.refresh_requested)

    # ---- slots ----------------------------------------------------------------------------

    def _on_changed(self) -> None:
        self._show_cell()
        self._show_toggle()
        self.changed.emit()

    def _on_class(self) -> None:
        self._drop_cell()
        self.changed.emit()

    def _on_source(self) -> None:
        self._drop_cell()
        self.source_changed.emit()

    def _on_album(self) -> None:
        self._drop_cell()
        self.label.clear_choice()
        self.album_changed.emit()

    def _on_toggled(self, shown: bool) -> None:
        self.more.setVisible(shown)
        self._show_toggle()

    def _on_chip(self) -> None:
        had_focus = self.chip.hasFocus()
        self._drop_cell()
        if had_focus:  # it must not jump to another panel
            self.kind.setFocus()
        self.changed.emit()

    def _drop_cell(self) -> None:
        if self._cell is not None:
            self._cell = None
            self.more.choose_network(None)
            self._show_cell()
            self._show_toggle()

    def _show_cell(self) -> None:
        """Word the cell: the network may have changed, or be known by name only now."""
        self.chip.setVisible(self._cell is not None)
        if self._cell is None:
            return
        text = self.tr("true: {label}, seen as: {predicted} ({network})")
        self.chip.show_words(text.format(
            label=class_name(self.label.names(), self._cell.label),
            predicted=class_name(self._predicted, self._cell.predicted),
            network=self._network_name(),
        ))  # fmt: skip

    def _network_name(self) -> str:
        name = self.more.network.currentText()
        if self.more.chosen_network() is None or self.chosen_source() != LANES:
            return name
        return self.tr("lane {name}").format(name=name)

    def _show_toggle(self) -> None:
        """Say on the button how many of the hidden filters are at work."""
        active = self.more.active()
        if self._cell is not None and self.more.chosen_network() is not None:
            active -= 1  # the chip says it
        words = self.tr("Filters")
        if active:
            words = self.tr("Filters: {count}").format(count=active)
        self.toggle.setText(words)
        font = self.toggle.font()
        font.setBold(active > 0)
        self.toggle.setFont(font)
