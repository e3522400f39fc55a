"""Maps side by side: what is asked, where each answer stands, on which scale, and how old it is."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QContextMenuEvent, QGuiApplication
from PySide6.QtWidgets import QLabel, QMenu, QWidget
from pytestqt.qtbot import QtBot

from core.messages import (
    Attributed,
    BrowsePictures,
    Explain,
    Explanation,
    Failed,
    LaneInfo,
    LaneSlice,
    OwnPicture,
    PicturePage,
    References,
    RunStarted,
    TrainingSlice,
)
from core.methods import METHODS, STEM
from core.notices import Notice
from core.overlay import Look, draw, scale_of
from core.settings import NetworkSettings, RunSettings, lane
from gui.attribution_history import MOST, AttributionHistory
from gui.block_names import block_names
from gui.explanation_view import ExplanationView
from gui.frame_layout import LEAST_SIDE, Measures, frame_grid, frame_places
from gui.history_frames import shrunk
from gui.method_price import Pace
from gui.overlay_controls import ARRANGEMENTS
from gui.pictures_panel import PicturesPanel
from gui.subject import Shown, Subject
from gui.theme import DARK, LIGHT, color_table
from tests.gui.seen import rendered

CLASSES = ("Trouser", "Coat", "Shirt")
SIDE = 8
SIX = ("saliency", "input_x_gradient", "integrated_gradients", "guided_backprop", "occlusion", "grad_cam")


class Desk:
    """A panel on the screen with a run of twins, everything it asked for, and answers made up."""

    def __init__(self, qtbot: QtBot, depths: tuple[int, ...] = (18, 18), size: tuple[int, int] = (480, 680)):
        self.window = QWidget()
        self.panel = PicturesPanel(self.window)
        self.asked: list[Explain] = []
        self.browsed: list[BrowsePictures] = []
        self.panel.explain_requested.connect(self.asked.append)
        self.panel.browse_requested.connect(self.browsed.append)
        qtbot.addWidget(self.window)
        self.window.resize(*size)
        self.panel.resize(*size)
        with qtbot.waitExposed(self.window):
            self.window.show()
        networks = [NetworkSettings(depth=depth, classes=3) for depth in depths]
        self.blocks = [network.block_count for network in networks]
        lanes = tuple(lane("ABCD"[row], each, 1.0 - row % 2) for row, each in enumerate(networks))
        infos = tuple(
            LaneInfo(each.name, each.network, 10, (1,) * count, ((16, 28, 28),) * count)
            for each, count in zip(lanes, self.blocks, strict=True)
        )
        self.started = RunStarted(RunSettings(lanes), infos, CLASSES, 100, 10, 50, 50, None)
        self.panel.start_run(self.started)
        self.panel.on_page(page(self.browsed[-1], len(depths)))

    @property
    def controls(self):
        return self.panel.controls

    @property
    def views(self) -> list[ExplanationView]:
        return self.panel.area.views

    @property
    def strengths(self) -> list[tuple[float, ...]]:
        return [(1.0 - row % 2,) * count for row, count in enumerate(self.blocks)]

    def answer(self, upto: int | None = None, request: Explain | None = None, **made: object) -> Explanation:
        request = request or self.asked[-1]
        explanation = explain(request, self.blocks, upto=upto, **{"strengths": self.strengths, **made})
        self.panel.on_explanation(explanation)
        self.panel.refresh_now()
        return explanation

    def states(self) -> list[str]:
        return [view._state for view in self.views]

    def titles(self) -> list[str]:
        return [column.title for column in self.panel.area.arranged.columns]

    def slice(self, step: int, strengths: list[tuple[float, ...]] | None = None) -> None:
        one = np.zeros(1)
        rows = tuple(
            LaneSlice(one, one, np.zeros((1, count)), np.zeros((1, count)), 0.05, each, (1.0,) * count)
            for count, each in zip(self.blocks, strengths or self.strengths, strict=True)
        )
        self.panel.on_slice(TrainingSlice(step, 1, rows, (), 100.0, 0))

    def cut_all(self) -> list[tuple[float, ...]]:
        return [(0.0,) * count for count in self.blocks]


@pytest.fixture
def desk(qtbot: QtBot) -> Desk:
    return Desk(qtbot)


def page(request: BrowsePictures, lanes: int) -> PicturePage:
    indices = np.arange(request.offset, min(request.offset + request.count, 50))
    labels = indices % 3
    return PicturePage(
        request.id, 50, request.offset, indices, np.zeros((len(indices), SIDE, SIDE, 3), np.uint8), labels,
        np.tile(labels, (lanes, 1)), np.full((lanes, len(labels)), 0.8), 5, CLASSES,
    )  # fmt: skip


def places(request: Explain, blocks: int) -> list[tuple[str, int | None, str]]:
    """Role, block and method of each map of one network, in the engine's order."""
    if request.arrangement == "switch":
        return [(role, None, request.method) for role in ("on", "off", "difference")]
    if request.arrangement == "targets":
        return [(role, None, request.method) for role in ("target", "against", "difference")]
    if request.arrangement == "filmstrip":
        return [("", block, request.method) for block in range(STEM, blocks)]
    if request.arrangement == "methods":
        return [("", None, method) for method in request.methods]
    return [("", None, request.method)]


