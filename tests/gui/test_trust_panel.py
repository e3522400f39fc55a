"""The trust panel asks about the map on screen, says what it costs, and shows what came back and how old it is."""

import itertools

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from core.checks import CHECKS, Check
from core.messages import (
    Assess,
    Assessed,
    Attributed,
    Explain,
    Explanation,
    Failed,
    LaneInfo,
    LaneSlice,
    RunStarted,
    TrainingSlice,
)
from core.methods import Parameters, Size, passes
from core.notices import Notice
from core.settings import NetworkSettings, RunSettings, lane
from gui.theme import DARK, LIGHT
from gui.trust_panel import TrustPanel

NAMES = tuple("abcdefghij")
LANES = (lane("A", NetworkSettings()), lane("B", NetworkSettings(), 0.0))
NONE = np.zeros(0)


def run_of() -> RunStarted:
    infos = tuple(LaneInfo(each.name, each.network, 0, (1,) * 8, ((1, 1, 1),) * 8) for each in LANES)
    return RunStarted(RunSettings(lanes=LANES), infos, NAMES, 1000, 100, 10_000, 1000, None)


def answer(
    name: str, method: str = "saliency", parameters: Parameters = (), target: int = 3, *, role: str = "",
    block: int | None = None, error: float | None = None, seconds: float = 0.0, strength: float = 1.0,
    reason: Notice | None = None,
) -> Attributed:  # fmt: skip
    found = None if reason else np.ones((3, 28, 28), np.float32)
    return Attributed(
        name, found, reason, np.ones(10) / 10, target, error, (strength,) * 8, method=method,
        parameters=parameters, role=role, block=block, seconds=seconds,
    )  # fmt: skip


def explanation(
    request: int, *answers: Attributed, step: int = 120, frames: int = 1, done: bool = True
) -> Explanation:
    looks = np.zeros((28, 28, 3), np.uint8)
    return Explanation(
        request, answers[0].method, "none", step, looks, 3, NAMES, answers, 0.1, "words", done, frames
    )


@pytest.fixture
def panel(qtbot: QtBot) -> TrustPanel:
    made = TrustPanel()
    qtbot.addWidget(made)
    made.resize(440, 900)
    made.start_run(run_of())
    made.asked = []
    made.dropped = []
    made.assess_requested.connect(made.asked.append)
    made.cancel_requested.connect(made.dropped.append)
    made.show()
    return made


def shown(
    panel: TrustPanel, *answers: Attributed, picture: int = 7, step: int = 120, frames: int = 1
) -> Explain:
    question = Explain(picture, "saliency")
    panel.set_question(question)
    panel.on_explanation(
        explanation(question.id, *(answers or (answer("A"), answer("B"))), step=step, frames=frames)
    )
    painted(panel)
    return question


def painted(panel: TrustPanel) -> None:
    panel.refresh_now()
    panel.grab()


def found(
    asked: Assess, value: float | None = 0.5, *, done: bool = True, step: int = 120, reason: Notice | None = None,
    curve: object = NONE, control: object = NONE, seconds: float = 1.0, name: str = "A",
) -> Assessed:  # fmt: skip
    curve = np.asarray(curve, float)
    shares = np.linspace(0, 1, curve.size) if curve.size else NONE
    return Assessed(
        asked.id, asked.check, name, asked.method, asked.target, step, value, shares, curve,
        np.asarray(control, float), seconds, reason, done,
    )  # fmt: skip


def trained(step: int) -> TrainingSlice:
    one = np.ones((1, 8))
    each = LaneSlice(np.ones(1), np.ones(1), one, one, 0.1, (1.0,) * 8, (1.0,) * 8)
    return TrainingSlice(step, 1, (each, each), (), 1.0, 0)


# ---- offering -------------------------------------------------------------------------------


