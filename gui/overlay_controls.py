"""The controls of the explanations: what is asked, how it is arranged, and how the maps are shown."""

from collections.abc import Mapping
from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import QCheckBox, QComboBox, QSizePolicy, QSlider, QToolButton, QVBoxLayout, QWidget

from core.messages import Arrangement, Explain, OwnPicture
from core.methods import METHODS, Method, MethodError, Parameters, Size
from core.overlay import Look, Sign
from gui.combo import add_explained, fill, narrow_combo, offer_classes
from gui.flow import Flow, labelled
from gui.method_box import MethodBox
from gui.method_form import MethodForm
from gui.method_list import MethodList
from gui.method_price import Pace, maps_asked, passes_asked
from gui.method_words import price_words
from gui.picture_state import LANES
from gui.theme import Theme

_PERCENT = 5  # the arrow keys' step of the opacity
_ROOMY = 700  # pixels of width from which on the boxes are as wide as their longest words
ARRANGEMENTS: tuple[Arrangement, ...] = ("single", "switch", "filmstrip", "targets", "methods")
_ONE_SCALE: frozenset[Arrangement] = frozenset({"switch", "targets"})  # the same thing twice: comparable
_BLOCK_METHOD = "grad_cam"  # where a filmstrip is asked for by a method that looks at no block