def explain(
    request: Explain,
    blocks: list[int],
    strengths: list[tuple[float, ...]],
    upto: int | None = None,
    step: int | None = 5,
    side: int | tuple[int, int] = SIDE,
    targets: tuple[int, ...] = (1, 1, 1, 1),
    **changes: object,
) -> Explanation:
    height, width = (side, side) if isinstance(side, int) else side
    answers: list[Attributed] = []
    for row, count in enumerate(blocks):
        for place, (role, block, method) in enumerate(places(request, count)):
            values = np.random.default_rng(100 * row + place).normal(size=(3, height, width))
            attribution = (values * 10.0**-place).astype(np.float32)
            target = (targets[row] + 1) % 3 if role == "against" else targets[row]
            shortcuts = {"on": (1.0,) * count, "off": (0.0,) * count}.get(role, strengths[row])
            made = Attributed(
                "ABCD"[row], attribution, None, np.array([0.1, 0.6, 0.3]), target,
                0.25 if method == "integrated_gradients" else None, shortcuts, method=method,
                role=role, block=block, baseline="zero", seconds=0.5,
            )  # fmt: skip
            if role == "difference":
                first, second = answers[-2:]
                made = replace(
                    made, attribution=first.attribution - second.attribution, shortcuts=first.shortcuts,
                    probabilities=np.zeros(0), seconds=0.0,
                )  # fmt: skip
            answers.append(made)
    frames = len(places(request, blocks[-1]))
    shown = tuple(answers if upto is None else answers[:upto])
    picture = np.zeros((height, width, 3), np.uint8)
    explanation = Explanation(
        request.id, request.method, "zero", step, picture, 1, CLASSES, shown, 1.0, "as it is",
        upto is None, frames, request.arrangement,
    )  # fmt: skip
    return replace(explanation, **changes)


# ---- what is asked ------------------------------------------------------------------------


def test_each_arrangement_asks_for_itself_with_what_belongs_to_it(desk: Desk) -> None:
    controls = desk.controls
    controls.target.setCurrentIndex(2)
    controls.several.choose(SIX[:3])
    for arrangement in ARRANGEMENTS[1:]:
        before = len(desk.asked)
        controls.choose_arrangement(arrangement)
        assert len(desk.asked) == before + 1  # one question, not one for each part of it
        assert desk.asked[-1].arrangement == arrangement
        assert desk.asked[-1].target == 1
        assert desk.asked[-1].methods == (SIX[:3] if arrangement == "methods" else ())
    controls.choose_arrangement("targets")
    assert desk.asked[-1].against is None
    controls.against.setCurrentIndex(3)
    assert desk.asked[-1].against == 2


def test_a_key_chooses_each_arrangement(desk: Desk, qtbot: QtBot) -> None:
    desk.panel.gallery.setFocus()
    for number, arrangement in enumerate(ARRANGEMENTS):
        qtbot.keyClick(desk.panel.gallery, Qt.Key(Qt.Key.Key_1 + number), Qt.KeyboardModifier.AltModifier)
        assert desk.controls.chosen_arrangement() == arrangement


def test_a_filmstrip_takes_a_method_that_looks_at_one_block_and_gives_the_other_back(desk: Desk) -> None:
    controls = desk.controls
    controls.method.choose("occlusion")
    controls.choose_arrangement("filmstrip")
    assert desk.asked[-1].method == "grad_cam"
    assert set(controls.method.offered()) == {name for name, each in METHODS.items() if each.has_block}
    greyed = controls.method._items["saliency"]
    assert "whole network" in greyed.toolTip()
    controls.choose_arrangement("single")
    assert desk.asked[-1].method == "occlusion"
    assert set(controls.method.offered()) == set(METHODS)


def test_the_first_of_several_methods_is_the_one_whose_parameters_are_sent(desk: Desk) -> None:
    controls = desk.controls
    controls.method.choose("integrated_gradients")
    steps = controls.form.fields()["steps"]
    steps.show_value(20)
    steps.edited.emit()
    controls.several.choose(("saliency", "integrated_gradients"))
    controls.choose_arrangement("methods")
    assert (desk.asked[-1].method, desk.asked[-1].parameters) == ("integrated_gradients", (("steps", 20),))
    controls.several.choose(("saliency", "grad_cam"))
    controls.several.changed.emit()
    assert (desk.asked[-1].method, desk.asked[-1].parameters) == ("saliency", ())


def test_what_is_right_for_no_network_is_greyed_with_its_reason(desk: Desk) -> None:
    desk.answer(unsuitable=(("deep_lift", Notice("off by {share} %", {"share": 158})),))
    assert "deep_lift" not in desk.controls.method.offered()
    assert "off by 158 %" in desk.controls.method._items["deep_lift"].toolTip()
    assert "off by 158 %" in desk.controls.several._items["deep_lift"].toolTip()
    assert not desk.controls.several._items["deep_lift"].flags() & Qt.ItemFlag.ItemIsEnabled
    desk.panel.set_unsuitable({})
    assert "deep_lift" in desk.controls.method.offered()