def test_before_anything_is_explained_it_says_what_to_do(panel: TrustPanel) -> None:
    painted(panel)
    assert panel.empty.isVisible()
    assert "explain a picture first" in panel.empty.text()
    # maps that are still coarse, or whose question is not known, are not asked about
    question = Explain(7, "saliency")
    panel.set_question(question)
    panel.on_explanation(explanation(question.id, answer("A"), done=False))
    panel.on_explanation(explanation(question.id + 1, answer("A")))
    painted(panel)
    assert panel.empty.isVisible()
    panel.on_explanation(explanation(question.id, answer("A")))
    painted(panel)
    assert not panel.empty.isVisible()


def test_the_question_may_come_after_its_answer(panel: TrustPanel) -> None:
    question = Explain(7, "saliency")
    panel.on_explanation(explanation(question.id, answer("A")))
    panel.set_question(question)
    painted(panel)
    assert not panel.empty.isVisible()


def test_a_deeper_lanes_filmstrip_does_not_shift_whose_map_is_asked_about(panel: TrustPanel) -> None:
    question = Explain(7, "grad_cam", arrangement="filmstrip")
    maps = [
        answer(name, "grad_cam", (("block", block),), block=block)
        for name, blocks in (("A", 16), ("B", 8)) for block in range(-1, blocks)
    ]  # fmt: skip
    panel.set_question(question)
    panel.on_explanation(explanation(question.id, *maps, frames=9))
    networks = {(each.name, each.network) for each in panel.record.maps()}
    assert networks == {("A", 0), ("B", 1)}


def test_every_check_says_its_price_before_it_is_run(panel: TrustPanel) -> None:
    shown(panel)
    map_passes = passes("saliency", (), Size(28, 8))
    for check, row in panel.rows.items():
        count = round(CHECKS[check].passes(map_passes, 8))
        assert row.note.text() == f"about {count} passes"
        assert CHECKS[check].explain in row.toolTip()
        assert row.button.isEnabled()
    shown(panel, answer("A", seconds=0.3), answer("B", seconds=0.3))  # 0.1 s a pass
    count = CHECKS["sensitivity"].passes(map_passes, 8)
    assert panel.rows["sensitivity"].note.text() == f"about {count:.0f} passes · ≈ {0.1 * count:.2g} s"


def test_measure_asks_about_the_chosen_map_of_the_picture_on_screen(panel: TrustPanel, qtbot: QtBot) -> None:
    steps = (("steps", 50),)
    shown(panel, answer("A"), answer("B", "integrated_gradients", steps, target=5), picture=11)
    panel.chooser.network.setCurrentIndex(1)
    qtbot.mouseClick(panel.rows["deletion"].button, Qt.MouseButton.LeftButton)
    (asked,) = panel.asked
    assert (asked.check, asked.picture, asked.method, asked.target) == (
        "deletion",
        11,
        "integrated_gradients",
        5,
    )
    assert (asked.network, asked.source, asked.parameters) == (1, "lanes", steps)
    assert "B" not in panel.about.text()  # the list above says it
    assert panel.rows["deletion"].button.text() == "Cancel"


def test_a_filmstrip_offers_its_frames_and_no_difference_is_offered(panel: TrustPanel) -> None:
    frames = [answer("A", "grad_cam", (("block", block),), block=block) for block in (-1, 0, 7)]
    shown(panel, *frames, frames=3)
    texts = [panel.chooser.map.itemText(row) for row in range(panel.chooser.map.count())]
    assert texts == ["Grad-CAM at stem for d", "Grad-CAM at 1.0 for d", "Grad-CAM at 4.1 for d"]
    panel.chooser.map.setCurrentIndex(2)
    panel._on_measure("infidelity")
    assert panel.asked[-1].parameters == (("block", 7),)
    two = [answer("A"), answer("A", target=4, role="against"), answer("A", role="difference")]
    shown(panel, *two, *[answer("B", target=each.target, role=each.role) for each in two], frames=3)
    assert panel.chooser.map.count() == 2
    panel.chooser.network.setCurrentIndex(1)
    panel.chooser.map.setCurrentIndex(1)
    panel._on_measure("infidelity")
    assert (panel.asked[-1].network, panel.asked[-1].target) == (1, 4)


