"""Clicks, drags, scrolling and keys on the network drawing, and what it shows of the engine's answers."""

import dataclasses
import time
from collections.abc import Sequence

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QHelpEvent, QImage, QWheelEvent
from PySide6.QtWidgets import QApplication, QToolTip
from pytestqt.qtbot import QtBot

from core.messages import BlockSamples, LaneInfo, LaneSlice, RunStarted, TrainingSlice
from core.settings import LaneSettings, NetworkSettings, RunSettings, lane
from gui.block_card import BlockCard
from gui.lane_state import Strengths
from gui.network_ink import Shades, readable_ink
from gui.network_panel import NetworkPanel
from gui.network_words import branch_parameters, lane_loss, lane_status, number, power_of_ten, short_number
from gui.theme import DARK, LIGHT, Theme

# The off-screen platform says so of every tooltip and window of a minimum size.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")

LEFT = Qt.MouseButton.LeftButton
NONE = Qt.KeyboardModifier.NoModifier
ONES = (1.0,) * 8
ZEROS = (0.0,) * 8
Asked = list[tuple[int, Strengths, Strengths]]


def run_started(*lanes: LaneSettings) -> RunStarted:
    lanes = lanes or (lane("A", NetworkSettings(), 1.0), lane("B", NetworkSettings(), 0.0))
    infos = tuple(lane_info(settings) for settings in lanes)
    return RunStarted(RunSettings(lanes), infos, ("a", "b"), 1000, 100, 500, 500, None)


def lane_info(settings: LaneSettings) -> LaneInfo:
    network = settings.network
    counts = tuple(branch_parameters(network, block) for block in network.blocks)
    outputs = tuple((block.out_channels, 28, 28) for block in network.blocks)
    return LaneInfo(settings.name, network, sum(counts), counts, outputs)


def lane_slice(settings: LaneSettings, **changes: object) -> LaneSlice:
    blocks = settings.network.block_count
    norms = np.geomspace(1e-8, 10, blocks)
    readings = LaneSlice(
        losses=np.array([0.7, 0.6123]),
        accuracies=np.array([0.1, 0.2]),
        gradient_norms=np.stack([norms * 3, norms]),
        output_gradients=np.stack([norms, np.geomspace(1.0, 2.0 ** (blocks - 1), blocks)]),
        learning_rate=0.05,
        shortcuts=settings.shortcuts,
        branches=settings.branches,
    )
    return dataclasses.replace(readings, **changes)


def training_slice(
    event: RunStarted,
    first_step: int = 10,
    applied: tuple[int, ...] = (),
    changes: dict[int, dict[str, object]] | None = None,
) -> TrainingSlice:
    changes = changes or {}
    lanes = [lane_slice(made, **changes.get(index, {})) for index, made in enumerate(event.settings.lanes)]
    return TrainingSlice(first_step, 2, tuple(lanes), applied, 500.0, 10**8)


def samples(blocks: int) -> BlockSamples:
    values = (0.25, -0.5, 2.0, 0.125, 0.0, 0.5, 3.0, 0.001, 1.0)
    return BlockSamples(5, *(np.full(blocks, value) for value in values))


@pytest.fixture
def panel(qtbot: QtBot) -> NetworkPanel:
    panel = NetworkPanel()
    qtbot.addWidget(panel)
    panel.resize(900, 300)
    panel.start_run(run_started())
    panel.show()
    return panel


@pytest.fixture
def asked(panel: NetworkPanel) -> Asked:
    """What the panel asked for; each request is marked as the window would do it."""
    requests: Asked = []

    def answer(index: int, shortcuts: Strengths, branches: Strengths) -> None:
        requests.append((index, shortcuts, branches))
        panel.mark_requested(index, shortcuts, branches, 100 + len(requests))

    panel.strengths_requested.connect(answer)
    return requests


def arc_at(panel: NetworkPanel, index: int, block: int) -> QPoint:
    return panel.drawing().rows[index].blocks[block].arc_area.center().toPoint()


def box_at(panel: NetworkPanel, index: int, block: int) -> QPoint:
    return panel.drawing().rows[index].blocks[block].box.center().toPoint()


def but(strengths: Strengths, changes: dict[int, float]) -> Strengths:
    return tuple(changes.get(index, old) for index, old in enumerate(strengths))