class OverlayControls(QWidget):
    """Chooses what is explained and how it is shown.

    Signals: `question_changed`, another map is needed; `look_changed`, the same one is drawn anew.
    """

    question_changed = Signal()
    look_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.arrangement = self._arrangements()
        self.method = MethodBox()
        self.several = MethodList()
        self.target = narrow_combo(5)
        self.target.setToolTip(
            self.tr("The class that is explained: the one each network predicts, or the same one for all")
        )
        self.against = narrow_combo(6)
        self.against.setToolTip(
            self.tr("The class it is held against: the most probable other one, or one that is chosen")
        )
        self.disclosure = QToolButton()
        self.form = MethodForm(self)
        self.opacity = self._opacity_slider()
        self.sign = self._signs()
        self.colors = narrow_combo(6)
        self.colors.setToolTip(self.tr("Colours of the maps"))
        self.colors.setAccessibleName(self.tr("Colours"))
        self._chosen_colors: dict[bool, str] = {}  # by whether both signs are shown
        self.common = QCheckBox(self.tr("same scale for all"))
        self.common.setToolTip(
            self.tr("One scale for all maps, so that colours can be compared; else each map fills its own")
        )
        self._common: dict[Arrangement, bool] = {each: each in _ONE_SCALE for each in ARRANGEMENTS}
        self._before = ""  # the method that gave way to one that can make a filmstrip
        self._unsuitable: dict[str, str] = {}
        self._roomy = False
        self._pace = Pace()
        self._size, self._source, self._networks = Size(28, 8), LANES, 1
        self._layout()
        self.set_class_names(())
        self._offer_colors()
        self._show_arrangement()
        self._connect()

    # ---- what is chosen -------------------------------------------------------------------

    def chosen_method(self) -> Method:
        """Return the method."""
        return self.method.method()

    def chosen_arrangement(self) -> Arrangement:
        """Return what stands side by side."""
        chosen: Arrangement = self.arrangement.currentData()
        return chosen

    def chosen_target(self) -> int | None:
        """Return the class to explain; None: each network's own prediction."""
        target: int | None = self.target.currentData()
        return target

    def request(self, picture: int | OwnPicture, source: str) -> Explain:
        """Make the question that is chosen."""
        arrangement, method = self.chosen_arrangement(), self.chosen_method().name
        methods = self.several.chosen() if arrangement == "methods" else ()
        against: int | None = self.against.currentData() if arrangement == "targets" else None
        if methods and method not in methods:
            method = methods[0]
        return Explain(
            picture, method, self.chosen_target(), source, parameters=self._parameters(method),
            arrangement=arrangement, against=against, methods=methods,
        )  # fmt: skip

    def _parameters(self, method: str) -> Parameters:
        hidden = self._hidden()
        return tuple(each for each in self.form.parameters(method) if each[0] not in hidden)

    def look(self) -> Look:
        """Return how maps are shown."""
        sign: Sign = self.sign.currentData()
        return Look(sign, self.opacity.value() / 100)

    def color_map(self) -> str:
        """Return the name of the colour map."""
        return str(self.colors.currentData())

    # ---- data in --------------------------------------------------------------------------

    def choose_arrangement(self, arrangement: Arrangement) -> None:
        """Choose what stands side by side."""
        self.arrangement.setCurrentIndex(self.arrangement.findData(arrangement))

    def set_class_names(self, names: tuple[str, ...]) -> None:
        """Offer these classes as targets; with other ones the choice goes back to the own prediction."""
        offer_classes(self.target, self.tr("own prediction"), names)
        offer_classes(self.against, self.tr("runner-up"), names)

    def set_unsuitable(self, reasons: Mapping[str, str]) -> None:
        """Grey these methods, by name, and say why."""
        self._unsuitable = dict(reasons)
        self._grey()

    def set_asked(self, source: str, size: Size, networks: int) -> None:
        """Say who is asked, of a picture of which size: defaults and prices depend on it."""
        self._source, self._size, self._networks = source, size, max(networks, 1)
        self.form.fit(size)
        self.method.set_size(size)
        self.several.set_size(size)
        self._show_price()

    @property
    def pace(self) -> Pace:
        """How long a pass takes, as measured; call `set_asked` after it learnt."""
        return self._pace

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self.form.set_theme(theme)

    # ---- building -------------------------------------------------------------------------

    def _arrangements(self) -> QComboBox:
        combo = narrow_combo(8)
        for row, (text, arrangement, explain) in enumerate((
            (self.tr("single map"), "single", self.tr("One map of each network")),
            (
                self.tr("shortcuts on | off"),
                "switch",
                self.tr("Each network with every shortcut on, with every one cut, and the difference"),
            ),
            (
                self.tr("filmstrip"),
                "filmstrip",
                self.tr("From the stem to the last block: what each block's output says"),
            ),
            (
                self.tr("this class, not that"),
                "targets",
                self.tr("What speaks for one class, for another, and the difference"),
            ),
            (self.tr("several methods"), "methods", self.tr("Maps of up to six methods side by side")),
        )):  # fmt: skip
            add_explained(combo, text, arrangement, f"{explain} (Alt+{row + 1})")
        combo.setToolTip(self.tr("What stands side by side for each network (Alt+1 … Alt+5)"))
        return combo

    def _opacity_slider(self) -> QSlider:
        slider = QSlider(Qt.Orientation.Horizontal)
        slider.setRange(0, 100)
        slider.setValue(round(Look().opacity * 100))
        slider.setSingleStep(_PERCENT)
        slider.setPageStep(4 * _PERCENT)
        slider.setMinimumWidth(48)
        slider.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        slider.setToolTip(self.tr("How strongly the map covers the picture; 0 shows the picture alone"))
        return slider

    def _signs(self) -> QComboBox:
        combo = narrow_combo(6)
        combo.setAccessibleName(self.tr("Sign"))
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
        self.disclosure.setText(self.tr("Parameters"))
        self.disclosure.setCheckable(True)
        self.disclosure.setArrowType(Qt.ArrowType.RightArrow)
        self.disclosure.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.disclosure.setToolTip(self.tr("The method's parameters, and what a map costs"))
        self.form.hide()
        self._pairs = {
            "arrangement": labelled(self.tr("Arrange"), self.arrangement),
            "method": labelled(self.tr("Method"), self.method),
            "several": self.several,
            "disclosure": self.disclosure,
            "target": labelled(self.tr("for"), self.target),
            "against": labelled(self.tr("not"), self.against),
            "opacity": labelled(self.tr("Overlay"), self.opacity),
            "sign": self.sign,  # its rows say what it is, and the room is small
            "colors": self.colors,
            "common": self.common,
        }
        self._flow = Flow(tuple(self._pairs.values()))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._flow)
        layout.addWidget(self.form)

    def _connect(self) -> None:
        self.arrangement.currentIndexChanged.connect(self._on_arrangement)
        self.method.chosen.connect(self._on_method)
        self.several.changed.connect(self._on_question)
        self.target.currentIndexChanged.connect(self._on_question)
        self.against.currentIndexChanged.connect(self._on_question)
        self.form.changed.connect(self._on_question)
        self.form.drafted.connect(self._show_price)
        self.disclosure.toggled.connect(self._on_disclosure)
        self.opacity.valueChanged.connect(self.look_changed)
        self.sign.currentIndexChanged.connect(self._on_sign)
        self.colors.currentIndexChanged.connect(self._on_colors)
        self.common.clicked.connect(self._on_common)
        self.common.toggled.connect(self.look_changed)
        for row, arrangement in enumerate(ARRANGEMENTS):
            key = QShortcut(QKeySequence(f"Alt+{row + 1}"), self.parentWidget() or self)
            key.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            key.activated.connect(lambda arrangement=arrangement: self.choose_arrangement(arrangement))

    # ---- what goes with an arrangement ------------------------------------------------------

    def _hidden(self) -> frozenset[str]:
        """The parameters that the arrangement chooses itself."""
        return frozenset({"block"}) if self.chosen_arrangement() == "filmstrip" else frozenset()

    def _show_arrangement(self) -> None:
        arrangement = self.chosen_arrangement()
        left_out = {"single": {"several", "against"}, "switch": {"several", "against"},
                    "filmstrip": {"several", "against"}, "targets": {"several"},
                    "methods": {"against", "method"}}[arrangement]  # fmt: skip
        self._flow.show_only([pair for name, pair in self._pairs.items() if name not in left_out])
        self._grey()
        self.form.show_method(self.chosen_method(), self._hidden())
        self.common.setChecked(self._common[arrangement])
        self._show_price()

    def _grey(self) -> None:
        reasons = dict(self._unsuitable)
        self.several.set_reasons(reasons)
        if self.chosen_arrangement() == "filmstrip":
            whole = self.tr(
                "It looks at the whole network; a filmstrip needs a method that looks at one block"
            )
            reasons = {**{n: whole for n, each in METHODS.items() if not each.has_block}, **reasons}
        elif self.chosen_arrangement() == "targets":
            reasons.setdefault("activation", self.tr("It is of no class, so two classes give the same map"))
        self.method.set_reasons(reasons)

    def _fitting_method(self) -> None:
        """Leave a method that cannot make the arrangement, and come back to it after."""
        arrangement, method = self.chosen_arrangement(), self.chosen_method()
        if arrangement == "filmstrip" and not method.has_block:
            self._before = method.name
            self.method.choose(_BLOCK_METHOD)
        elif arrangement != "filmstrip":
            before, self._before = self._before, ""
            if before and method.name == _BLOCK_METHOD:
                self.method.set_reasons(self._unsuitable)
                self.method.choose(before)

    def _show_price(self) -> None:
        request = self.request(0, self._source)
        if request.method == self.chosen_method().name:  # what is typed costs that, once it is asked
            hidden = self._hidden()
            drafted = tuple(each for each in self.form.draft() if each[0] not in hidden)
            request = replace(request, parameters=drafted)
        try:
            passes = passes_asked(request, self._size) * self._networks
        except MethodError:
            self.form.set_price("")
            return
        maps = maps_asked(request, self._size.blocks) * self._networks
        seconds = self._pace.seconds(self._source, self._size.side, passes)
        self.form.set_price(price_words(passes, maps, seconds))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        roomy = event.size().width() >= _ROOMY
        if roomy != self._roomy:
            self._roomy = roomy
            for box, narrow, wide in ((self.arrangement, 8, 15), (self.method, 8, 19), (self.target, 5, 13)):
                box.setMinimumContentsLength(wide if roomy else narrow)
            self._flow.refit()

    # ---- slots ----------------------------------------------------------------------------

    def _on_question(self) -> None:
        self._show_price()
        self.question_changed.emit()

    def _on_method(self) -> None:
        self.form.show_method(self.chosen_method(), self._hidden())
        self._on_question()

    def _on_arrangement(self) -> None:
        blocked = self.blockSignals(True)  # one question, not one for the method and one for the rest
        self._fitting_method()
        self._show_arrangement()
        self.blockSignals(blocked)
        self._on_question()

    def _on_disclosure(self, opened: bool) -> None:
        self.disclosure.setArrowType(Qt.ArrowType.DownArrow if opened else Qt.ArrowType.RightArrow)
        self.form.setVisible(opened)

    def _on_sign(self) -> None:
        self._offer_colors()
        self.look_changed.emit()

    def _on_colors(self) -> None:
        self._chosen_colors[self.look().sign == "both"] = self.color_map()
        self.look_changed.emit()

    def _on_common(self) -> None:
        self._common[self.chosen_arrangement()] = self.common.isChecked()
