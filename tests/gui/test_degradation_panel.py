"""The degradation panel sets finished runs beside each other, and the papers' figures apart."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from core.degradation import DepthPoint
from core.settings import NetworkSettings, RunSettings, lane
from gui.degradation_panel import DegradationPanel
from gui.degradation_series import points_of, recipes
from gui.degradation_sweep import sweep
from gui.plot_export import export
from gui.theme import DARK, LIGHT

# end losses measured with the sweep's recipe, seeds 0 to 2
WITH_56 = (0.66, 0.69, 0.67)
PLAIN_56 = (1.90, 1.60, 1.77)


def point(
    depth: int, strength: float, loss: float, seed: int = 0, *, rate: float = 0.05, steps: int = 150,
    dataset: str = "fashion-mnist", norm: str = "batch",
) -> DepthPoint:  # fmt: skip
    network = NetworkSettings(depth=depth, width=8, norm=norm)  # type: ignore[arg-type]
    recipe = RunSettings(
        lanes=(lane("", network, strength, rate),), dataset=dataset, image_size=14, batch_size=64, steps=150
    )
    kind = {1.0: "with", 0.0: "plain"}.get(strength, "mixed")
    return DepthPoint(
        f"run-{seed}", f"{depth} {kind}", depth, kind, loss, loss / 3, steps, 1000 * depth,  # type: ignore[arg-type]
        40_000 * depth, rate, seed, dataset, 8, recipe,
    )  # fmt: skip


def three_seeds() -> list[DepthPoint]:
    made = []
    for seed in range(3):
        made += [point(20, 1.0, 0.60, seed), point(20, 0.0, 0.83, seed)]
        made += [point(56, 1.0, WITH_56[seed], seed), point(56, 0.0, PLAIN_56[seed], seed)]
    return made


@pytest.fixture
def panel(qtbot: QtBot) -> DegradationPanel:
    made = DegradationPanel()
    qtbot.addWidget(made)
    made.resize(700, 420)
    made.show()
    return made


def shown(panel: DegradationPanel, points: list[DepthPoint]) -> None:
    panel.set_points(points)
    assert panel.dirty
    panel.refresh_now()
    panel.grab()


def test_without_runs_it_asks_its_question_and_shows_the_papers(panel: DegradationPanel) -> None:
    shown(panel, [])
    assert "No run is finished yet" in panel.summary.text()
    assert all(not len(curve.xData) for curve in panel.plot.curves.values())
    assert panel.plot.ghost_lines[0].isVisible()
    assert not panel.copy.isEnabled()
    assert panel.run_sweep.isEnabled()


def test_symbols_are_medians_and_the_strip_is_the_range_of_seeds(panel: DegradationPanel) -> None:
    shown(panel, three_seeds())
    plot = panel.plot
    assert (10 ** plot.dots["with"].data["x"]).tolist() == pytest.approx([20, 56])
    assert plot.dots["with"].data["y"].tolist() == pytest.approx([0.60, 0.67])
    assert plot.dots["plain"].data["y"].tolist() == pytest.approx([0.83, 1.77])
    path = plot.strips["plain"].path()
    corners = [path.elementAt(n) for n in range(path.elementCount())]
    assert {(round(10**c.x), round(c.y, 6)) for c in corners} == {(20, 0.83), (56, 1.60), (56, 1.90)}
    assert plot.y_range[1] > 1.9
    assert plot.dots["with"].opts["symbol"] != plot.dots["plain"].opts["symbol"]
    text = panel.summary.text()
    assert "with shortcuts: from 0.6 (20 layers) to 0.67 (56 layers)" in text
    assert "plain: from 0.83 (20 layers) to 1.77 (56 layers)" in text
    assert "one seed only" not in text


def test_points_fill_in_as_runs_finish(panel: DegradationPanel) -> None:
    everything = three_seeds()
    shown(panel, everything[:2])
    assert "plain, 20 layers: 0.83" in panel.summary.text()
    assert "one seed only" in panel.summary.text()
    shown(panel, everything[:4])
    assert len(panel.plot.dots["plain"].data) == 2
    assert not panel.plot.strips["plain"].isVisible()  # one seed makes no band
    shown(panel, everything)
    assert panel.plot.strips["plain"].isVisible()


def test_the_training_error_can_be_shown_instead(panel: DegradationPanel) -> None:
    shown(panel, three_seeds())
    panel.quantity.setCurrentIndex(1)
    panel.grab()
    assert panel.plot.dots["plain"].data["y"].tolist() == pytest.approx([0.83 / 3, 1.77 / 3])
    assert "Final training error" in panel.plot.title.text()
    assert "59.0 %" in panel.summary.text()
    assert panel.plot.y_range[1] < 1


def test_the_papers_have_an_axis_of_their_own(panel: DegradationPanel) -> None:
    shown(panel, three_seeds())
    plot = panel.plot
    ticks = plot._errors._tickLevels[0]
    assert [text for _, text in ticks][:2] == ["0", "5"]
    # a published 13.31 % stands at 13.31 on the right axis, whatever the left one says
    places = {float(text): place for place, text in ticks}
    li_plain = next(
        dots for dots, series in zip(plot.ghost_dots, plot.published, strict=True)
        if series[0].shortcuts == "plain"
    )  # fmt: skip
    depth, height = li_plain.data["x"][1], li_plain.data["y"][1]
    assert round(10**depth) == 56
    assert height == pytest.approx(places[10] + (places[15] - places[10]) * 3.31 / 5)
    for theme in (LIGHT, DARK):
        panel.set_theme(theme)
        colors = {theme.lane_color(number).name() for number in range(4)}
        assert li_plain.opts["pen"].color().name() not in colors
        assert li_plain.opts["brush"].color().name() == theme.background  # hollow
    text = plot.words(math.log10(56))
    assert "Li et al. 2018, plain: 13.31 (test error, %)" in text
    assert "He et al. 2015, with shortcuts: 6.97 (test error, %)" in text


def test_the_right_axis_keeps_its_figures_when_the_user_zooms(panel: DegradationPanel) -> None:
    shown(panel, three_seeds())
    plot = panel.plot
    height = plot.ghost_dots[0].data["y"][0]  # 8.75 %
    plot.view.setYRange(0.0, 1.0, padding=0)
    places = {float(text): place for place, text in plot._errors._tickLevels[0]}
    per_percent = (max(places.values()) - min(places.values())) / (max(places) - min(places))
    assert height == pytest.approx(8.75 * per_percent)


def test_the_papers_can_be_hidden(panel: DegradationPanel) -> None:
    shown(panel, three_seeds())
    panel.ghosts.setChecked(False)
    panel.grab()
    assert not any(item.isVisible() for item in (*panel.plot.ghost_lines, *panel.plot.ghost_dots))
    assert not panel.plot._errors.isVisible()
    assert 10 ** panel.plot.x_range[1] < 70
    assert "Li et al." not in panel.plot.words(math.log10(56))
    assert not any("2018" in entry.text for entry in panel.key.entries)


def test_runs_that_diverged_are_marked_and_not_in_the_median(panel: DegradationPanel) -> None:
    points = three_seeds()
    gone = replace(points[3], loss=math.nan, error=math.nan, steps=12)
    shown(panel, [*points[:3], gone, *points[4:]])
    assert panel.plot.dots["plain"].data["y"].tolist() == pytest.approx([0.83, (1.60 + 1.77) / 2])
    assert [round(10**x) for x in panel.plot.lost.data["x"]] == [56]
    assert "1 of 3 diverged" in panel.summary.text()
    assert any(entry.text == "diverged" for entry in panel.key.entries)


def test_nothing_but_divergence_is_survived(panel: DegradationPanel) -> None:
    shown(panel, [point(56, 0.0, math.inf, steps=3), point(56, 1.0, math.nan, steps=5)])
    assert len(panel.plot.lost.data) == 2
    assert np.isfinite(panel.plot.y_range).all()
    assert "plain, 56 layers: diverged" in panel.summary.text()
    assert "nan" not in panel.summary.text().lower()


def test_only_runs_of_one_recipe_stand_beside_each_other(panel: DegradationPanel) -> None:
    usual = three_seeds()
    other = [point(56, 0.0, 1.1, rate=0.01), point(20, 0.0, 0.9, rate=0.01)]
    shown(panel, [*usual, *other])
    assert not panel.recipe.isHidden()
    assert panel.recipe.count() == 2
    assert panel.plot.dots["plain"].data["y"].tolist() == pytest.approx([0.83, 1.77])
    panel.recipe.setCurrentIndex(1)
    assert panel.plot.dots["plain"].data["y"].tolist() == pytest.approx([0.9, 1.1])
    assert "rate 0.01" in panel.summary.text()
    # the choice stays when another run comes in, and though the order changes
    shown(panel, [*usual, *other, *(point(44, 0.0, 1.0, n, rate=0.01) for n in range(20))])
    assert "rate 0.01" in panel.recipe.currentText()


@pytest.mark.parametrize(
    "other",
    [
        point(56, 0.0, 1.0, dataset="cifar10"),
        point(56, 0.0, 1.0, norm="none"),
        point(56, 0.0, 1.0, steps=90),
        point(56, 0.0, 1.0, rate=0.1),
    ],
    ids=["data set", "norm", "length", "rate"],
)
def test_what_makes_another_recipe(other: DepthPoint) -> None:
    same = [point(20, 1.0, 0.6), point(56, 0.5, 0.7, 3)]
    assert len(recipes([*same, other])) == 2
    assert points_of([*same, other], recipes([*same, other])[0]) == same


def test_networks_with_some_shortcuts_are_points_without_a_line(panel: DegradationPanel) -> None:
    shown(panel, [*three_seeds(), point(20, 0.5, 0.7), point(56, 0.5, 1.3), point(56, 0.75, 0.9)])
    assert sorted(panel.plot.dots["mixed"].data["y"].tolist()) == pytest.approx([0.7, 0.9, 1.3])
    assert len(panel.plot.curves["mixed"].xData) == 0
    assert any(entry.text == "mixed" for entry in panel.key.entries)


def test_the_sweep_is_what_it_says() -> None:
    runs = sweep(2)
    assert [run.seed for run in runs] == [0, 0, 1, 1]
    seen = set()
    for run in runs:
        assert (run.image_size, run.batch_size, run.steps, run.dataset) == (14, 64, 150, "fashion-mnist")
        assert len(run.lanes) == 4
        for each in run.lanes:
            assert (each.network.width, each.network.norm, each.learning_rate) == (8, "batch", 0.05)
            assert len(set(each.shortcuts)) == 1
            seen.add((each.network.depth, each.shortcuts[0], run.seed))
    assert seen == {(d, s, n) for d in (20, 32, 44, 56) for s in (0.0, 1.0) for n in (0, 1)}


def test_the_sweep_is_asked_for_followed_and_stopped(panel: DegradationPanel, qtbot: QtBot) -> None:
    panel.seeds.setValue(3)
    assert "6 runs of 4 networks, 150 steps each" in panel.price.text()
    with qtbot.waitSignal(panel.sweep_requested) as asked:
        qtbot.mouseClick(panel.run_sweep, Qt.MouseButton.LeftButton)
    assert asked.args[0] == sweep(3)
    assert panel.busy
    assert panel.run_sweep.isHidden()
    panel.set_progress(2, 6)
    panel.refresh_now()
    assert (panel.progress.value(), panel.progress.maximum()) == (2, 6)
    assert "run 3 of 6" in panel.progress.text()
    with qtbot.waitSignal(panel.stop_requested):
        qtbot.mouseClick(panel.stop, Qt.MouseButton.LeftButton)
    assert not panel.busy
    assert not panel.run_sweep.isHidden()
    panel.set_progress(6, 6)
    panel.refresh_now()
    assert not panel.busy


def test_the_keyboard_alone_starts_and_stops(panel: DegradationPanel, qtbot: QtBot) -> None:
    panel.activateWindow()
    panel.run_sweep.setFocus()
    with qtbot.waitSignal(panel.sweep_requested):
        qtbot.keyClick(panel.run_sweep, Qt.Key.Key_Space)
    assert panel.stop.hasFocus()
    with qtbot.waitSignal(panel.stop_requested):
        qtbot.keyClick(panel.stop, Qt.Key.Key_Space)
    assert panel.run_sweep.hasFocus()


def test_hover_tells_size_and_training(panel: DegradationPanel, qtbot: QtBot) -> None:
    shown(panel, three_seeds())
    panel.plot.hovered.emit(math.log10(54), 1.0)
    text = panel.plot.readout.text()
    assert "56 layers · 56,000 parameters · 2.2 M multiply-adds" in text
    assert "0.67 (3 seeds: 0.66 to 0.69)" in text
    assert "1.77 (3 seeds: 1.6 to 1.9)" in text
    assert "150 steps · rate 0.05 · seeds 0, 1, 2" in text
    qtbot.keyClick(panel.plot, Qt.Key.Key_Home)
    assert "20 layers" in panel.plot.readout.text()


def test_the_table_lists_every_run(panel: DegradationPanel, qtbot: QtBot) -> None:
    shown(panel, three_seeds())
    panel.table_button.setChecked(True)
    panel.grab()
    assert panel.table.isVisible()
    assert panel.table.rowCount() == 12
    row = [panel.table.item(6, column).text() for column in range(panel.table.columnCount())]
    assert row[:9] == ["56", "with", "0", "0.66", "0.22", "56,000", "2,240,000", "0.05", "150"]
    qtbot.mouseClick(panel.copy, Qt.MouseButton.LeftButton)
    blocks = QApplication.clipboard().text().split("\n\n")
    assert len(blocks) == 3
    assert len(blocks[1].splitlines()) == 13
    assert "Li et al." not in blocks[1]
    assert "final training loss" not in blocks[2]
    panel.table_button.setChecked(False)
    assert panel.plot.isVisible()


def test_export_holds_our_runs_only(panel: DegradationPanel, tmp_path: Path) -> None:
    shown(panel, three_seeds())
    export(panel.plot, panel.plot.table(), tmp_path / "x.csv")
    export(panel.plot, panel.plot.table(), tmp_path / "x.svg")
    lines = (tmp_path / "x.csv").read_text().splitlines()
    assert len(lines) == 13
    assert lines[0].startswith("depth,shortcuts,seed,final training loss")
    assert QSvgRenderer(str(tmp_path / "x.svg")).isValid()
    assert ">110</text>" in (tmp_path / "x.svg").read_text().replace("\n", "").replace(" >", ">")


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_both_themes_draw(panel: DegradationPanel, theme) -> None:  # type: ignore[no-untyped-def]
    shown(panel, three_seeds())
    panel.set_theme(theme)
    assert panel.plot.curves["plain"].opts["pen"].color() == theme.lane_color(1)
    assert panel.plot.curves["plain"].opts["pen"].style() != panel.plot.curves["with"].opts["pen"].style()
    image = panel.grab().toImage()
    assert image.pixelColor(1, image.height() - 1).name() == theme.background


@pytest.mark.parametrize("size", [(360, 280), (420, 420), (700, 420), (1300, 700)])
def test_nothing_is_clipped_from_small_to_large(panel: DegradationPanel, size: tuple[int, int]) -> None:
    panel.resize(*size)
    for busy in (False, True):
        panel.set_progress(0, 2 if busy else 0)
        shown(panel, three_seeds())
        buttons: list[QWidget] = [panel.run_sweep, panel.stop, panel.copy, panel.table_button, panel.ghosts]
        for button in buttons:
            if button.isVisible():
                assert button.width() >= button.minimumSizeHint().width()
                assert panel.rect().contains(button.geometry())
    assert panel.plot.view.height() > 20


def test_everything_has_a_name_for_a_screen_reader(panel: DegradationPanel) -> None:
    shown(panel, three_seeds())
    controls = (
        panel, panel.seeds, panel.progress, panel.stop, panel.copy, panel.quantity, panel.table_button,
        panel.recipe, panel.table, panel.plot, panel.key,
    )  # fmt: skip
    assert all(control.accessibleName() for control in controls)
    assert "plain: from 0.83" in panel.accessibleDescription()