def test_shortcuts_on_and_off_are_one_question_and_a_single_map_no_choice(panel: TrustPanel) -> None:
    three = [answer("A", role=role, strength=1.0 - (role == "off")) for role in ("on", "off", "difference")]
    shown(panel, *three, frames=3)
    assert len(panel.record.maps()) == 1
    assert panel.chooser.isHidden()
    assert "A · Saliency for d · of step 120" in panel.about.text()
    assert not panel.completeness.isVisibleTo(panel)


def test_the_completeness_error_stands_first_where_the_theory_gives_one(panel: TrustPanel) -> None:
    shown(panel)
    assert not panel.completeness.isVisibleTo(panel)
    shown(panel, answer("A", "deep_lift", error=0.004))
    assert panel.completeness.isVisibleTo(panel)
    assert panel.completeness.figure.text() == "<1 %"
    assert "adds up" in panel.completeness.verdict.text()
    assert panel.completeness.y() < panel.rows["infidelity"].y()
    shown(panel, answer("A", "deep_lift", error=0.4))
    assert "does not add up" in panel.completeness.verdict.text()


def test_a_map_that_is_not_there_cannot_be_checked(panel: TrustPanel) -> None:
    shown(panel, answer("A", reason=Notice("made for {what}", {"what": "ReLU"})))
    assert "no map: made for ReLU" in panel.about.text()
    assert not any(row.button.isEnabled() for row in panel.rows.values())
    assert not panel.all.isEnabled()


# ---- running --------------------------------------------------------------------------------


def test_all_are_asked_at_once_and_can_be_cancelled_together(panel: TrustPanel) -> None:
    shown(panel)
    panel._on_all()
    assert [asked.check for asked in panel.asked] == list(CHECKS)
    assert panel.rows["infidelity"].busy.isVisibleTo(panel)
    assert not panel.rows["sensitivity"].busy.isVisibleTo(panel)
    assert "waits its turn" in panel.rows["sensitivity"].note.text()
    panel.on_assessed(found(panel.asked[0]))
    painted(panel)
    assert panel.rows["sensitivity"].busy.isVisibleTo(panel)
    panel._on_all()
    assert panel.dropped == [asked.id for asked in panel.asked[1:]]
    assert not any(row.busy.isVisibleTo(panel) for row in panel.rows.values())
    panel.on_assessed(found(panel.asked[1]))
    painted(panel)
    assert panel.rows["sensitivity"].figure.text() == ""  # nobody waits for it any more
    panel._on_all()  # what was found stays
    assert [asked.check for asked in panel.asked[5:]] == [
        "sensitivity",
        "deletion",
        "insertion",
        "randomisation",
    ]


def test_half_a_finding_shows_early_and_is_dropped_by_cancel(panel: TrustPanel, qtbot: QtBot) -> None:
    shown(panel)
    row = panel.rows["deletion"]
    panel._on_measure("deletion")
    panel.on_assessed(found(panel.asked[0], None, done=False, curve=[0.9, 0.5, np.nan, np.nan]))
    painted(panel)
    assert row.plot.isVisibleTo(panel)
    assert row.plot.stops() == [0, 1]
    assert row.figure.text() == ""
    assert row.button.text() == "Cancel"
    qtbot.mouseClick(row.button, Qt.MouseButton.LeftButton)
    assert panel.dropped == [panel.asked[0].id]
    assert not row.plot.isVisibleTo(panel)
    assert row.button.text() == "Measure"


def test_a_failure_and_a_reason_are_said(panel: TrustPanel) -> None:
    shown(panel)
    panel._on_measure("infidelity")
    panel._on_measure("sensitivity")
    panel.on_failed(Failed(Notice("no memory for {what}", {"what": "<it>"}), panel.asked[0].id))
    panel.on_assessed(found(panel.asked[1], None, reason=Notice("this map is zero everywhere")))
    panel.on_failed(Failed(Notice("something else"), 10**9))
    painted(panel)
    assert panel.rows["infidelity"].verdict.text() == "no memory for <it>"
    assert panel.rows["sensitivity"].verdict.text() == "this map is zero everywhere"
    assert all(panel.rows[check].button.isEnabled() for check in CHECKS)