def scroll(panel: NetworkPanel, place: QPoint, *deltas: int) -> None:
    for delta in deltas:
        event = QWheelEvent(
            QPointF(place), QPointF(panel.mapToGlobal(place)), QPoint(), QPoint(0, delta),
            Qt.MouseButton.NoButton, NONE, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(panel, event)


# ---- mouse --------------------------------------------------------------------------------


def test_clicking_an_arc_cuts_it_and_clicking_again_restores_it(
    qtbot: QtBot, panel: NetworkPanel, asked: Asked
) -> None:
    qtbot.mouseClick(panel, LEFT, NONE, arc_at(panel, 0, 3))
    qtbot.mouseClick(panel, LEFT, NONE, arc_at(panel, 0, 3))
    qtbot.mouseClick(panel, LEFT, NONE, arc_at(panel, 1, 6))
    assert asked == [(0, but(ONES, {3: 0.0}), ONES), (0, ONES, ONES), (1, but(ZEROS, {6: 1.0}), ONES)]


@pytest.mark.parametrize("block", [0, 20, 53])
def test_an_arc_among_54_can_be_clicked(qtbot: QtBot, panel: NetworkPanel, asked: Asked, block: int) -> None:
    deep = NetworkSettings(depth=110)
    panel.start_run(run_started(*(lane(name, deep) for name in "ABCD")))
    panel.resize(560, 220)
    qtbot.mouseClick(panel, LEFT, NONE, arc_at(panel, 2, block))
    assert asked == [(2, but((1.0,) * 54, {block: 0.0}), (1.0,) * 54)]


def test_clicking_a_block_selects_it(qtbot: QtBot, panel: NetworkPanel) -> None:
    with qtbot.waitSignal(panel.block_selected) as selected:
        qtbot.mouseClick(panel, LEFT, NONE, box_at(panel, 1, 5))
    assert selected.args == [1, 5]
    assert panel.selected == (1, 5)


def test_alt_click_on_a_block_deletes_and_restores_its_branch(
    qtbot: QtBot, panel: NetworkPanel, asked: Asked
) -> None:
    for _ in range(2):
        qtbot.mouseClick(panel, LEFT, Qt.KeyboardModifier.AltModifier, box_at(panel, 1, 2))
    assert asked == [(1, ZEROS, but(ONES, {2: 0.0})), (1, ZEROS, ONES)]


def test_a_stage_switch_acts_on_its_stage_and_the_all_switch_on_the_lane(
    qtbot: QtBot, panel: NetworkPanel, asked: Asked
) -> None:
    row = panel.drawing().rows[0]
    qtbot.mouseClick(panel, LEFT, NONE, row.stages[2].header.center().toPoint())
    qtbot.mouseClick(panel, LEFT, NONE, row.all_switch.center().toPoint())
    qtbot.mouseClick(panel, LEFT, NONE, row.all_switch.center().toPoint())
    # One of which something is missing is restored first.
    assert [shortcuts for _, shortcuts, _ in asked] == [but(ONES, {4: 0.0, 5: 0.0}), ONES, ZEROS]


def test_dragging_an_arc_down_weakens_it_in_twentieths_and_is_no_click(
    qtbot: QtBot, panel: NetworkPanel, asked: Asked
) -> None:
    start = arc_at(panel, 0, 4)
    qtbot.mousePress(panel, LEFT, NONE, start)
    for down in (1, 2, 10, 11, 25, 500):
        qtbot.mouseMove(panel, start + QPoint(0, down))
    qtbot.mouseRelease(panel, LEFT, NONE, start + QPoint(0, 500))
    assert [shortcuts[4] for _, shortcuts, _ in asked] == [0.9, 0.75, 0.0]


def test_scrolling_on_an_arc_changes_its_strength_by_a_twentieth_a_notch(
    panel: NetworkPanel, asked: Asked
) -> None:
    scroll(panel, arc_at(panel, 0, 1), -120, -120, 240)
    assert [shortcuts[1] for _, shortcuts, _ in asked] == [0.95, 0.9, 1.0]
    asked.clear()
    scroll(panel, arc_at(panel, 1, 1), 40, 40, 40)  # a touchpad's small steps add up
    assert asked == [(1, but(ZEROS, {1: 0.05}), ONES)]


def test_scrolling_elsewhere_or_past_the_end_asks_for_nothing(panel: NetworkPanel, asked: Asked) -> None:
    scroll(panel, box_at(panel, 0, 1), -120)
    scroll(panel, arc_at(panel, 0, 1), 120)
    assert asked == []


def test_the_context_menu_restores_a_stage_and_cuts_the_network(panel: NetworkPanel, asked: Asked) -> None:
    panel.select(1, 3)
    actions = [action for action in panel.context_menu().actions() if not action.isSeparator()]
    assert [action.text() for action in actions[:2]] == ["Restore the shortcut", "Delete the branch"]
    actions[3].trigger()
    actions[5].trigger()
    assert asked == [(1, but(ZEROS, {2: 1.0, 3: 1.0}), ONES), (1, ZEROS, ONES)]


# ---- keyboard -----------------------------------------------------------------------------


def test_keys_move_the_selection_and_toggle(qtbot: QtBot, panel: NetworkPanel, asked: Asked) -> None:
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Left, Qt.Key.Key_Down):
        qtbot.keyClick(panel, key)
    assert panel.selected == (1, 1)
    qtbot.keyClick(panel, Qt.Key.Key_S)
    qtbot.keyClick(panel, Qt.Key.Key_B)
    qtbot.keyClick(panel, Qt.Key.Key_S, Qt.KeyboardModifier.ShiftModifier)
    gone = but(ONES, {1: 0.0})
    assert asked == [(1, but(ZEROS, {1: 1.0}), ONES), (1, but(ZEROS, {1: 1.0}), gone), (1, ONES, gone)]


