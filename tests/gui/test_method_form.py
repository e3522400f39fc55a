"""The form of a method's parameters, the list of methods, and what a question is said to cost."""

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from core.messages import MOST_METHODS, Explain
from core.methods import METHODS, STEM, Size, passes, values
from core.settings import NetworkSettings
from gui.method_fields import ChoiceField, NumberField
from gui.method_form import PAUSE_MS, MethodForm
from gui.method_list import MethodList
from gui.method_price import maps_asked, passes_asked
from gui.method_words import groups, price_words
from gui.overlay_controls import OverlayControls

SMALL, LARGE = Size(28, 8), Size(224, 16)


class Filled:
    """A form, and how often it asked."""

    def __init__(self, qtbot: QtBot, method: str = "occlusion", size: Size = SMALL) -> None:
        self.form = MethodForm()
        qtbot.addWidget(self.form)
        self.qtbot = qtbot
        self.asked = 0
        self.form.changed.connect(self._count)
        self.form.fit(size)
        self.form.show_method(METHODS[method])
        self.form.show()

    def _count(self) -> None:
        self.asked += 1

    def type(self, name: str, text: str) -> None:
        field = self.form.fields()[name]
        assert isinstance(field, NumberField)
        field.selectAll()
        self.qtbot.keyClicks(field.lineEdit(), text) if text else field.lineEdit().clear()
        if not text:
            field.edited.emit()

    def after_a_while(self) -> None:
        self.qtbot.wait(PAUSE_MS + 60)


@pytest.fixture
def filled(qtbot: QtBot) -> Callable[..., Filled]:
    return lambda *args, **more: Filled(qtbot, *args, **more)


@pytest.mark.parametrize("size", [SMALL, LARGE, Size(32, 27)], ids=str)
def test_every_parameter_of_every_method_shows_its_default_for_the_size(size: Size, qtbot: QtBot) -> None:
    form = MethodForm()
    qtbot.addWidget(form)
    for name, method in METHODS.items():
        form.show_method(method)
        form.fit(size)
        wanted = values(name, (), size)
        assert list(form.fields()) == list(wanted)
        for parameter, field in form.fields().items():
            if isinstance(field, ChoiceField):
                assert field.currentData() == wanted[parameter]
            else:
                assert field.lineEdit().placeholderText() == f"{wanted[parameter]:g}"
                assert field.lineEdit().text() == ""
            assert field.accessibleName()
            assert field.toolTip()
        assert form.parameters() == ()


def test_defaults_follow_the_picture_and_what_was_chosen_stays(filled: Callable[..., Filled]) -> None:
    made = filled("occlusion")
    made.type("window", "7")
    made.form.fit(LARGE)
    assert made.form.parameters() == (("window", 7),)
    assert made.form.fields()["stride"].lineEdit().placeholderText() == "14"


def test_what_does_not_fit_a_smaller_picture_is_neither_shown_nor_sent(filled: Callable[..., Filled]) -> None:
    made = filled("occlusion", LARGE)
    made.type("window", "60")
    made.form.fit(SMALL)
    assert made.form.parameters() == ()
    assert made.form.fields()["window"].lineEdit().text() == ""
    made.form.fit(LARGE)
    assert made.form.parameters() == (("window", 60),)


def test_changes_are_asked_for_once_after_a_pause(filled: Callable[..., Filled]) -> None:
    made = filled("shapley_value_sampling")
    made.type("grid", "5")
    made.type("samples", "30")
    assert made.asked == 0
    made.after_a_while()
    assert made.asked == 1
    assert made.form.parameters() == (("grid", 5), ("samples", 30))


def test_enter_asks_at_once_and_only_once(filled: Callable[..., Filled], qtbot: QtBot) -> None:
    made = filled()
    made.type("window", "5")
    qtbot.keyClick(made.form.fields()["window"], Qt.Key.Key_Return)
    assert made.asked == 1
    made.after_a_while()
    assert made.asked == 1