# ---- where the answers stand ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrangement", "titles"),
    [
        ("switch", ["shortcuts on", "shortcuts off", "on − off"]),
        ("filmstrip", ["stem", "1.0", "1.1", "2.0", "2.1", "3.0", "3.1", "4.0", "4.1"]),
        ("targets", ["Coat", "Shirt", "Coat − Shirt"]),
        ("methods", [METHODS[name].label for name in SIX if name != "grad_cam"]),
    ],
)
def test_columns_are_named_and_every_answer_stands_in_its_own(
    arrangement: str, titles: list[str], desk: Desk
) -> None:
    desk.controls.several.choose(SIX[:5])
    desk.controls.choose_arrangement(arrangement)
    explanation = desk.answer()
    assert desk.titles() == titles
    area = desk.panel.area
    assert area._heads.titles() == titles
    assert [view.subject.answer for view in desk.views] == list(explanation.networks)
    assert [view.subject.name for view in desk.views] == ["A"] * len(titles) + ["B"] * len(titles)
    tops = [view.geometry().top() for view in desk.views]
    assert len(set(tops)) == 2
    lefts = [view.geometry().left() for view in desk.views]
    assert lefts[: len(titles)] == sorted(set(lefts)) == lefts[len(titles) :]


def test_answers_out_of_order_and_of_one_network_only_find_their_places(desk: Desk) -> None:
    desk.controls.choose_arrangement("switch")
    whole = explain(desk.asked[-1], desk.blocks, desk.strengths)
    desk.panel.on_explanation(replace(whole, networks=tuple(reversed(whole.networks[3:]))))
    assert [view.subject.answer for view in desk.views] == [None, None, None, *whole.networks[3:]]


def test_while_answers_stream_places_are_kept_and_say_so(desk: Desk) -> None:
    desk.answer()
    desk.controls.choose_arrangement("filmstrip")
    assert len(desk.views) == 18
    assert desk.states() == ["computing…"] * 18
    assert all(view.subject.answer is None for view in desk.views)  # the single maps answer something else
    geometry = [view.geometry() for view in desk.views]
    first = desk.answer(upto=2)
    assert desk.states() == [""] * 2 + ["computing…"] * 16
    assert [view.geometry() for view in desk.views] == geometry
    overlays = [view.overlay for view in desk.views[:2]]
    second = explain(desk.asked[-1], desk.blocks, desk.strengths, upto=11)
    second = replace(second, picture=first.picture, networks=(*first.networks, *second.networks[2:]))
    desk.panel.on_explanation(second)
    assert desk.panel.dirty  # many maps: shown as painting allows
    desk.panel.refresh_now()
    assert desk.states() == [""] * 11 + ["computing…"] * 7
    assert [view.overlay for view in desk.views[:2]] == overlays  # nothing is drawn twice
    assert desk.views[10].overlay is not None


def test_a_slow_map_is_coarse_until_the_next_one_comes(desk: Desk) -> None:
    desk.controls.method.choose("occlusion")
    desk.controls.choose_arrangement("switch")
    desk.answer(upto=1)
    assert desk.states()[:2] == ["coarse…", "computing…"]
    desk.answer(upto=3)
    assert desk.states()[:4] == ["", "", "coarse…", "computing…"]
    desk.answer()
    assert desk.states() == [""] * 6


def test_a_failed_comparison_leaves_no_answer_to_another_question(desk: Desk) -> None:
    desk.answer()
    desk.controls.choose_arrangement("switch")
    desk.panel.on_failed(Failed(Notice("no"), request=desk.asked[-1].id))
    assert desk.states() == [""] * 6
    assert all(view.subject.answer is None for view in desk.views)


def test_networks_of_other_depth_leave_places_free_and_name_their_own_blocks(qtbot: QtBot) -> None:
    desk = Desk(qtbot, (18, 34))
    desk.controls.choose_arrangement("filmstrip")
    desk.answer()
    assert desk.titles() == ["stem", *(str(block) for block in range(16))]
    assert len(desk.views) == 9 + 17
    assert [view.subject.title for view in desk.views[:9]] == ["stem", *block_names(8)]
    assert [view.subject.title for view in desk.views[9:]] == ["stem", *block_names(16)]


def test_block_names_are_those_of_the_network() -> None:
    for depth in (18, 34, 20, 56, 110):
        network = NetworkSettings(depth=depth)
        assert block_names(network.block_count) == tuple(block.name for block in network.blocks)
    assert block_names(7) == ("0", "1", "2", "3", "4", "5", "6")


def test_classes_that_differ_between_lanes_are_named_at_their_maps(desk: Desk) -> None:
    desk.controls.choose_arrangement("targets")
    desk.answer(targets=(1, 0))
    assert desk.titles() == ["its class", "the runner-up", "difference"]
    assert "explains Coat 60 %" in desk.views[0].summary()
    assert "explains Trouser 10 %" in desk.views[3].summary()


def test_references_keep_their_places_once_they_are_known(desk: Desk) -> None:
    desk.panel.on_references(References(("Twins",), "Twins"))
    desk.answer(step=None)
    desk.controls.choose_arrangement("switch")
    assert [view.subject.name for view in desk.views] == ["A"] * 3 + ["B"] * 3
    assert all(view.subject.hue is None for view in desk.views)


# ---- scales ---------------------------------------------------------------------------------


