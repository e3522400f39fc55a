"""A step taken apart plays in order, says the chain rule's number, and never ticks while hidden."""

import dataclasses
import math

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from pytestqt.qtbot import QtBot

from core.findings import GradientSplit, SlowMotion
from core.messages import Analyse, Analysed, Failed, LaneInfo, RunStarted
from core.notices import Notice
from core.settings import LaneSettings, NetworkSettings, RunSettings, lane
from gui.slow_motion_frames import PHASES, Frame, Phase, Strip, frames, interval, running_product
from gui.slow_motion_panel import SlowMotionPanel
from gui.slow_motion_view import log_range
from gui.theme import DARK, LIGHT

SHALLOW = NetworkSettings()
DEEP = NetworkSettings(depth=110, width=8)
LEFT = Qt.MouseButton.LeftButton


def run_of(*lanes: LaneSettings) -> RunStarted:
    infos = tuple(
        LaneInfo(
            one.name, one.network, 0, (1,) * one.network.block_count, ((1, 1, 1),) * one.network.block_count
        )
        for one in lanes
    )
    return RunStarted(RunSettings(lanes=lanes), infos, ("a", "b"), 1000, 100, 100, 100, None)


def motion(blocks: int, gain: float = 2.0, step: int = 41) -> SlowMotion:
    """Every block has this gain; the head's output gradient is 1."""
    back = gain ** np.arange(blocks - 1, -1, -1.0)
    return SlowMotion(
        step, 1.0, np.arange(1.0, blocks + 1), np.full(blocks, 0.5), 2.3026, back, np.full(blocks, gain),
        3.0 * back, np.full(blocks, 1e-3),
    )  # fmt: skip


@pytest.fixture
def panel(qtbot: QtBot) -> SlowMotionPanel:
    made = SlowMotionPanel()
    qtbot.addWidget(made)
    made.resize(700, 420)
    made.show()
    return made


def answered(panel: SlowMotionPanel, request: int = 7, *lanes: LaneSettings) -> None:
    lanes = lanes or (lane("A", SHALLOW), lane("B", DEEP))
    panel.start_run(run_of(*lanes))
    for number, one in enumerate(lanes):
        finding = motion(one.network.block_count, 2.0 - number)
        last = number == len(lanes) - 1
        panel.on_analysed(Analysed(request, "slow_motion", number, one.name, 41, finding, 1.0, last))


# ---- frames -------------------------------------------------------------------------------


def test_the_phases_come_in_the_order_of_a_step() -> None:
    made = frames(8)
    assert len(made) == 1 + 8 + 1 + 8 + 1 + 1
    order = [frame.phase for frame in made]
    assert order == sorted(order, key=PHASES.index)
    assert [phase.value for phase in PHASES] == [
        "input",
        "forward",
        "loss",
        "backward",
        "gradients",
        "update",
    ]


@pytest.mark.parametrize("deepest", [1, 8, 9, 27, 54])
@pytest.mark.parametrize("blocks", [1, 3, 8, 54])
def test_every_pass_goes_through_all_blocks_of_every_lane(deepest: int, blocks: int) -> None:
    made = frames(deepest)
    forward = [frame.block(blocks) for frame in made if frame.phase is Phase.FORWARD]
    backward = [frame.block(blocks) for frame in made if frame.phase is Phase.BACKWARD]
    assert forward == sorted(forward)
    assert backward == sorted(backward, reverse=True)
    assert forward[-1] == blocks - 1
    assert backward[-1] == 0
    if blocks <= deepest:
        assert set(forward) == set(backward) == set(range(blocks))
    assert {frame.block(blocks) for frame in made if frame.phase in (Phase.INPUT, Phase.LOSS)} == {None}


def test_forward_bars_grow_from_the_stem_and_backward_bars_from_the_head() -> None:
    forward, backward = Frame(Phase.FORWARD, 3 / 8), Frame(Phase.BACKWARD, 3 / 8)
    assert [forward.is_passed(block, 8) for block in range(8)] == [True] * 3 + [False] * 5
    assert [backward.is_passed(block, 8) for block in range(8)] == [False] * 5 + [True] * 3
    assert not Frame(Phase.INPUT, 1.0).is_passed(0, 8)
    assert all(Frame(phase, 1.0).is_passed(0, 8) for phase in PHASES[1:])