@pytest.mark.parametrize("text", ["0", "29", "2.5", "x"])
def test_what_is_no_value_is_said_in_one_line_and_not_asked(text: str, filled: Callable[..., Filled]) -> None:
    made = filled()
    made.type("window", "5")
    made.after_a_while()
    made.type("window", text)
    made.after_a_while()
    assert made.form.problem.text() == "Window: a whole number from 1 to 28"
    assert made.asked == 1
    assert made.form.parameters() == (("window", 5),)
    made.type("window", "9")
    assert made.form.problem.text() == ""
    assert (made.form.parameters(), made.form.draft()) == ((("window", 5),), (("window", 9),))
    made.after_a_while()
    assert made.form.parameters() == (("window", 9),)


def test_an_empty_line_and_the_default_itself_are_not_sent(filled: Callable[..., Filled]) -> None:
    made = filled("integrated_gradients")
    made.type("steps", "50")
    assert made.form.draft() == ()
    made.type("steps", "64")
    assert made.form.draft() == (("steps", 64),)
    made.type("steps", "")
    assert made.form.draft() == ()


def test_each_method_remembers_its_own_until_the_defaults_are_taken(filled: Callable[..., Filled]) -> None:
    made = filled("integrated_gradients")
    made.type("steps", "64")
    made.form.show_method(METHODS["conductance"])
    assert made.form.parameters() == ()
    made.type("steps", "20")
    made.form.show_method(METHODS["integrated_gradients"])
    assert made.form.fields()["steps"].lineEdit().text() == "64"
    assert made.form.parameters("conductance") == (("steps", 20),)
    made.form.defaults.click()
    assert made.form.parameters() == ()
    assert made.form.fields()["steps"].lineEdit().text() == ""
    assert made.asked == 1
    assert not made.form.defaults.isEnabled()
    assert made.form.parameters("conductance") == (("steps", 20),)


def test_the_arrows_step_from_the_default(filled: Callable[..., Filled]) -> None:
    made = filled("integrated_gradients")
    field = made.form.fields()["steps"]
    field.stepBy(1)
    assert made.form.draft() == (("steps", 51),)
    field.stepBy(-2)
    assert made.form.draft() == (("steps", 49),)


@pytest.mark.parametrize("depth", [18, 56])
def test_blocks_are_chosen_by_name_from_the_stem_to_the_last(
    depth: int, filled: Callable[..., Filled]
) -> None:
    network = NetworkSettings(depth=depth)
    made = filled("grad_cam", Size(28, network.block_count))
    box = made.form.fields()["block"]
    assert [box.itemText(row) for row in range(box.count())] == [
        "stem", *(block.name for block in network.blocks),
    ]  # fmt: skip
    assert box.currentText() == network.blocks[-1].name
    box.setCurrentIndex(0)
    assert made.form.draft() == (("block", STEM),)
    box.setCurrentIndex(3)
    assert made.form.draft() == (("block", 2),)
    made.after_a_while()
    assert made.asked == 1


def test_a_block_that_a_shallower_network_lacks_gives_way_to_its_last(filled: Callable[..., Filled]) -> None:
    made = filled("grad_cam", Size(28, 27))
    made.form.fields()["block"].setCurrentIndex(20)
    assert made.form.draft() == (("block", 19),)
    made.form.fit(SMALL)
    assert made.form.parameters() == ()
    assert made.form.fields()["block"].currentText() == "4.1"


def test_a_hidden_parameter_is_not_offered(filled: Callable[..., Filled]) -> None:
    made = filled("conductance")
    made.form.show_method(METHODS["conductance"], frozenset({"block"}))
    assert not made.form.fields()["block"].isVisible()
    assert made.form.fields()["steps"].isVisible()


# ---- price ------------------------------------------------------------------------------------