def test_on_and_off_share_a_scale_and_differences_have_their_own(desk: Desk) -> None:
    desk.controls.choose_arrangement("switch")
    explanation = desk.answer()
    maps = [each.attribution for each in explanation.networks]
    scales = [view.overlay.scale for view in desk.views]
    plain = scale_of([maps[0], maps[1], maps[3], maps[4]])
    assert scales == pytest.approx([plain, plain, scale_of([maps[2], maps[5]])] * 2)
    assert "scale of their own" in desk.views[2].hover_text(desk.views[2]._places().legend.center())
    assert "scale of their own" not in desk.views[0].hover_text(desk.views[0]._places().legend.center())


def test_the_blocks_of_a_filmstrip_fill_a_scale_each_unless_one_is_chosen(desk: Desk) -> None:
    desk.controls.choose_arrangement("filmstrip")
    explanation = desk.answer()
    maps = [each.attribution for each in explanation.networks]
    assert [view.overlay.scale for view in desk.views] == pytest.approx([scale_of([each]) for each in maps])
    desk.controls.common.click()
    assert {view.overlay.scale for view in desk.views} == {scale_of(maps)}
    desk.controls.choose_arrangement("switch")
    desk.controls.common.click()
    desk.controls.choose_arrangement("filmstrip")
    assert desk.controls.common.isChecked()  # as it was chosen for filmstrips
    desk.controls.choose_arrangement("switch")
    assert not desk.controls.common.isChecked()