def test_the_running_product_is_the_chain_rule() -> None:
    gains = np.array([7.0, 0.5, 3.0, 1.0, 0.1, 2.0, 5.0, 0.25])
    finding = dataclasses.replace(motion(8), gains=gains)
    wanted = [0.25, 1.25, 2.5, 0.25, 0.25, 0.75, 0.375, 2.625]  # head first, by hand
    backward = [frame for frame in frames(8) if frame.phase is Phase.BACKWARD]
    assert [running_product(finding, frame) for frame in backward] == pytest.approx(wanted)


def test_a_pass_takes_a_few_seconds_at_any_depth() -> None:
    for blocks in (1, 8, 54):
        seconds = sum(interval(f, blocks) for f in frames(blocks) if f.phase is Phase.FORWARD) / 1000
        assert 1.5 < seconds < 7


def test_an_axis_never_has_fewer_than_three_decades_and_gains_stand_around_one() -> None:
    low, high = log_range(Strip("", "", (np.array([1.0, 1.1]),)))
    assert high - low >= 3
    assert low < 0 < high
    low, high = log_range(Strip("", "", (np.array([30.0, 0.9, math.inf, 0.0]),), 1.0, from_guide=True))
    assert (low, high) == (-2, 2)
    low, high = log_range(Strip("", "", (np.array([0.0, math.nan]),)))
    assert math.isfinite(low)
    assert low < high


# ---- asking -------------------------------------------------------------------------------


def test_the_button_asks_once_and_waits(qtbot: QtBot, panel: SlowMotionPanel) -> None:
    assert not panel.ask.isEnabled()
    panel.start_run(run_of(lane("A", SHALLOW)))
    asked: list[Analyse] = []
    panel.analyse_requested.connect(asked.append)
    qtbot.mouseClick(panel.ask, LEFT)
    assert [command.instrument for command in asked] == ["slow_motion"]
    assert not panel.ask.isEnabled()
    panel.on_analysed(Analysed(asked[0].id, "slow_motion", 0, "A", 41, motion(8)))
    assert panel.ask.isEnabled()
    assert panel.note.text() == "step 41"
    assert panel.is_playing


def test_an_answer_to_a_later_question_frees_the_button_too(qtbot: QtBot, panel: SlowMotionPanel) -> None:
    panel.start_run(run_of(lane("A", SHALLOW)))
    qtbot.mouseClick(panel.ask, LEFT)
    panel.on_analysed(Analysed(10**9, "slow_motion", 0, "A", 41, motion(8)))
    assert panel.ask.isEnabled()


def test_a_failure_is_said_and_frees_the_button(qtbot: QtBot, panel: SlowMotionPanel) -> None:
    panel.start_run(run_of(lane("A", SHALLOW)))
    asked: list[Analyse] = []
    panel.analyse_requested.connect(asked.append)
    qtbot.mouseClick(panel.ask, LEFT)
    panel.on_failed(Failed(Notice("something else"), request=asked[0].id + 1))
    assert not panel.ask.isEnabled()
    panel.on_failed(Failed(Notice("there is no lane to look at"), request=asked[0].id))
    assert panel.ask.isEnabled()
    assert panel._empty.text() == "there is no lane to look at"


def test_other_instruments_findings_are_not_shown(panel: SlowMotionPanel) -> None:
    panel.start_run(run_of(lane("A", SHALLOW)))
    split = GradientSplit(*(np.ones(8) for _ in range(5)))
    panel.on_analysed(Analysed(7, "split", 0, "A", 41, split))
    assert panel.frame is None


# ---- playing ------------------------------------------------------------------------------


