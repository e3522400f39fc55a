"""The controls of the explanations: method and class, and how the maps are shown."""

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QSizePolicy, QSlider, QVBoxLayout, QWidget

from core.methods import DEFAULT_METHOD, METHODS, Method
from core.overlay import Look, Sign
from gui.combo import add_explained, fill, narrow_combo, offer_classes
from gui.flow import Flow, labelled

_PERCENT = 5  # the arrow keys' step of the opacity


class OverlayControls(QWidget):
    """Chooses what is explained and how it is shown.

    Signals: `question_changed`, another map is needed; `look_changed`, the same one is drawn anew.
    """

    question_changed = Signal()
    look_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.method = self._methods()
        self.target = narrow_combo(10)
        self.target.setToolTip(
            self.tr("The class that is explained: the one each network predicts, or the same one for all")
        )
        self.opacity = self._opacity_slider()
        self.sign = self._signs()
        self.colors = narrow_combo(8)
        self.colors.setToolTip(self.tr("Colours of the maps"))
        self._chosen_colors: dict[bool, str] = {}  # by whether both signs are shown
        self.common = QCheckBox(self.tr("same scale for all"))
        self.common.setToolTip(
            self.tr(
                "One scale for all networks, so that colours can be compared; else each map fills its own"
            )
        )
        self._layout()
        self.set_class_names(())
        self._offer_colors()
        self._connect()

    # ---- what is chosen -------------------------------------------------------------------

    def chosen_method(self) -> Method:
        """Return the method."""
        return METHODS[self.method.currentData()]

    def chosen_target(self) -> int | None:
        """Return the class to explain; None: each network's own prediction."""
        target: int | None = self.target.currentData()
        return target

    def look(self) -> Look:
        """Return how maps are shown."""
        sign: Sign = self.sign.currentData()
        return Look(sign, self.opacity.value() / 100)

    def color_map(self) -> str:
        """Return the name of the colour map."""
        return str(self.colors.currentData())

    def set_class_names(self, names: tuple[str, ...]) -> None:
        """Offer these classes as targets; with other ones the choice goes back to the own prediction."""
        offer_classes(self.target, self.tr("own prediction"), names)

    # ---- building -------------------------------------------------------------------------

    def _methods(self) -> QComboBox:
        combo = narrow_combo(12)
        for method in METHODS.values():
            add_explained(combo, _said(method.label), method.name, _said(method.explain))
        combo.setCurrentIndex(combo.findData(DEFAULT_METHOD))
        return combo

    def _opacity_slider(self) -> QSlider:
        slider = QSlider(Qt.Orientation.Horizontal)
        slider.setRange(0, 100)
        slider.setValue(round(Look().opacity * 100))
        slider.setSingleStep(_PERCENT)
        slider.setPageStep(4 * _PERCENT)
        slider.setMinimumWidth(70)
        slider.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        slider.setToolTip(self.tr("How strongly the map covers the picture; 0 shows the picture alone"))
        return slider

    def _signs(self) -> QComboBox:
        combo = narrow_combo(7)
        add_explained(
            combo, self.tr("both signs"), "both", self.tr("What raises the score and what lowers it")
        )
        add_explained(
            combo, self.tr("positive"), "positive", self.tr("Only what raises the score of the class")
        )
        add_explained(
            combo, self.tr("negative"), "negative", self.tr("Only what lowers the score of the class")
        )
        add_explained(combo, self.tr("absolute"), "absolute", self.tr("How much a pixel matters, either way"))
        combo.setToolTip(self.tr("Which part of the maps is shown"))
        return combo

    def _offer_colors(self) -> None:
        both = self.look().sign == "both"
        if both:
            rows = [
                (self.tr("blue–red"), "CET-D1"),
                (self.tr("blue–yellow"), "CET-D7"),
                (self.tr("green–violet"), "CET-D2"),
            ]
        else:
            rows = [("inferno", "inferno"), ("viridis", "viridis"), ("cividis", "cividis")]
        fill(self.colors, rows, self._chosen_colors.get(both))

    def _layout(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(
            Flow(
                (
                    labelled(self.tr("Method"), self.method),
                    labelled(self.tr("for"), self.target),
                    labelled(self.tr("Overlay"), self.opacity),
                    labelled(self.tr("Sign"), self.sign),
                    labelled(self.tr("Colours"), self.colors),
                    self.common,
                )
            )
        )

    def _connect(self) -> None:
        self.method.currentIndexChanged.connect(self._on_method)
        self.target.currentIndexChanged.connect(self.question_changed)
        self.opacity.valueChanged.connect(self.look_changed)
        self.sign.currentIndexChanged.connect(self._on_sign)
        self.colors.currentIndexChanged.connect(self._on_colors)
        self.common.toggled.connect(self.look_changed)
        self._explain_method()

    # ---- slots ----------------------------------------------------------------------------

    def _on_method(self) -> None:
        self._explain_method()
        self.question_changed.emit()

    def _explain_method(self) -> None:
        self.method.setToolTip(_said(self.chosen_method().explain))

    def _on_sign(self) -> None:
        self._offer_colors()
        self.look_changed.emit()

    def _on_colors(self) -> None:
        self._chosen_colors[self.look().sign == "both"] = self.color_map()
        self.look_changed.emit()


def _said(text: str) -> str:
    """Word what core says of a method in the window's language."""
    return QCoreApplication.translate("Method", text)