# ---- geometry -------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [1, 1.5, 2])
@pytest.mark.parametrize("shape", [(8, 8), (9, 16), (16, 9), (5, 20), (224, 168)], ids=str)
def test_a_hot_pixel_of_a_frame_is_displayed_on_its_pixel(
    shape: tuple[int, int], ratio: float, desk: Desk
) -> None:
    """Light one pixel of the map, and see which device pixels change: those the picture's pixel covers."""
    desk.controls.choose_arrangement("targets")
    rows, columns = shape
    hot = (rows - 2, columns // 3)
    explanation = explain(desk.asked[-1], desk.blocks, desk.strengths, side=shape)
    attribution = np.zeros((1, *shape), np.float32)
    attribution[0][hot] = 1
    dark = tuple(replace(each, attribution=0 * attribution) for each in explanation.networks)
    lit = tuple(replace(each, attribution=attribution if place == 4 else each.attribution)
                for place, each in enumerate(dark))  # fmt: skip
    view = None
    seen = []
    for networks in (dark, lit):
        desk.panel.on_explanation(replace(explanation, networks=networks))
        desk.panel._state.explain = desk.asked[-1]
        desk.panel.refresh_now()
        view = desk.views[4]
        object.__setattr__(view.overlay, "scale", 0.0)  # no colour strip, …
        object.__setattr__(view.overlay, "notice", None)  # … no words
        view._state = ""
        seen.append(rendered(view, ratio))
    changed_rows, changed_columns = np.nonzero((seen[0] != seen[1]).any(2))
    stand = view.picture_rect()
    assert stand.width() / stand.height() == pytest.approx(columns / rows, rel=0.03)
    down, across = stand.height() * ratio / rows, stand.width() * ratio / columns
    top, left = stand.top() * ratio + hot[0] * down, stand.left() * ratio + hot[1] * across
    assert changed_rows.size
    for found, wanted in (
        (changed_rows.min(), top), (changed_rows.max() + 1, top + down),
        (changed_columns.min(), left), (changed_columns.max() + 1, left + across),
    ):  # fmt: skip
        assert abs(found - wanted) <= 1
    if max(shape) <= 20:  # small pictures are crisp: every pixel the same whole square
        assert changed_rows.size == round(down) * round(across)


@pytest.mark.parametrize("rows", [1, 2, 4])
@pytest.mark.parametrize("columns", [2, 3, 6, 9, 28, 55])
@pytest.mark.parametrize("area", [(360, 150), (440, 320), (760, 460), (1400, 900)], ids=str)
def test_frames_never_overlap_and_pictures_are_never_too_small(
    rows: int, columns: int, area: tuple[int, int]
) -> None:
    from PySide6.QtCore import QSize

    for pixels in (28, 32, 224):
        measures = Measures(line=17, pixels=pixels, full=5, noted=columns < 9)
        table = frame_grid(rows, columns, QSize(*area), measures)
        boxes = [table.rect(row, column) for row in range(rows) for column in range(columns)]
        names = [table.name(row) for row in range(rows)]
        everything = boxes + names
        assert not any(
            a.intersects(b) for place, a in enumerate(everything[:60]) for b in everything[place + 1 :]
        )
        parts = frame_places(table.cell, 17, table.lines, pixels)
        assert parts.side >= LEAST_SIDE
        assert parts.side % pixels == 0 or parts.side < pixels
        inner = boxes[0].translated(-boxes[0].topLeft())
        assert all(inner.contains(each) for each in (parts.picture, parts.legend, *parts.lines))
        if columns <= 3 and area[0] >= 440:
            assert table.size.width() <= area[0]  # what can stand side by side does


def test_a_filmstrip_of_56_layers_scrolls_sideways_with_the_names_in_place(qtbot: QtBot) -> None:
    desk = Desk(qtbot, (56, 56), (700, 700))
    desk.controls.choose_arrangement("filmstrip")
    desk.answer()
    area = desk.panel.area
    assert len(desk.views) == 2 * 28
    bar = area.horizontalScrollBar()
    assert bar.maximum() > 0
    name = area._table.name(0)
    before = rendered(area.viewport())[name.top() : name.bottom(), :80]
    bar.setValue(bar.maximum())
    after = rendered(area.viewport())[name.top() : name.bottom(), :80]
    assert (before != before[0, -1]).any()  # something is written there
    assert np.array_equal(before, after)
    last = desk.views[27]
    at = last.mapTo(area.viewport(), last.rect().center())
    assert area.viewport().rect().contains(at)
    assert desk.titles()[-1] == "3.8"


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
@pytest.mark.parametrize("size", [(440, 640), (1100, 640)], ids=str)
def test_the_controls_of_every_arrangement_have_their_room_and_a_name(
    arrangement: str, size: tuple[int, int], qtbot: QtBot
) -> None:
    desk = Desk(qtbot, size=size)
    desk.controls.choose_arrangement(arrangement)
    desk.answer()
    desk.controls.disclosure.click()
    qtbot.wait(1)
    flow = desk.controls._flow
    boxes = [each.geometry() for each in flow._widgets]
    assert all(flow.rect().contains(each) for each in boxes)
    assert not any(a.intersects(b) for place, a in enumerate(boxes) for b in boxes[place + 1 :])
    assert desk.panel.rect().contains(
        desk.controls.rect().translated(desk.controls.mapTo(desk.panel, QPoint()))
    )
    buddies = {label.buddy() for label in desk.panel.findChildren(QLabel)}
    for each in desk.controls.findChildren(QWidget):
        if each.isVisible() and each.focusPolicy() & Qt.FocusPolicy.TabFocus and not each.focusProxy():
            named = each.accessibleName() or each in buddies or each.property("text")
            assert named or each.objectName() == "qt_spinbox_lineedit", each


# ---- toggles --------------------------------------------------------------------------------


def test_a_toggle_is_followed_at_once_and_once_even_by_a_slow_method(desk: Desk) -> None:
    desk.controls.method.choose("occlusion")
    desk.answer()
    asked = len(desk.asked)
    desk.slice(6)
    assert len(desk.asked) == asked  # older weights are no reason to compute for long
    desk.slice(7, desk.cut_all())
    assert len(desk.asked) == asked + 1
    assert (desk.asked[-1].automatic, desk.asked[-1].method) == (True, "occlusion")
    desk.slice(8, desk.cut_all())
    assert len(desk.asked) == asked + 1
    desk.panel.on_failed(Failed(Notice("no"), request=desk.asked[-1].id))
    desk.slice(9, desk.cut_all())
    assert len(desk.asked) == asked + 1  # it cannot be done: not asked for ever again
    desk.slice(10)  # back to what is shown
    desk.slice(11, desk.cut_all())
    desk.slice(12, [(0.5,) * 8, (0.0,) * 8])
    assert len(desk.asked) == asked + 2


def test_a_slow_answer_to_older_shortcuts_gives_way(desk: Desk) -> None:
    desk.controls.method.choose("occlusion")
    desk.answer()
    desk.slice(7, desk.cut_all())
    first = desk.asked[-1]
    desk.slice(8, [(0.5,) * 8, (0.0,) * 8])
    assert desk.asked[-1].id > first.id
    desk.answer(strengths=[(0.5,) * 8, (0.0,) * 8])
    assert desk.states() == ["", ""]


def test_a_toggle_while_a_person_waits_is_followed_once_the_answer_is_there(desk: Desk) -> None:
    desk.slice(6, desk.cut_all())
    waiting = len(desk.asked)
    assert not desk.asked[-1].automatic
    desk.answer()  # with the shortcuts of before
    assert len(desk.asked) == waiting + 1
    assert desk.asked[-1].automatic


def test_a_toggle_while_paused_is_followed(desk: Desk) -> None:
    desk.controls.method.choose("integrated_gradients")
    desk.answer()
    asked = len(desk.asked)
    desk.panel.mark_strengths(0, (0.0,) * 8)
    assert len(desk.asked) == asked + 1
    desk.answer(strengths=desk.cut_all())
    assert len(desk.asked) == asked + 1


def test_branch_strengths_are_followed_too(desk: Desk) -> None:
    desk.controls.method.choose("integrated_gradients")
    desk.answer()
    asked = len(desk.asked)
    desk.panel.hide()
    desk.panel.mark_strengths(1, None, (0.5,) * 8)
    desk.panel.refresh_now()
    assert desk.states() == ["branches changed since"] * 2
    desk.panel.show()
    assert len(desk.asked) == asked + 1
    desk.answer()
    assert desk.states() == [""] * 2
    assert len(desk.asked) == asked + 1


def test_a_resumed_runs_maps_are_of_the_strengths_that_came_with_them(desk: Desk) -> None:
    desk.panel.start_run(replace(desk.started, begins_at=0, done=70))
    asked = len(desk.asked)
    desk.answer(strengths=desk.cut_all())  # its settings say how it began
    assert desk.states() == [""] * 2
    assert len(desk.asked) == asked
    desk.panel.mark_strengths(0, desk.strengths[0])
    assert len(desk.asked) == asked + 1


def test_a_folder_split_by_another_seed_has_other_pictures(desk: Desk) -> None:
    for dataset, stays in (("fashion-mnist", True), ("/my/folder", False)):
        settings = replace(desk.started.settings, dataset=dataset)
        desk.panel.start_run(replace(desk.started, settings=settings))
        desk.panel.on_page(page(desk.browsed[-1], 2))
        desk.panel.gallery.setCurrentIndex(desk.panel.gallery.pictures.index(0))
        asked = len(desk.asked)
        desk.panel.start_run(replace(desk.started, settings=replace(settings, seed=5)))
        assert (len(desk.asked) > asked) is stays


def test_a_hidden_panel_follows_when_it_is_seen(desk: Desk) -> None:
    desk.answer()
    asked = len(desk.asked)
    desk.panel.hide()
    desk.slice(7, desk.cut_all())
    assert len(desk.asked) == asked
    desk.panel.show()
    assert len(desk.asked) == asked + 1


def test_all_on_and_all_off_do_not_depend_on_the_lanes_shortcuts(desk: Desk) -> None:
    desk.controls.choose_arrangement("switch")
    desk.answer()
    asked = len(desk.asked)
    desk.slice(7, desk.cut_all())
    desk.panel.refresh_now()
    assert len(desk.asked) == asked
    assert desk.states() == [""] * 6
    request = desk.panel.automatic_request()  # but the weights have moved on
    assert request is not None
    assert (request.arrangement, request.automatic) == ("switch", True)


def test_a_refresh_asks_the_same_question_again(desk: Desk) -> None:
    desk.controls.several.choose(("saliency", "grad_cam"))
    desk.controls.choose_arrangement("methods")
    question = desk.asked[-1]
    desk.answer()
    desk.slice(9)
    again = desk.panel.automatic_request()
    assert again is not None
    assert again.id != question.id
    assert replace(again, id=question.id, automatic=False).methods == question.methods
    desk.answer(request=again, step=9)
    desk.controls.several.choose(("saliency", "occlusion"))
    desk.controls.several.changed.emit()
    desk.answer(step=9)
    desk.slice(12)
    assert desk.panel.automatic_request() is None  # one of them is slow


# ---- keys, clipboard, figures -----------------------------------------------------------------


def test_the_arrow_keys_lead_from_frame_to_frame(desk: Desk, qtbot: QtBot) -> None:
    desk.controls.choose_arrangement("filmstrip")
    desk.answer()
    desk.window.activateWindow()
    views = desk.views
    reached = [view for view in views if view.focusPolicy() & Qt.FocusPolicy.TabFocus]
    assert reached == [views[0]]  # one stop for Tab, however many frames there are
    views[0].setFocus()
    for key, place in (
        (Qt.Key.Key_Right, 1),
        (Qt.Key.Key_Down, 10),
        (Qt.Key.Key_Left, 9),
        (Qt.Key.Key_Left, 9),
    ):
        qtbot.keyClick(desk.window.focusWidget(), key)
        assert desk.window.focusWidget() is views[place]
    said = desk.panel.area._said.text()
    assert said.startswith("B · stem · explains Coat 60 %")
    assert "0.5 s" in said
    for _ in range(8):
        qtbot.keyClick(desk.window.focusWidget(), Qt.Key.Key_Right)
    at = views[17].mapTo(desk.panel.area.viewport(), views[17].rect().center())
    assert desk.panel.area.viewport().rect().contains(at)


def test_ctrl_c_copies_the_overlay_with_whole_pixels(desk: Desk, qtbot: QtBot) -> None:
    desk.answer()
    view = desk.views[1]
    qtbot.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    image = QGuiApplication.clipboard().image()
    factor = image.width() // SIDE
    assert image.width() == image.height() == factor * SIDE >= 448
    for row, column in ((0, 0), (3, 5), (7, 7)):
        for inside in (0, factor - 1):
            color = image.pixelColor(column * factor + inside, row * factor + inside)
            assert (color.red(), color.green(), color.blue()) == tuple(view.overlay.rgba[row, column, :3])


def test_the_menu_offers_to_copy_and_to_save(desk: Desk, qtbot: QtBot) -> None:
    desk.controls.choose_arrangement("switch")
    desk.answer()
    saved: list[list[Shown]] = []
    desk.panel.figure_requested.connect(saved.append)
    view = desk.views[4]
    copy, one, every = view.menu().actions()
    one.trigger()
    every.trigger()
    assert [(shown.row, shown.column, shown.title) for shown in saved[0]] == [(1, 1, "shortcuts off")]
    assert [(shown.row, shown.column) for shown in saved[1]] == [(r, c) for r in (0, 1) for c in (0, 1, 2)]
    only = saved[0][0]
    assert only.subject is view.subject
    assert only.overlay is view.overlay
    assert (only.scale, only.common, only.look, only.table) == (
        view.overlay.scale, True, desk.controls.look(), desk.controls.color_map(),
    )  # fmt: skip
    copy.trigger()
    assert QGuiApplication.clipboard().image().width() >= 448


def test_a_right_click_or_the_menu_key_opens_the_menu(desk: Desk, qtbot: QtBot) -> None:
    desk.answer()
    view = desk.views[0]
    event = QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, QPoint(5, 5), view.mapToGlobal(QPoint(5, 5)))
    view.contextMenuEvent(event)
    (menu,) = view.findChildren(QMenu)
    assert len(menu.actions()) == 3
    menu.close()
    desk.window.repaint()
    menu.deleteLater()
    QGuiApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