# ---- results --------------------------------------------------------------------------------

VERDICTS: list[tuple[Check, float, str]] = [
    ("infidelity", 0.05, "tells well"),
    ("infidelity", 0.4, "in part"),
    ("infidelity", 0.87, "tells little"),
    ("infidelity", 0.99, "no more than a map drawn by lot"),
    ("sensitivity", 0.02, "steady"),
    ("sensitivity", 0.2, "somewhat"),
    ("sensitivity", 0.9, "unsteady"),
    ("randomisation", 0.2, "depends on what was learnt"),
    ("randomisation", 0.5, "in part"),
    ("randomisation", 0.7, "hardly depends"),
]


@pytest.mark.parametrize(("check", "value", "word"), VERDICTS)
def test_a_number_gets_a_word(panel: TrustPanel, check: Check, value: float, word: str) -> None:
    shown(panel)
    panel._on_measure(check)
    curve = [1.0, value, value] if check == "randomisation" else NONE
    panel.on_assessed(found(panel.asked[0], value, curve=curve))
    painted(panel)
    assert panel.rows[check].verdict.text().startswith(word) or word in panel.rows[check].verdict.text()
    assert f"{value:.2g}" in panel.rows[check].figure.text()


@pytest.mark.parametrize(
    ("check", "value", "word"),
    [
        ("deletion", 0.2, "falls faster than in a random order (0.5)"),
        ("deletion", 0.51, "no better than a random order (0.5)"),
        ("deletion", 0.8, "falls slower"),
        ("insertion", 0.8, "rises faster than in a random order (0.5)"),
        ("insertion", 0.2, "rises slower"),
    ],
)
def test_a_curve_is_held_against_a_random_order(
    panel: TrustPanel, check: Check, value: float, word: str
) -> None:
    shown(panel)
    panel._on_measure(check)
    panel.on_assessed(found(panel.asked[0], value, curve=[1, 0.2, 0], control=[1.0, 0.5, 0.0]))
    painted(panel)
    assert panel.rows[check].figure.text() == f"area {value:.2g}"
    assert word in panel.rows[check].verdict.text()


def test_results_belong_to_their_map_and_are_marked_once_the_lane_has_moved_on(panel: TrustPanel) -> None:
    shown(panel)
    panel._on_measure("infidelity")
    panel.on_assessed(found(panel.asked[0], 0.25, step=121))
    painted(panel)
    row = panel.rows["infidelity"]
    assert row.figure.text() == "0.25"
    panel.dirty = False
    panel.add_slice(trained(121))
    assert not panel.dirty
    assert "of step" not in row.note.text()
    panel.add_slice(trained(122))
    assert panel.dirty
    painted(panel)
    assert "of step 121" in row.note.text()
    panel.chooser.network.setCurrentIndex(1)
    assert row.figure.text() == ""
    panel.chooser.network.setCurrentIndex(0)
    assert row.figure.text() == "0.25"
    shown(panel, answer("A"), answer("B"), step=130)  # the same picture, later: it stays
    assert row.figure.text() == "0.25"
    shown(panel, answer("A", target=4), answer("B"), step=131)  # another class is explained
    assert row.figure.text() == ""
    shown(panel, answer("A", strength=0.5), answer("B"), step=131)
    assert "strengths have changed since" in row.note.text()
    panel._on_all()
    assert "infidelity" in [asked.check for asked in panel.asked[1:]]


def test_another_picture_clears_them_and_gives_up_what_is_under_way(panel: TrustPanel) -> None:
    shown(panel)
    panel._on_measure("infidelity")
    panel._on_measure("deletion")
    panel.on_assessed(found(panel.asked[0], 0.25))
    shown(panel, picture=8)
    assert panel.dropped == [panel.asked[1].id]
    assert panel.rows["infidelity"].figure.text() == ""
    panel.on_assessed(found(panel.asked[1], 0.3))
    painted(panel)
    assert panel.rows["deletion"].figure.text() == ""
    panel.start_run(run_of())
    painted(panel)
    assert panel.empty.isVisible()