def test_it_plays_by_itself_to_the_end_and_stops(
    qtbot: QtBot, panel: SlowMotionPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gui.slow_motion_panel.interval", lambda frame, blocks: 1)
    seen: list[tuple[int, int, str]] = []
    panel.highlight.connect(lambda *what: seen.append(what))
    answered(panel, 7, lane("A", SHALLOW))
    qtbot.waitUntil(lambda: not panel.is_playing, timeout=5000)
    assert not panel.is_ticking
    assert panel.frame == frames(8)[-1]
    order = [(block, phase) for _, block, phase in seen]
    unique = [step for number, step in enumerate(order) if number == 0 or step != order[number - 1]]
    wanted = [(-1, "input"), *((block, "forward") for block in range(8)), (-1, "loss")]
    wanted += [*((block, "backward") for block in range(7, -1, -1)), (-1, "gradients"), (-1, "update")]
    assert unique == wanted


def test_no_timer_runs_while_hidden_and_it_goes_on_when_seen_again(panel: SlowMotionPanel) -> None:
    seen: list[tuple[int, int, str]] = []
    answered(panel)
    panel.go_to(4)
    assert panel.is_ticking
    panel.highlight.connect(lambda *what: seen.append(what))
    panel.hide()
    assert not panel.is_ticking
    assert seen == [(0, -1, ""), (1, -1, "")]  # nothing stays lit
    answered(panel, 8)
    assert not panel.is_ticking
    panel.show()
    assert panel.is_ticking
    panel.stop()
    assert not panel.is_ticking


def test_stepping_by_hand_pauses(qtbot: QtBot, panel: SlowMotionPanel) -> None:
    answered(panel, 7, lane("A", SHALLOW))
    assert panel.is_playing
    for _ in range(3):
        qtbot.mouseClick(panel.forth, LEFT)
    assert not panel.is_playing
    assert panel.slider.value() == 3
    assert panel.frame is not None
    assert panel.frame.block(8) == 2
    qtbot.mouseClick(panel.back, LEFT)
    assert panel.frame.block(8) == 1
    qtbot.mouseClick(panel.play, LEFT)
    assert panel.is_playing
    qtbot.mouseClick(panel.play, LEFT)
    assert not panel.is_playing
    assert not panel.is_ticking


def test_the_slider_and_the_rail_go_anywhere(qtbot: QtBot, panel: SlowMotionPanel) -> None:
    answered(panel, 7, lane("A", SHALLOW))
    panel.stop()
    panel.slider.setValue(10)
    assert panel.frame is not None
    assert panel.frame.phase is Phase.BACKWARD
    assert panel.rail[3].isChecked()
    qtbot.mouseClick(panel.rail[2], LEFT)
    assert panel.frame.phase is Phase.LOSS
    assert panel.slider.value() == 9
    assert "2.303" in panel.view.accessibleDescription()
    panel.go_to(10**6)
    assert panel.frame.phase is Phase.UPDATE


def test_the_product_so_far_is_said_lane_by_lane(panel: SlowMotionPanel) -> None:
    answered(panel)  # gains 2 in 8 blocks, 1 in 54
    panel.stop()
    panel.go_to_phase(3)
    last = next(n for n, f in enumerate(frames(54)) if f.phase is Phase.GRADIENTS) - 1
    panel.go_to(last)
    said = panel.view.accessibleDescription()
    assert "Lane A: ∏ gain to 1.0 ×256" in said
    assert "Lane B: ∏ gain to 1.0 ×1" in said


def test_lanes_of_different_depth_pass_together(panel: SlowMotionPanel) -> None:
    answered(panel)
    panel.stop()
    seen: dict[int, int] = {}
    panel.highlight.connect(lambda where, block, _phase: seen.update({where: block}))
    panel.go_to(27)  # half of the deeper lane's forward pass
    assert seen == {0: 3, 1: 26}


def test_bars_explain_themselves_only_once_they_are_there(panel: SlowMotionPanel) -> None:
    answered(panel, 7, lane("A", SHALLOW))
    panel.stop()
    panel.go_to(3)
    area = panel.view._areas(0)[0]
    step = area.width() / 8
    known = panel.view.tooltip_at(QPointF(area.left() + 1.5 * step, area.center().y()))
    assert "lane A, block 1.1: 2" in known
    unknown = panel.view.tooltip_at(QPointF(area.left() + 6.5 * step, area.center().y()))
    assert "block" not in unknown.split("\n")[-1] or "\n" not in unknown
    assert panel.view.tooltip_at(QPointF(1, 1)) == ""


@pytest.mark.parametrize("size", [(320, 260), (420, 420), (1000, 600)])
@pytest.mark.parametrize("value", [0.0, math.nan, math.inf, 1e-320, 1e308])
def test_no_value_is_too_strange_at_any_size(
    panel: SlowMotionPanel, value: float, size: tuple[int, int]
) -> None:
    panel.start_run(run_of(lane("A", SHALLOW)))
    strange = np.full(8, value)
    finding = SlowMotion(1, value, strange, strange, value, strange, strange, strange, strange)
    panel.on_analysed(Analysed(7, "slow_motion", 0, "A", 1, finding))
    panel.stop()
    panel.resize(*size)
    for place in range(len(frames(8))):
        panel.go_to(place)
        panel.view.grab()


def test_a_new_run_forgets_the_step_and_both_themes_draw(panel: SlowMotionPanel) -> None:
    answered(panel)
    for theme in (DARK, LIGHT):
        panel.set_theme(theme)
        panel.grab()
    panel.start_run(run_of(lane("A", SHALLOW)))
    assert panel.frame is None
    assert not panel.is_playing
    assert panel._empty.isVisible()
    panel.go_to(3)
    panel.play_from(0)
    assert not panel.is_ticking