def test_a_caption_says_who_when_how_of_what_against_what_and_how_exact(desk: Desk) -> None:
    desk.controls.method.choose("integrated_gradients")
    desk.answer()
    assert desk.panel.figures()[1].caption == (
        "B", "of step 5", "shortcuts all cut", "Integrated gradients", "explains Coat",
        "measured against the zero picture", "completeness error 25 %",
    )  # fmt: skip


def test_a_figure_is_told_what_picture_and_which_networks_it_is_of(desk: Desk) -> None:
    desk.answer()
    assert desk.panel.picture_words() == "Held-out picture 0: Trouser"
    assert desk.panel.network_words() == {"A": "ResNet-18, width 16", "B": "ResNet-18, width 16"}


def test_frames_that_went_keep_no_picture(desk: Desk) -> None:
    desk.controls.choose_arrangement("filmstrip")
    desk.answer()
    gone = desk.views[2:]
    desk.controls.choose_arrangement("single")
    desk.answer()
    assert len(desk.views) == 2
    assert all(view.subject is None and view.overlay is None and not view.isVisible() for view in gone)


def test_both_themes_reach_every_part(desk: Desk) -> None:
    desk.controls.choose_arrangement("switch")
    desk.answer()
    seen = []
    for theme in (LIGHT, DARK):
        desk.panel.set_theme(theme)
        seen.append(rendered(desk.panel.area))
    for part in (desk.panel.area._heads, desk.panel.area._body, desk.views[0]):
        corner = part.mapTo(desk.panel.area, QPoint(0, 0))
        box = np.s_[corner.y() : corner.y() + part.height(), corner.x() : corner.x() + 100]
        assert not np.array_equal(seen[0][box], seen[1][box])