def test_the_selection_stays_within_the_network_and_keeps_its_depth(panel: NetworkPanel) -> None:
    panel.start_run(run_started(lane("A", NetworkSettings()), lane("B", NetworkSettings(depth=110))))
    panel.move_selection(-1, 0)
    panel.move_selection(0, -1)
    assert panel.selected == (0, 0)
    panel.select(0, 4)
    panel.move_selection(0, 1)
    assert panel.selected == (1, 30)
    panel.move_selection(99, 5)
    assert panel.selected == (1, 53)
    panel.move_selection(0, -1)
    assert panel.selected == (0, 7)
    panel.select(0, 8)
    assert panel.selected == (0, 7)


# ---- what the engine answers --------------------------------------------------------------


def test_strengths_are_requested_until_a_slice_carries_the_command(panel: NetworkPanel) -> None:
    event = run_started()
    cut = but(ONES, {3: 0.0})
    panel.mark_requested(0, cut, None, 7)
    state = panel.lanes[0]
    assert (state.shown_shortcuts, state.shortcuts) == (cut, ONES)
    assert lane_status(state) == "requested: next step"
    panel.add_slice(training_slice(event))
    assert lane_status(state) == "requested: next step"
    panel.add_slice(training_slice(event, first_step=12, applied=(7,), changes={0: {"shortcuts": cut}}))
    assert (state.shown_shortcuts, state.shortcuts) == (cut, cut)
    assert lane_status(state) == "applied at step 12"
    assert lane_status(panel.lanes[1]) == ""


def test_a_slice_tells_of_strengths_that_someone_else_changed(panel: NetworkPanel) -> None:
    changed = but(ONES, {5: 0.25})
    panel.add_slice(training_slice(run_started(), changes={0: {"shortcuts": changed, "branches": ZEROS}}))
    assert panel.lanes[0].shown_shortcuts == changed
    assert panel.lanes[0].shown_branches == ZEROS


def test_a_request_the_engine_refused_is_dropped(panel: NetworkPanel) -> None:
    panel.mark_requested(0, ZEROS, None, 7)
    panel.drop_request(7)
    assert panel.lanes[0].shown_shortcuts == ONES


def test_requested_and_cut_are_seen_in_the_picture(panel: NetworkPanel) -> None:
    pictures = [panel.grab().toImage()]
    panel.mark_requested(0, but(ONES, {3: 0.0}), None, 7)
    pictures.append(panel.grab().toImage())
    applied = training_slice(run_started(), applied=(7,), changes={0: {"shortcuts": but(ONES, {3: 0.0})}})
    panel.add_slice(applied)
    pictures.append(panel.grab().toImage())
    place = panel.drawing().rows[0].blocks[3].arc_area.toRect()
    seen = [picture.copy(place) for picture in pictures]
    assert seen[0] != seen[1] != seen[2] != seen[0]


