"""The controls over the gallery: which pictures, of which class, as which networks see them."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QMenu, QPushButton, QToolButton, QVBoxLayout, QWidget

from core.messages import BrowsePictures, PictureFilter
from gui.combo import add_explained, fill, narrow_combo, offer_classes
from gui.flow import Flow, labelled
from gui.icons import icon
from gui.picture_state import LANES
from gui.theme import Theme


class FilterBar(QWidget):
    """Filter, class and source of the pictures, and the ways to other pictures and networks.

    Signals: `changed` when other pictures or predictions are asked for; `source_changed` when other
    networks are; `refresh_requested`, `open_requested`, `pretrained_requested`, `imagenet_requested`.
    """

    changed = Signal()
    source_changed = Signal()
    refresh_requested = Signal()
    open_requested = Signal()
    pretrained_requested = Signal()
    imagenet_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kind = self._kinds()
        self.label = narrow_combo(4)
        self.label.setToolTip(self.tr("Only pictures of this class"))
        self.source = narrow_combo(4)
        self.source.setToolTip(self.tr("Whose predictions and explanations are shown"))
        self.refresh = QToolButton()
        self.refresh.setToolTip(self.tr("Predict these pictures again, with the weights of now"))
        self.refresh.setAccessibleName(self.tr("Refresh predictions"))
        self.open = QPushButton(self.tr("Open picture…"))
        self.open.setToolTip(
            self.tr("Explain a picture of your own; dropping or pasting one here does the same")
        )
        self.networks = self._networks_menu()
        self._layout()
        self.set_class_names(())
        self.set_sources(())
        self._connect()

    # ---- what is chosen -------------------------------------------------------------------

    def request(self, offset: int = 0) -> BrowsePictures:
        """Make the request for a page of what is chosen."""
        label = self.label.currentData()
        labels = () if label is None else (label,)
        return BrowsePictures(self.kind.currentData(), labels, offset, source=self.chosen_source())

    def chosen_kind(self) -> PictureFilter:
        """Return the filter."""
        kind: PictureFilter = self.kind.currentData()
        return kind

    def chosen_source(self) -> str:
        """Return the source: the lanes, or the name of a reference."""
        return str(self.source.currentData())

    def set_class_names(self, names: tuple[str, ...]) -> None:
        """Offer these classes; with other ones the choice goes back to any."""
        offer_classes(self.label, self.tr("any class"), names)

    def set_sources(self, names: tuple[str, ...], selected: str | None = None) -> None:
        """Offer the lanes and these references, and choose one."""
        before = self.source.currentData()
        chosen = before if selected is None else selected
        fill(self.source, [(self.tr("Lanes"), LANES), *((name, name) for name in names)], chosen)
        if self.source.currentData() != before and before is not None:
            self.source_changed.emit()

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self.refresh.setIcon(icon("reset", theme))

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
        menu.addAction(self.tr("ImageNet ResNet-18…"), self.imagenet_requested.emit)
        button.setMenu(menu)
        return button

    def _layout(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(
            Flow(
                (
                    labelled(self.tr("Show"), self.kind),
                    labelled(self.tr("of class"), self.label),
                    labelled(self.tr("seen by"), self.source),
                    self.refresh,
                    self.open,
                    self.networks,
                )
            )
        )

    def _connect(self) -> None:
        self.kind.currentIndexChanged.connect(self.changed)
        self.label.currentIndexChanged.connect(self.changed)
        self.source.currentIndexChanged.connect(self.source_changed)
        self.refresh.clicked.connect(self.refresh_requested)
        self.open.clicked.connect(self.open_requested)