# ---- training time ----------------------------------------------------------------------------


def remember(history: AttributionHistory, request: Explain, steps: range, blocks: int = 8) -> None:
    for step in steps:
        history.take(request, explain(request, [blocks], [(1.0,) * blocks], step=step))


def test_moments_are_thinned_evenly_and_keep_both_ends() -> None:
    history, request = AttributionHistory(), Explain(3, "saliency")
    remember(history, request, range(1, 2000, 7))
    steps = [moment.step for moment in history.moments]
    assert len(steps) == MOST
    assert (steps[0], steps[-1]) == (1, 1996)
    gaps = np.diff(steps)
    assert gaps.max() <= 4 * 1996 / (MOST - 1)
    assert gaps[:-1].min() >= 1996 / (MOST - 1) / 4


def test_the_same_step_again_takes_the_place_and_another_question_begins_anew() -> None:
    history, request = AttributionHistory(), Explain(3, "saliency")
    remember(history, request, range(1, 4))
    again = explain(request, [8], [(0.0,) * 8], step=3)
    assert history.take(request, again)
    assert [moment.step for moment in history.moments] == [1, 2, 3]
    assert history.moments[-1].strengths == ((0.0,) * 8,)
    refresh = replace(request, automatic=True, id=99)
    assert history.answers(refresh)
    for other in (Explain(4, "saliency"), Explain(3, "grad_cam"), Explain(3, "saliency", 1),
                  Explain(3, "occlusion", parameters=(("window", 4),))):  # fmt: skip
        assert not history.answers(other)
    history.take(Explain(4, "saliency"), explain(Explain(4, "saliency"), [8], [(1.0,) * 8], step=9))
    assert [moment.step for moment in history.moments] == [9]


def test_own_pictures_are_told_apart_by_what_they_are_not_by_their_name() -> None:
    one, two = (OwnPicture("a.png", np.full((8, 8, 3), shade, np.uint8)) for shade in (0, 9))
    history = AttributionHistory()
    remember(history, Explain(one, "saliency"), range(1, 3))
    assert history.answers(Explain(one, "saliency"))
    assert not history.answers(Explain(two, "saliency"))


@pytest.mark.parametrize(
    "request_",
    [
        Explain(3, "saliency", source="Twins"),
        Explain(3, "saliency", arrangement="switch"),
    ],
    ids=["a reference", "a comparison"],
)
def test_only_single_maps_of_the_lanes_are_remembered(request_: Explain) -> None:
    history = AttributionHistory()
    assert not history.take(request_, explain(request_, [8], [(1.0,) * 8]))
    coarse = Explain(3, "saliency")
    assert not history.take(coarse, explain(coarse, [8], [(1.0,) * 8], done=False))
    assert history.moments == ()


def test_the_memory_of_moments_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gui.attribution_history.MOST_BYTES", 10 * 8 * 8 * 4)
    history, request = AttributionHistory(), Explain(3, "saliency")
    remember(history, request, range(1, 60))
    assert sum(moment.bytes for moment in history.moments) <= 10 * 8 * 8 * 4
    assert (history.moments[0].step, history.moments[-1].step) == (1, 59)