def test_the_price_is_learnt_from_the_check_itself(panel: TrustPanel) -> None:
    shown(panel, answer("A", seconds=0.3))
    panel._on_measure("deletion")
    panel.on_assessed(found(panel.asked[0], 0.2, curve=[1, 0], control=[1, 0], seconds=0.11))
    painted(panel)
    assert panel.rows["deletion"].note.text().endswith("passes · ≈ 0.11 s")
    assert not panel.rows["insertion"].note.text().endswith("≈ 0.11 s")


# ---- plots ----------------------------------------------------------------------------------


def curves(panel: TrustPanel) -> None:
    shown(panel)
    for check in ("deletion", "randomisation"):
        panel._on_measure(check)
    deletion, randomisation = panel.asked
    panel.on_assessed(
        found(deletion, 0.3, curve=[0.9, 0.2, 0.1, 0.1, 0.1], control=[0.9, 0.7, 0.5, 0.3, 0.1])
    )
    panel.on_assessed(found(randomisation, 0.4, curve=[1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, -0.3]))
    painted(panel)


def test_arrow_keys_read_out_point_by_point(panel: TrustPanel, qtbot: QtBot) -> None:
    curves(panel)
    plot = panel.rows["deletion"].plot
    qtbot.keyClick(plot, Qt.Key.Key_Right)
    qtbot.keyClick(plot, Qt.Key.Key_Right)
    assert plot.words() == "25 % blanked: 0.2; random order 0.7"
    assert plot.accessibleDescription() == plot.words()
    qtbot.keyClick(plot, Qt.Key.Key_Escape)
    assert plot.words() == ""
    plot = panel.rows["randomisation"].plot
    said = []
    for _ in range(11):
        qtbot.keyClick(plot, Qt.Key.Key_Right)
        said.append(plot.words())
    assert said[0] == "as learnt: 1"
    assert said[1] == "head drawn anew: 0.9"
    assert said[2] == "head to block 4.1 drawn anew: 0.8"
    assert said[9] == "head to block 1.0 drawn anew: 0.1"
    assert said[10] == "all drawn anew: −0.3"


def test_the_curves_are_drawn_where_they_are(panel: TrustPanel) -> None:
    curves(panel)
    plot = panel.rows["deletion"].plot
    image = plot.grab().toImage()
    area = plot._area()
    color = LIGHT.lane_color(0)

    def colored(share: float, value: float) -> bool:
        x, y = round(area.left() + share * area.width()), round(area.bottom() - value * area.height())
        near = itertools.product(range(x - 2, x + 3), range(y - 2, y + 3))
        return any(abs(image.pixelColor(*at).red() - color.red()) < 40 and
                   abs(image.pixelColor(*at).blue() - color.blue()) < 40 for at in near)  # fmt: skip

    assert colored(0.25, 0.2)
    assert colored(0.75, 0.1)
    assert not colored(0.25, 0.7)  # the control is no lane's colour
    assert not colored(0.5, 0.9)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_both_themes_draw_from_small_to_large(panel: TrustPanel, theme: object) -> None:
    curves(panel)
    panel.set_theme(theme)
    for size in ((320, 240), (440, 900), (1300, 700)):
        panel.resize(*size)
        painted(panel)
    corner = panel.grab().toImage().pixelColor(2, panel.height() - 2)
    assert corner.name() == theme.background


def test_what_is_shown_can_be_copied_and_heard(panel: TrustPanel, qtbot: QtBot) -> None:
    curves(panel)
    with qtbot.waitSignal(panel.said):
        qtbot.mouseClick(panel.copy, Qt.MouseButton.LeftButton)
    text = QApplication.clipboard().text()
    assert "A · Saliency for d · of step 120" in text
    assert "Deletion: area 0.3, falls faster than in a random order (0.5)" in text
    assert "0.25\t0.2\t0.7" in text
    assert "Deletion: area 0.3" in panel.accessibleDescription()
    for row in panel.rows.values():
        assert row.accessibleName()
        assert row.button.accessibleName() == f"Measure {row.name.text()}"
        assert row.plot.accessibleName()
    assert panel.chooser.network.toolTip()