def test_a_slice_keeps_its_last_row_and_marks_the_panel_dirty(panel: NetworkPanel) -> None:
    panel.dirty = False
    panel.add_slice(training_slice(run_started(), first_step=10))
    state = panel.lanes[0]
    assert panel.dirty
    assert (state.step, state.loss) == (11, 0.6123)
    assert state.norms is not None
    assert state.norms[-1] == pytest.approx(10)
    assert state.gain(0) == pytest.approx(0.5)
    assert state.gain(7) is None


def test_a_diverged_lane_says_so_keeps_its_readings_and_takes_no_clicks(
    qtbot: QtBot, panel: NetworkPanel, asked: Asked
) -> None:
    event = run_started()
    panel.add_slice(training_slice(event))
    nothing = np.empty((0, 8))
    ended = {"losses": np.empty(0), "gradient_norms": nothing, "output_gradients": nothing, "diverged_at": 31}
    panel.add_slice(training_slice(event, first_step=40, changes={1: ended}))
    assert lane_status(panel.lanes[1]) == "diverged at step 31"
    assert lane_loss(panel.lanes[1]) == "loss 0.6123"
    qtbot.mouseClick(panel, LEFT, NONE, arc_at(panel, 1, 0))
    assert asked == []
    assert "diverged" in panel.tooltip_at(QPointF(arc_at(panel, 1, 0)))
    panel.grab()


def test_zero_and_non_finite_norms_have_colours_of_their_own() -> None:
    shades = Shades(LIGHT)
    indices = shades.indices(np.array([0.0, np.nan, np.inf, 1e-30, 1e-3, 1e30]), 6)
    assert indices == [256, 257, 257, 0, 128, 255]
    assert shades.indices(None, 2) == [258, 258]
    assert shades.brushes[257].color().name() == LIGHT.warning


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_labels_can_be_read_on_every_colour(theme: Theme) -> None:
    def luminance(rgb: Sequence[float]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    shades = Shades(theme)
    for brush, ink in zip(shades.brushes, shades.inks, strict=True):
        pair = sorted(luminance(color.getRgbF()[:3]) for color in (brush.color(), ink))
        assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5
        assert readable_ink(brush.color()) == ink


# ---- words --------------------------------------------------------------------------------


def test_every_part_explains_itself(panel: NetworkPanel) -> None:
    panel.add_slice(training_slice(run_started()))
    layout = panel.drawing()
    row = layout.rows[0]
    parts = [row.name, row.all_switch, row.stem, row.head, layout.legend, row.stages[0].header]
    parts += [row.blocks[2].box, row.blocks[2].arc_area]
    texts = [panel.tooltip_at(part.center()) for part in parts]
    assert all(texts)
    assert "Block 2.0 of lane A: gradient norm 3.73×10⁻⁶, gain 0.5; shortcut (1×1 projection)" in texts[-1]
    assert panel.tooltip_at(QPointF(-1, -1)) == ""


def test_the_mouse_at_rest_shows_the_tooltip(panel: NetworkPanel) -> None:
    place = arc_at(panel, 0, 0)
    QApplication.sendEvent(panel, QHelpEvent(QEvent.Type.ToolTip, place, panel.mapToGlobal(place)))
    assert QToolTip.text().startswith("Block 1.0 of lane A")
    QToolTip.hideText()


def test_screen_readers_hear_the_lanes_and_the_selection(panel: NetworkPanel) -> None:
    assert panel.accessibleName() == "Network"
    assert "Lane A: 18 layers, 8 blocks, shortcuts all on" in panel.accessibleDescription()
    panel.select(1, 7)
    assert "Selected: Block 4.1 of lane B" in panel.accessibleDescription()


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0123, "0.0123"), (1.234e-5, "1.23×10⁻⁵"), (-0.5, "−0.5"), (0.0, "0"), (12345.0, "12345"),
     (2.5e7, "2.50×10⁷"), (float("nan"), "NaN"), (float("-inf"), "−∞"), (None, "–")],
)  # fmt: skip
def test_numbers_for_people(value: float | None, text: str) -> None:
    assert number(value) == text


