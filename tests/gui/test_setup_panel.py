"""The set-up form: made from the table, marks what differs, and applies only what can be used."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QToolButton, QWidget
from pytestqt.qtbot import QtBot

from core.messages import EngineReady, LaneInfo, RunStarted
from core.notices import Notice
from core.settings import SETTINGS, NetworkSettings, RunSettings, SettingsError, lane, twins
from gui.setting_fields import FOLDER, ChoiceEditor, Editor, NumberBox, ladder_step
from gui.setup_draft import build, draft_of, usual_width, with_run
from gui.setup_panel import SetupPanel
from gui.theme import DARK

RUN = RunSettings(lanes=twins(NetworkSettings()), device="cpu", threads=2)


def started(settings: RunSettings) -> RunStarted:
    lanes = tuple(LaneInfo(one.name, one.network, 696_618, (), ()) for one in settings.lanes)
    return RunStarted(settings, lanes, ("bag",) * 10, 18_750, 1_875, 10_000, 1_000, None)


def ready(device: str = "cpu") -> EngineReady:
    return EngineReady(device, Notice("no accelerator was found"), 2, (), ("cpu",))


@pytest.fixture
def make_panel(qtbot: QtBot) -> Callable[..., SetupPanel]:
    def make(settings: RunSettings | None = RUN) -> SetupPanel:
        panel = SetupPanel()
        qtbot.addWidget(panel)
        panel.set_engine(ready())
        if settings is not None:
            panel.start_run(started(settings))
        return panel

    return make


@pytest.fixture
def panel(make_panel: Callable[..., SetupPanel]) -> SetupPanel:
    return make_panel()


def type_text(editor: Editor, text: str) -> None:
    """Type as a person does, and leave the field."""
    box = editor.control
    assert isinstance(box, NumberBox)
    box.lineEdit().setText(text)
    box.lineEdit().textEdited.emit(text)
    box.editingFinished.emit()


def choose(editor: Editor, value: object) -> None:
    box = editor.control
    place = box.findData(value)
    box.setCurrentIndex(place)
    box.activated.emit(place)


def applied(panel: SetupPanel) -> RunSettings:
    asked: list[RunSettings] = []
    panel.apply_requested.connect(asked.append)
    assert panel.form.apply_button.isEnabled()
    panel.form.apply_button.click()
    return asked[-1]


def editors(panel: SetupPanel) -> dict[str, Editor]:
    return {**panel.form.recipe.editors, **panel.form.network.editors}


def test_every_setting_has_an_editor_that_shows_the_run(panel: SetupPanel) -> None:
    here = editors(panel)
    assert {*here, "learning_rate"} == {one.name for one in SETTINGS}
    for name, editor in panel.form.recipe.editors.items():
        assert editor.value() == getattr(RUN, name)
    for name, editor in panel.form.network.editors.items():
        assert editor.value() == getattr(RUN.lanes[0].network, name)


def test_every_editor_explains_itself(panel: SetupPanel) -> None:
    for editor in editors(panel).values():
        assert editor.control.toolTip()
        assert editor.control.accessibleName()
    for button in panel.form.findChildren(QToolButton, options=Qt.FindChildOption.FindChildrenRecursively):
        if not button.isHidden() and not button.objectName().startswith("qt_"):
            assert button.accessibleName()


def test_a_fresh_form_is_what_runs_and_offers_nothing(panel: SetupPanel) -> None:
    assert panel.settings() == RUN
    assert not panel.form.apply_button.isEnabled()
    assert not panel.form.revert_button.isEnabled()


def test_without_a_run_apply_is_offered(make_panel: Callable[..., SetupPanel]) -> None:
    assert applied(make_panel(None)).lanes == RUN.lanes


def test_a_change_is_marked_and_apply_asks_for_it(panel: SetupPanel) -> None:
    type_text(editors(panel)["batch_size"], "64")
    row = panel.form.recipe._rows["batch_size"]
    assert row.mark.text()
    assert row.label.font().bold()
    assert applied(panel) == replace(RUN, batch_size=64)


def test_typing_the_old_value_again_takes_the_mark_away(panel: SetupPanel) -> None:
    type_text(editors(panel)["momentum"], "0.5")
    type_text(editors(panel)["momentum"], "9e-1")
    assert not panel.form.recipe._rows["momentum"].mark.text()
    assert not panel.form.apply_button.isEnabled()


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("batch_size", "1", "batch size must be a whole number from 2 to 4096, not 1"),
        ("batch_size", "2.5", "batch size must be a whole number from 2 to 4096, not 2.5"),
        ("momentum", "much", "momentum must be a number from 0 to 0.9999, not much"),
        ("seed", "", "seed must be a whole number from 0 to 2147483647, not "),
        ("width", "1000", "width must be a whole number from 1 to 256, not 1000"),
    ],
)
def test_a_bad_value_is_one_line_at_its_field_and_no_apply(
    panel: SetupPanel, name: str, text: str, says: str
) -> None:
    type_text(editors(panel)[name], text)
    grid = panel.form.recipe if name in panel.form.recipe.editors else panel.form.network
    assert grid._rows[name].line.text() == says
    assert not grid._rows[name].line.isHidden()
    assert not panel.form.apply_button.isEnabled()
    with pytest.raises(SettingsError):
        panel.settings()


def test_revert_shows_the_run_again(panel: SetupPanel) -> None:
    type_text(editors(panel)["batch_size"], "no")
    choose(editors(panel)["norm"], "none")
    panel.form.revert_button.click()
    assert panel.settings() == RUN
    assert not panel.form.apply_button.isEnabled()


def test_a_network_edit_is_for_all_lanes_or_for_the_selected_one(panel: SetupPanel) -> None:
    choose(editors(panel)["norm"], "none")
    assert [one.network.norm for one in panel.settings().lanes] == ["none", "none"]
    panel.form.for_all.click()
    panel.form.lanes.strips[1].button.click()
    choose(editors(panel)["activation"], "tanh")
    assert [one.network.activation for one in panel.settings().lanes] == ["relu", "tanh"]
    panel.form.for_all.click()
    assert "differ" in panel.form.network._rows["activation"].line.text()


def test_another_depth_makes_lanes_of_its_length_and_keeps_all_and_none(panel: SetupPanel) -> None:
    choose(editors(panel)["depth"], 56)
    lanes = applied(panel).lanes
    assert [one.shortcuts for one in lanes] == [(1.0,) * 27, (0.0,) * 27]
    assert all(one.branches == (1.0,) * 27 for one in lanes)


def test_the_width_follows_the_depth_where_nobody_chose_one(panel: SetupPanel) -> None:
    panel.set_engine(ready("cuda"))
    type_text(editors(panel)["width"], "64")
    choose(editors(panel)["depth"], 20)
    assert panel.settings().lanes[0].network.width == 16
    assert usual_width(18, "cuda") == 64
    type_text(editors(panel)["width"], "24")
    choose(editors(panel)["depth"], 18)
    assert panel.settings().lanes[0].network.width == 24


def test_the_form_says_why_the_width_is_16(panel: SetupPanel) -> None:
    line = panel.form.network._rows["width"].line
    assert line.text().startswith("Width 16, because there is no accelerator")
    panel.set_engine(ready("cuda"))
    assert line.isHidden()


def test_lanes_can_be_added_and_copied_up_to_four(panel: SetupPanel) -> None:
    lanes = panel.form.lanes
    lanes.strips[1].button.click()
    lanes.copy_button.click()
    lanes.strips[1].button.click()
    lanes.add_button.click()
    made = panel.settings().lanes
    assert [one.name for one in made] == ["A", "B", "C", "D"]
    assert [one.shortcuts[0] for one in made] == [1.0, 0.0, 0.0, 1.0]
    assert not lanes.add_button.isEnabled()
    assert not lanes.copy_button.isEnabled()


def test_the_last_lane_stays(panel: SetupPanel) -> None:
    panel.form.lanes.remove_button.click()
    assert [one.name for one in applied(panel).lanes] == ["B"]
    assert not panel.form.lanes.remove_button.isEnabled()


@pytest.mark.parametrize(
    ("name", "says"), [("A", "two lanes have the same name"), ("", "a lane needs a name")]
)
def test_a_lane_name_that_cannot_be_used_is_said(panel: SetupPanel, name: str, says: str) -> None:
    field = panel.form.lanes.strips[1].name
    field.setText(name)
    field.textEdited.emit(name)
    lines = [panel.form.lanes.strips[1].line.text(), panel.form.lanes_line.text()]
    assert says in lines
    assert not panel.form.apply_button.isEnabled()


def test_custom_strengths_are_typed_one_a_block(panel: SetupPanel) -> None:
    strip = panel.form.lanes.strips[0]
    choose_preset = strip.preset.findData("custom")
    strip.preset.setCurrentIndex(choose_preset)
    strip.preset.activated.emit(choose_preset)
    assert strip.custom.text() == "1 1 1 1 1 1 1 1"
    for text, fault in (("1 0 0.5", True), ("1, 0, 0.5, 1, 1, 1, 1, 0", False), ("1 1 1 1 1 1 1 2", True)):
        strip.custom.setText(text)
        strip.custom.textEdited.emit(text)
        assert panel.form.apply_button.isEnabled() is not fault
    strip.custom.setText("1, 0, 0.5, 1, 1, 1, 1, 0")
    strip.custom.textEdited.emit(strip.custom.text())
    assert applied(panel).lanes[0].shortcuts == (1, 0, 0.5, 1, 1, 1, 1, 0)


def test_a_learning_rate_is_live_and_needs_no_apply(panel: SetupPanel, qtbot: QtBot) -> None:
    with qtbot.waitSignal(panel.learning_rate_changed, timeout=500) as told:
        type_text(panel.form.lanes.strips[1].learning_rate, "0.01")
    assert told.args == [1, 0.01]
    assert not panel.form.apply_button.isEnabled()
    with qtbot.assertNotEmitted(panel.learning_rate_changed):
        type_text(panel.form.lanes.strips[1].learning_rate, "0.010")
        type_text(panel.form.lanes.strips[1].learning_rate, "-1")
    assert not panel.form.lanes.strips[1].line.isHidden()


def test_a_live_learning_rate_goes_to_the_lane_it_belongs_to(panel: SetupPanel, qtbot: QtBot) -> None:
    panel.form.lanes.remove_button.click()  # B now stands in the first place
    with qtbot.waitSignal(panel.learning_rate_changed, timeout=500) as told:
        type_text(panel.form.lanes.strips[0].learning_rate, "0.2")
    assert told.args == [1, 0.2]
    panel.form.lanes.add_button.click()
    with qtbot.assertNotEmitted(panel.learning_rate_changed):
        type_text(panel.form.lanes.strips[1].learning_rate, "0.3")


def test_a_learning_rate_from_elsewhere_does_not_echo(panel: SetupPanel, qtbot: QtBot) -> None:
    with qtbot.assertNotEmitted(panel.learning_rate_changed):
        panel.set_learning_rate(0.1)
    assert [one.learning_rate for one in panel.settings().lanes] == [0.1, 0.1]
    panel.form.revert_button.click()
    assert not panel.form.apply_button.isEnabled()


def test_edits_outlive_a_reset_but_not_another_run(panel: SetupPanel) -> None:
    type_text(editors(panel)["batch_size"], "64")
    panel.start_run(started(RUN))
    assert panel.settings().batch_size == 64
    panel.start_run(started(replace(RUN, seed=7)))
    assert panel.settings() == replace(RUN, seed=7)


def test_settings_put_in_are_an_edit(panel: SetupPanel) -> None:
    wanted = replace(RUN, lanes=(*RUN.lanes, lane("C", NetworkSettings(depth=34), 0.5)))
    panel.set_settings(wanted)
    assert applied(panel) == wanted
    assert not panel.form.for_all.isChecked()


def test_another_data_set_brings_its_classes_and_size(panel: SetupPanel) -> None:
    choose(editors(panel)["dataset"], "cifar100")
    made = applied(panel)
    assert (made.dataset, made.image_size, made.lanes[0].network.classes) == ("cifar100", 32, 100)


def test_a_data_set_that_is_not_here_can_be_downloaded(panel: SetupPanel, qtbot: QtBot) -> None:
    assert panel.form.download.isHidden()
    choose(editors(panel)["dataset"], "cifar10")
    with qtbot.waitSignal(panel.download_requested, timeout=500) as asked:
        panel.form.download.click()
    assert asked.args == ["cifar10"]
    panel.set_local_datasets(("cifar10",))
    assert panel.form.download.isHidden()


def test_a_folder_is_asked_for_and_then_shown_by_its_name(panel: SetupPanel, qtbot: QtBot) -> None:
    editor = editors(panel)["dataset"]
    assert isinstance(editor, ChoiceEditor)
    with qtbot.waitSignal(panel.folder_requested, timeout=500):
        choose(editor, FOLDER)
    assert editor.value() == "fashion-mnist"
    panel.set_dataset("/home/somebody/flowers")
    assert editor.control.currentText() == "flowers"
    assert applied(panel).dataset == "/home/somebody/flowers"


def test_a_new_seed_is_drawn(panel: SetupPanel) -> None:
    panel.form.new_seed.click()
    assert applied(panel).seed != RUN.seed


def test_a_length_in_steps_stands_until_epochs_are_edited() -> None:
    draft = draft_of(replace(RUN, steps=300))
    assert build(draft).steps == 300
    assert build(with_run(draft, "epochs", 2)) == replace(RUN, epochs=2)


def test_a_lane_shows_its_parameters(panel: SetupPanel) -> None:
    assert panel.form.lanes.strips[0].line.text() == "696,618 parameters"
    choose(editors(panel)["norm"], "none")
    assert "Apply" in panel.form.lanes.strips[0].line.text()


def test_weights_from_a_file_stay_with_their_network_only(make_panel: Callable[..., SetupPanel]) -> None:
    run = replace(RUN, lanes=(replace(RUN.lanes[0], checkpoint="a.pt"),))
    panel = make_panel(run)
    assert panel.settings() == run
    choose(editors(panel)["norm"], "none")
    assert panel.settings().lanes[0].checkpoint is None


def test_a_block_order_out_of_a_checkpoint_can_stay(make_panel: Callable[..., SetupPanel]) -> None:
    run = replace(RUN, lanes=(lane("A", NetworkSettings(block="pre_shared")),))
    panel = make_panel(run)
    type_text(editors(panel)["batch_size"], "64")
    assert applied(panel) == replace(run, batch_size=64)


@pytest.mark.parametrize(
    ("value", "up", "then"),
    [
        (0.05, True, 0.1),
        (0.05, False, 0.02),
        (0.03, True, 0.05),
        (1, False, 0.5),
        (0, True, 1e-6),
        (1e-6, False, 0),
    ],
)
def test_the_arrows_climb_one_two_five(value: float, up: bool, then: float) -> None:
    assert ladder_step(value, up) == pytest.approx(then, rel=1e-12)


@pytest.mark.parametrize("size", [(320, 420), (420, 900)])
def test_nothing_is_clipped_at_its_sizes(panel: SetupPanel, size: tuple[int, int]) -> None:
    panel.set_theme(DARK)
    panel.resize(*size)
    panel.show()
    assert (panel.width(), panel.height()) == size
    for widget in shown_controls(panel):
        assert widget.width() >= widget.minimumSizeHint().width()
        right = widget.mapTo(panel, widget.rect().topRight()).x()
        assert right <= panel.width()


def test_the_tab_key_goes_from_top_to_bottom(panel: SetupPanel) -> None:
    panel.resize(420, 900)
    panel.show()
    places = [widget.mapTo(panel, widget.rect().center()) for widget in shown_controls(panel)]
    assert len(places) > 30
    for before, after in pairwise(places):
        assert after.y() > before.y() - 4, "the same row, or one below"


def test_keys_alone_change_a_value_and_apply_it(panel: SetupPanel, qtbot: QtBot) -> None:
    panel.show()
    box = editors(panel)["batch_size"].control
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, "48")
    qtbot.keyClick(box, Qt.Key.Key_Up)
    assert panel.settings().batch_size == 49
    panel.form.apply_button.setFocus()
    with qtbot.waitSignal(panel.apply_requested, timeout=500):
        qtbot.keyClick(panel.form.apply_button, Qt.Key.Key_Space)


def shown_controls(panel: SetupPanel) -> list[QWidget]:
    """Return what the Tab key reaches, in its order."""
    found: list[QWidget] = []
    widget = panel.nextInFocusChain()
    while widget is not panel:
        reachable = widget.focusPolicy().value & Qt.FocusPolicy.TabFocus.value and widget.isVisible()
        if reachable and widget.focusProxy() is None:
            found.append(widget)
        widget = widget.nextInFocusChain()
    return found