def test_the_price_is_said_in_passes_and_in_seconds_once_a_pass_was_measured() -> None:
    question = Explain(0, "shapley_value_sampling")
    cost = passes_asked(question, SMALL)
    assert cost == passes("shapley_value_sampling", (), SMALL) == 25 * 7 * 7 + 1
    assert price_words(cost, 1, None) == "about 1,226 passes"
    assert price_words(cost, 1, 2.1) == "about 1,226 passes · ≈ 2.1 s"
    assert price_words(2 * cost, 2, 240.0) == "about 2,452 passes for 2 maps · ≈ 4 min"


@pytest.mark.parametrize(
    ("question", "maps", "cost"),
    [
        (Explain(0, "saliency"), 1, 3),
        (Explain(0, "integrated_gradients", parameters=(("steps", 10),), arrangement="switch"), 2, 60),
        (Explain(0, "grad_cam", arrangement="filmstrip"), 9, 27),
        (Explain(0, "saliency", arrangement="targets"), 2, 6),
        (Explain(0, "integrated_gradients", parameters=(("steps", 10),), arrangement="methods",
                 methods=("saliency", "integrated_gradients", "occlusion")), 3,
         3 + 30 + passes("occlusion", (), SMALL)),
    ],
    ids=lambda each: each.arrangement if isinstance(each, Explain) else str(each),
)  # fmt: skip
def test_an_arrangement_costs_all_its_maps_but_differences(question: Explain, maps: int, cost: float) -> None:
    assert maps_asked(question, SMALL.blocks) == maps
    assert passes_asked(question, SMALL) == cost


def test_the_form_says_the_price_before_anything_is_asked(qtbot: QtBot) -> None:
    controls = OverlayControls()
    qtbot.addWidget(controls)
    controls.set_asked("lanes", SMALL, 2)
    controls.method.choose("shapley_value_sampling")
    assert controls.form.price.text() == "about 2,452 passes for 2 maps"
    field = controls.form.fields()["samples"]
    field.show_value(50)
    field.edited.emit()
    assert controls.form.price.text() == "about 4,902 passes for 2 maps"
    assert controls.request(0, "lanes").parameters == ()  # it is not asked yet
    assert "About 1,226 passes a map" in controls.method.toolTip()


# ---- which methods ------------------------------------------------------------------------------


def test_every_method_is_in_one_group() -> None:
    names = [method.name for _, methods in groups() for method in methods]
    assert sorted(names) == sorted(METHODS)
    assert [title for title, _ in groups()] == ["Gradient methods", "Occluding methods", "Inside the network"]


def check(methods: MethodList, name: str, on: bool = True) -> None:
    methods._items[name].setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)


def test_no_more_than_the_most_and_no_fewer_than_one_can_be_checked(qtbot: QtBot) -> None:
    methods = MethodList()
    qtbot.addWidget(methods)
    methods.choose(("saliency",))
    enabled = Qt.ItemFlag.ItemIsEnabled
    assert not methods._items["saliency"].flags() & enabled
    for name in ("occlusion", "grad_cam", "deep_lift", "smooth_grad", "activation"):
        with qtbot.waitSignal(methods.changed):
            check(methods, name)
    assert len(methods.chosen()) == MOST_METHODS
    assert methods.text() == "6 of at most 6 methods"
    assert not methods._items["conductance"].flags() & enabled
    assert methods._items["grad_cam"].flags() & enabled
    check(methods, "grad_cam", on=False)
    assert methods._items["conductance"].flags() & enabled


def test_what_is_not_right_is_unchecked_as_long_as_something_is_left(qtbot: QtBot) -> None:
    methods = MethodList()
    qtbot.addWidget(methods)
    methods.choose(("saliency", "deep_lift"))
    methods.set_reasons({"deep_lift": "158 % off"})
    assert methods.chosen() == ("saliency",)
    methods.choose(("deep_lift",))
    methods.set_reasons({"deep_lift": "159 % off"})
    assert methods.chosen() == ("deep_lift",)