def test_the_strip_fills_as_the_network_learns_and_shows_a_moment_large(desk: Desk, qtbot: QtBot) -> None:
    desk.answer(step=5)
    strip = desk.panel.strip
    assert not strip.isVisible()  # one state is no history
    explanations = {5: desk.panel._state.explanation}
    for step in (9, 14):
        desk.slice(step)
        request = desk.panel.automatic_request()
        explanations[step] = desk.answer(request=request, step=step)
    assert strip.isVisible()
    assert [moment.step for moment in strip.frames._moments] == [5, 9, 14]
    column = strip.frames._column(1)
    qtbot.mouseClick(strip.frames, Qt.MouseButton.LeftButton, pos=column.center())
    assert desk.states() == ["as at step 9"] * 2
    for view, answer in zip(desk.views, explanations[9].networks, strict=True):
        wanted = draw(explanations[9].picture, answer.attribution, color_table("CET-D1"), Look())
        assert np.abs(view.overlay.rgba.astype(int) - wanted.rgba).max() <= 1
        assert view.subject.explanation.step == 9
    desk.slice(20)
    desk.answer(request=desk.panel.automatic_request(), step=20)
    assert desk.views[0].subject.explanation.step == 9  # it goes on beside what is looked at
    assert len(strip.frames._moments) == 4
    strip.back.click()
    assert desk.views[0].subject.explanation.step == 20
    assert desk.states() == ["", ""]


def test_the_strip_is_walked_by_keys_and_left_by_another_question(desk: Desk, qtbot: QtBot) -> None:
    for step in (5, 6, 7):
        desk.panel._state.explain = desk.asked[-1]
        desk.answer(step=step)
    frames = desk.panel.strip.frames
    for key, step in (
        (Qt.Key.Key_Left, 7), (Qt.Key.Key_Left, 6), (Qt.Key.Key_Home, 5), (Qt.Key.Key_Right, 6),
        (Qt.Key.Key_Escape, None), (Qt.Key.Key_Left, 7), (Qt.Key.Key_Right, None), (Qt.Key.Key_Left, 7),
    ):  # fmt: skip
        qtbot.keyClick(frames, key)
        assert (None if frames.moment is None else frames.moment.step) == step
    desk.controls.method.choose("grad_cam")
    assert frames.moment is None
    desk.answer()
    assert not desk.panel.strip.isVisible()


def test_a_small_map_is_drawn_on_its_lanes_scale_over_all_moments(desk: Desk) -> None:
    explanations = []
    for step, size in ((5, 1.0), (6, 10.0)):
        desk.panel._state.explain = desk.asked[-1]
        made = explain(desk.asked[-1], desk.blocks, desk.strengths, step=step)
        networks = tuple(replace(each, attribution=size * each.attribution) for each in made.networks)
        explanations.append(replace(made, networks=networks))
        desk.panel.on_explanation(explanations[-1])
        desk.panel.refresh_now()
        desk.panel.strip.frames.image(0, 0)  # drawn before the scale changes
    frames = desk.panel.strip.frames
    for row in (0, 1):
        maps = [each.networks[row].attribution for each in explanations]
        wanted = draw(explanations[0].picture, maps[0], color_table("CET-D1"), Look(), scale_of(maps))
        image = frames.image(0, row)
        got = np.array([[image.pixelColor(x, y).getRgb()[:3] for x in range(SIDE)] for y in range(SIDE)])
        assert np.abs(got - wanted.rgba[..., :3]).max() <= 1


def test_the_strip_folds_and_says_what_each_moment_is(desk: Desk) -> None:
    for step in (5, 6):
        desk.panel._state.explain = desk.asked[-1]
        desk.answer(step=step)
    strip = desk.panel.strip
    strip.fold.click()  # a low panel keeps it shut
    strip.frames.choose(strip.frames._moments[0])
    assert "A: explains Coat 60 %, shortcuts all on" in strip.frames.hover_text(
        strip.frames._column(0).center().x()
    )
    height = strip.height()
    strip.fold.click()
    assert strip.moment is None  # what cannot be seen is not looked at
    assert strip.sizeHint().height() < height


def test_a_low_panel_keeps_the_strip_shut_until_somebody_opens_it(desk: Desk) -> None:
    for step in (5, 6):
        desk.panel._state.explain = desk.asked[-1]
        desk.answer(step=step)
    strip = desk.panel.strip
    assert not strip.fold.isChecked()
    desk.panel.resize(480, 1000)
    assert strip.fold.isChecked()
    desk.panel.resize(480, 680)
    assert not strip.fold.isChecked()
    strip.fold.click()
    desk.panel.resize(480, 690)
    assert strip.fold.isChecked()


def test_small_maps_are_averages() -> None:
    pixels = np.random.default_rng(0).normal(size=(224, 150, 2))
    small = shrunk(pixels)
    assert small.shape == (56, 37, 2)
    assert small[3, 5] == pytest.approx(pixels[12:16, 20:24].mean(axis=(0, 1)))
    assert np.array_equal(shrunk(pixels[:28, :28]), pixels[:28, :28])
    assert shrunk(pixels[:2, :150]).shape == (1, 50, 2)


# ---- price ------------------------------------------------------------------------------------


def test_a_pass_is_measured_from_maps_that_were_computed(desk: Desk) -> None:
    pace = Pace()
    request = Explain(0, "saliency")
    answers = explain(request, [8, 8], desk.strengths)
    known = replace(answers, networks=(answers.networks[0], replace(answers.networks[1], seconds=0.0)))
    pace.take("lanes", known)
    assert pace.seconds("lanes", SIDE, 6) == pytest.approx(0.5 / 3 * 6)
    assert pace.seconds("lanes", 224, 6) is None
    assert pace.seconds("Twins", SIDE, 6) is None


def test_a_subject_may_stand_alone() -> None:
    subject = Subject("A", None, np.zeros((4, 4, 3), np.uint8))
    assert (subject.lines, subject.bars, subject.attribution) == ((), (), None)