def test_numbers_for_small_boxes() -> None:
    assert [short_number(value) for value in (3e-8, 0.31, 12.4, 4e5)] == ["3e−8", "0.31", "12", "4e5"]
    assert [power_of_ten(power) for power in (-9, 0, 3)] == ["10⁻⁹", "1", "10³"]


def test_before_a_run_and_after_clear_it_is_empty(qtbot: QtBot, panel: NetworkPanel, asked: Asked) -> None:
    panel.clear()
    panel.grab()
    for key in (Qt.Key.Key_Right, Qt.Key.Key_S, Qt.Key.Key_B):
        qtbot.keyClick(panel, key)
    panel.toggle_all()
    qtbot.mouseClick(panel, LEFT, NONE, QPoint(300, 50))
    assert asked == []
    assert panel.accessibleDescription() == "No run yet."


# ---- cost ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("lanes", "depth", "size"), [(2, 18, (900, 300)), (4, 110, (1000, 420))])
def test_repaint_time_is_told(panel: NetworkPanel, lanes: int, depth: int, size: tuple[int, int]) -> None:
    event = run_started(*(lane("ABCD"[index], NetworkSettings(depth=depth)) for index in range(lanes)))
    panel.resize(*size)
    panel.start_run(event)
    panel.add_slice(training_slice(event))
    image = QImage(*size, QImage.Format.Format_ARGB32_Premultiplied)
    panel.render(image)
    start = time.thread_time()
    for _ in range(10):
        panel.render(image)
    print(f"{lanes} lanes of depth {depth}: {100 * (time.thread_time() - start):.2f} ms a repaint")  # noqa: T201


# ---- the card -----------------------------------------------------------------------------


@pytest.fixture
def card(qtbot: QtBot) -> BlockCard:
    card = BlockCard()
    qtbot.addWidget(card)
    card.start_run(run_started())
    card.show()
    return card


def test_the_card_shows_the_block_and_its_readings(card: BlockCard) -> None:
    card.show_block(0, 2)
    assert (card.text("shape"), card.text("shortcut")) == ("16 → 32, 28×28", "1×1 projection")
    assert card.text("norm") == "–"
    card.add_slice(training_slice(run_started(), changes={0: {"samples": samples(8)}}))
    assert card.dirty
    card.refresh_now()
    assert (card.text("norm"), card.text("gain")) == ("3.73×10⁻⁶", "0.5")
    assert card.text("rms") == number(float(np.geomspace(1e-8, 10, 8)[2]) / (9 * 32 * 48 + 4 * 32) ** 0.5)
    assert card.text("output_mean") == "−0.5 ± 2"
    assert (card.text("ratio"), card.text("dead")) == ("0.25", "12 %")


def test_the_cards_sliders_and_buttons_ask_for_strengths(qtbot: QtBot, card: BlockCard) -> None:
    asked: Asked = []
    card.strengths_requested.connect(lambda *request: asked.append(request))
    card.show_block(1, 2)
    card._branch.slider.setValue(10)
    qtbot.mouseClick(card._shortcut.button, LEFT)
    assert asked == [(1, ZEROS, but(ONES, {2: 0.5})), (1, but(ZEROS, {2: 1.0}), ONES)]


def test_the_card_follows_strengths_without_asking_for_them(card: BlockCard) -> None:
    asked: Asked = []
    card.strengths_requested.connect(lambda *request: asked.append(request))
    card.show_block(0, 2)
    card.mark_requested(0, but(ONES, {2: 0.33}), None, 5)
    assert card._shortcut.value.text() == "0.33 requested"
    changes: dict[int, dict[str, object]] = {0: {"shortcuts": but(ONES, {2: 0.33})}}
    card.add_slice(training_slice(run_started(), applied=(5,), changes=changes))
    card.refresh_now()
    assert card._shortcut.value.text() == "0.33"
    assert asked == []


def test_the_card_of_no_run_is_empty(card: BlockCard) -> None:
    card.clear()
    assert not card._body.isVisible()
    assert card._empty.isVisible()
    card.show_block(3, 3)
