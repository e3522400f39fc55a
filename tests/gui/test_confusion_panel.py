"""The confusion panel: what it counts, what a cell asks for, what it says where there is nothing."""

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from core.messages import BROUGHT, HELD_OUT, Failed, JudgeAll, Judged, LaneInfo, Progress, RunStarted
from core.notices import Notice
from core.settings import NetworkSettings, RunSettings, lane
from gui.confusion_panel import ConfusionPanel
from gui.confusion_words import accuracies, calibration_sentence, worst_sentence
from gui.matrix_layout import MatrixLayout
from gui.network_ink import readable_ink
from gui.plot_export import export
from gui.theme import DARK, LIGHT, Theme

CLASSES = ("Shirt", "Shoe", "Coat")
COUNTS = np.array([[[8, 0, 2], [1, 9, 0], [5, 0, 5]], [[4, 4, 2], [0, 10, 0], [0, 0, 0]]])


def run() -> RunStarted:
    network = NetworkSettings(classes=3)
    lanes = tuple(lane(name, network) for name in "AB")
    infos = tuple(LaneInfo(each.name, network, 1, (1,) * 8, ((4, 8, 8),) * 8) for each in lanes)
    return RunStarted(RunSettings(lanes), infos, CLASSES, 100, 10, 10_000, 1000, None)


def judged(
    confusion: np.ndarray = COUNTS, source: str = "lanes", album: str = HELD_OUT, step: int | None = 420,
    count: int = 1000, request: int | None = None,
) -> Judged:  # fmt: skip
    networks, classes = confusion.shape[:2]
    names = CLASSES if classes == 3 else tuple(f"class {row}" for row in range(classes))
    bins = np.full((networks, 10, 3), np.nan)
    bins[..., 0] = 0
    bins[:, 9] = (30, 0.95, 0.65)
    bins[:, 5] = (10, 0.55, 0.6)
    errors = np.full(networks, 0.75 * 0.3 + 0.25 * 0.05)
    return Judged(
        source, album, step, count, 10_000, tuple("ABCD"[:networks]), names, confusion, bins, errors, request
    )  # fmt: skip


@pytest.fixture
def panel(qtbot: QtBot) -> ConfusionPanel:
    window = QWidget()
    panel = ConfusionPanel(window)
    panel.window_kept = window  # type: ignore[attr-defined]
    qtbot.addWidget(window)
    window.resize(440, 560)
    panel.resize(440, 560)
    with qtbot.waitExposed(window):
        window.show()
    return panel


def shown(panel: ConfusionPanel, *events: Judged) -> ConfusionPanel:
    panel.start_run(run())
    for event in events or (judged(),):
        panel.on_judged(event)
    panel.refresh_now()
    return panel


# ---- nothing yet --------------------------------------------------------------------------


def test_it_says_why_there_is_nothing(panel: ConfusionPanel) -> None:
    panel.refresh_now()
    assert panel.empty.isVisible()
    assert panel.empty.text() == "Figures appear when a run is on"
    panel.start_run(run())
    assert "Nothing is predicted yet" in panel.empty.text()
    assert panel.strip.button.text() == "Judge all 10,000"
    panel.on_judged(judged(np.zeros((2, 3, 3), np.int64), album=BROUGHT))
    panel.refresh_now()
    assert "None of these pictures has a known class" in panel.empty.text()


def test_a_new_run_forgets_the_figures(panel: ConfusionPanel) -> None:
    shown(panel)
    assert not panel.empty.isVisible()
    panel.start_run(run())
    assert panel.empty.isVisible()


# ---- figures ------------------------------------------------------------------------------


def test_it_says_of_when_and_of_how_many(panel: ConfusionPanel) -> None:
    shown(panel)
    assert panel.strip.text.text() == "of step 420, over 1,000 of 10,000 pictures"
    shown(panel, judged(step=None, source="twins"))
    assert panel.strip.text.text() == "over 1,000 of 10,000 pictures"


def test_a_cell_is_put_into_words(panel: ConfusionPanel) -> None:
    matrix = shown(panel).matrices[0]
    assert matrix.sentence((2, 0)) == "A: 5 of 10 pictures of Coat are seen as Shirt (50 %)"
    assert matrix.sentence((1, 1)) == "A: 9 of 10 pictures of Shoe are seen as that (90 %)"
    assert panel.matrices[1].sentence((2, 0)) == "B: 0 of 0 pictures of Coat are seen as Shirt (–)"
    assert panel.readout.text() == "A: 73 % right; most often Coat is taken for Shirt, 5 times"
    assert worst_sentence(judged(np.array([np.eye(3, dtype=np.int64)])), 0) == ""


def test_accuracies_are_those_of_each_row() -> None:
    by_hand = [8 / 10, 9 / 10, 5 / 10]
    assert accuracies(COUNTS[0]) == pytest.approx(by_hand)
    assert np.isnan(accuracies(COUNTS[1])[2])


def test_calibration_is_put_into_words(panel: ConfusionPanel) -> None:
    event = judged()
    said = calibration_sentence("A", event.bins[0], float(event.calibration_errors[0]))
    assert said == "A: expected calibration error 23.8 %, surer than right"
    even = event.bins[0].copy()
    even[5], even[9] = (10, 0.55, 0.55), (30, 0.95, 0.955)
    assert "as sure as right" in calibration_sentence("A", even, 0.0)
    even[9] = (30, 0.95, 1.0)
    assert "less sure than right" in calibration_sentence("A", even, 0.05)
    shown(panel)
    assert "23.8 %, surer than right" in panel.calibration.title.text()
    assert "expected calibration error 23.8 %" in panel.accessibleDescription()


def test_the_reliability_curve_and_bars_are_the_bins(panel: ConfusionPanel) -> None:
    plot = shown(panel).calibration
    assert plot.curves[0].xData.tolist() == [0.55, 0.95]
    assert plot.curves[0].yData.tolist() == [0.6, 0.65]
    heights = plot.counts[0].heights
    assert heights[9] == pytest.approx(3 * heights[5])
    assert np.isnan(heights[0])
    assert [curve.getData()[0] is None for curve in plot.curves] == [False, False, True, True]
    assert plot.stops() == [0.55, 0.95]
    assert plot.words(0.95).split("<br>") == [
        "confidence 90–100 %",
        "A: 30 pictures, 95.0 % sure on average, 65.0 % right",
        "B: 30 pictures, 95.0 % sure on average, 65.0 % right",
    ]
    head, rows = plot.table()
    assert rows[9] == ["A", 0.9, 1.0, 30, 0.95, 0.65]
    assert rows[0] == ["A", 0.0, 0.1, 0, "", ""]
    assert len(head) == 6


# ---- cells --------------------------------------------------------------------------------


def center(layout: MatrixLayout, row: int, column: int) -> QPoint:
    return layout.rect(row, column).center()


def test_a_click_on_a_cell_asks_for_its_pictures(panel: ConfusionPanel, qtbot: QtBot) -> None:
    matrix = shown(panel).matrices[0]
    sources: list[tuple[str, str]] = []
    panel.source_requested.connect(lambda *which: sources.append(which))
    with qtbot.waitSignal(panel.filter_requested) as asked:
        place = center(matrix.layout_now(), 2, 0)
        qtbot.mouseClick(matrix.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert asked.args == [0, 2, 0]
    assert sources == [("lanes", HELD_OUT)]


def test_the_keys_walk_through_the_cells_and_enter_asks(panel: ConfusionPanel, qtbot: QtBot) -> None:
    shown(panel)
    panel.tabs.setCurrentIndex(1)
    matrix = panel.matrices[1]
    assert matrix.isVisible()
    assert not panel.matrices[0].isVisible()
    matrix.setFocus(Qt.FocusReason.TabFocusReason)
    assert matrix.current() == (0, 0)
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Up):
        qtbot.keyClick(matrix, key)
    assert matrix.current() == (0, 2)
    assert "seen as Coat (20 %)" in panel.readout.text()
    assert "seen as Coat (20 %)" in matrix.accessibleDescription()
    qtbot.keyClick(matrix, Qt.Key.Key_Home)
    qtbot.keyClick(matrix, Qt.Key.Key_PageDown)
    with qtbot.waitSignal(panel.filter_requested) as asked:
        qtbot.keyClick(matrix, Qt.Key.Key_Return)
    assert asked.args == [1, 2, 0]


def test_new_figures_leave_the_keys_where_they_are(panel: ConfusionPanel) -> None:
    matrix = shown(panel).matrices[0]
    matrix.go_to(1, 2)
    panel.on_judged(judged(count=2000))
    panel.refresh_now()
    assert matrix.current() == (1, 2)


def test_the_mouse_says_cells_and_rows(panel: ConfusionPanel, qtbot: QtBot) -> None:
    matrix = shown(panel).matrices[0]
    layout = matrix.layout_now()
    qtbot.mouseMove(matrix.viewport(), center(layout, 2, 0))
    assert "Coat are seen as Shirt" in panel.readout.text()
    beside = QPoint(layout.area.right() + 20, center(layout, 0, 0).y())
    assert matrix.words_at(beside) == "Shirt, right: A 80 % of 10 · B 40 % of 10"
    assert matrix.words_at(QPoint(2, 2)) == ""


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_follow_the_share_of_the_row(panel: ConfusionPanel, theme: Theme) -> None:
    panel.set_theme(theme)
    matrix = shown(panel).matrices[0]
    image = matrix.viewport().grab().toImage()
    layout = matrix.layout_now()

    def corner(row: int, column: int) -> QColor:
        rect = layout.rect(row, column)
        return image.pixelColor(rect.left() + 3, rect.top() + 3)

    assert corner(0, 1).name() == theme.background
    assert corner(2, 0) == matrix._painter.shade(0.5, right=False)
    assert corner(2, 2) == matrix._painter.shade(0.5, right=True)
    assert corner(2, 0) != corner(0, 2)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_numbers_can_be_read_on_every_shade(panel: ConfusionPanel, theme: Theme) -> None:
    panel.set_theme(theme)

    def luminance(color: QColor) -> float:
        parts = [
            each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4
            for each in (color.redF(), color.greenF(), color.blueF())
        ]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    for right in (True, False):
        for share in np.linspace(0, 1, 41):
            ground = panel.matrices[0]._painter.shade(float(share), right=right)
            one, other = sorted((luminance(ground), luminance(readable_ink(ground))))
            assert (other + 0.05) / (one + 0.05) >= 4.5


def test_a_hundred_classes_scroll_and_keep_their_headings(panel: ConfusionPanel, qtbot: QtBot) -> None:
    counts = np.random.default_rng(0).integers(0, 50, (2, 100, 100))
    matrix = shown(panel, judged(counts)).matrices[0]
    assert matrix.verticalScrollBar().maximum() > 0
    before = matrix.viewport().grab().toImage()
    matrix.setFocus(Qt.FocusReason.TabFocusReason)
    matrix.go_to(99, 98)
    layout = matrix.layout_now()
    assert layout.area.contains(layout.rect(99, 98))
    assert layout.at(center(layout, 99, 98)) == (99, 98)
    assert 99 in layout.rows()
    after = matrix.viewport().grab().toImage()
    strip = range(layout.area.top() + 5, layout.area.bottom(), 3)
    names = [[image.pixel(layout.left - 12, y) for y in strip] for image in (before, after)]
    assert names[0] != names[1]  # the rows' names went along
    size = layout.cell
    qtbot.keyClick(matrix, Qt.Key.Key_Plus)
    assert matrix.layout_now().cell.width() > size.width()
    seen = matrix.layout_now()
    assert seen.area.contains(seen.rect(99, 98))


# ---- sources, rooms -----------------------------------------------------------------------


def test_figures_of_another_source_wait_to_be_chosen(panel: ConfusionPanel, qtbot: QtBot) -> None:
    shown(panel, judged(), judged(COUNTS[:1], "twins", step=None))
    assert panel.source.isVisible()
    assert [panel.source.itemText(row) for row in range(2)] == ["Lanes", "twins"]
    assert panel.source.currentText() == "twins"  # they were asked for just now
    panel.on_judged(judged(count=1234))
    panel.refresh_now()
    assert panel.source.currentText() == "twins"
    panel.source.setCurrentIndex(0)
    assert "1,234" in panel.strip.text.text()
    panel.on_judged(judged(COUNTS[:1], "twins", count=7))
    panel.refresh_now()
    assert "1,234" in panel.strip.text.text()
    panel.forget_source(())
    assert not panel.source.isVisible()


@pytest.mark.parametrize(
    ("size", "matrices", "plot", "tabs"),
    [
        ((440, 560), 1, False, 3),
        ((440, 900), 1, True, 2),
        ((900, 500), 1, True, 2),
        ((1500, 600), 2, True, 0),
    ],
    ids=str,
)
def test_room_decides_what_stands_side_by_side(
    panel: ConfusionPanel, qtbot: QtBot, size: tuple[int, int], matrices: int, plot: bool, tabs: int
) -> None:
    shown(panel)
    panel.window().resize(*size)
    panel.resize(*size)
    qtbot.wait(5)
    assert sum(matrix.isVisible() for matrix in panel.matrices) == matrices
    assert panel.calibration.isVisible() == plot
    assert (panel.tabs.count() if panel.tabs.isVisible() else 0) == tabs
    if not plot:
        panel.tabs.setCurrentIndex(2)
        assert panel.calibration.isVisible()
        assert not any(matrix.isVisible() for matrix in panel.matrices)


def test_both_themes_draw(panel: ConfusionPanel) -> None:
    images: list[QImage] = []
    shown(panel)
    for theme in (LIGHT, DARK):
        panel.set_theme(theme)
        images.append(panel.grab().toImage())
        assert images[-1].pixelColor(2, panel.height() - 2).name() == theme.background
    assert images[0] != images[1]


# ---- judging, exporting -------------------------------------------------------------------


def test_all_pictures_can_be_judged_from_here(panel: ConfusionPanel, qtbot: QtBot) -> None:
    shown(panel)
    with qtbot.waitSignal(panel.judge_requested) as asked:
        panel.strip.button.click()
    request = asked.args[0]
    assert isinstance(request, JudgeAll)
    assert (request.source, request.album) == ("lanes", HELD_OUT)
    panel.on_progress(Progress(Notice("x"), 0.5, request.id))
    assert panel.strip.progress.value() == 500
    with qtbot.waitSignal(panel.cancel_requested) as cancelled:
        panel.strip.button.click()
    assert cancelled.args == [request.id]
    panel.strip.button.click()
    panel.on_judged(judged(count=10_000))
    panel.refresh_now()
    assert not panel.strip.is_busy
    assert not panel.strip.button.isVisible()


def test_a_failure_is_said(panel: ConfusionPanel, qtbot: QtBot) -> None:
    panel.start_run(run())
    with qtbot.waitSignal(panel.judge_requested) as asked:
        panel.strip.button.click()
    panel.on_failed(Failed(Notice("no memory"), asked.args[0].id))
    panel.refresh_now()
    assert panel.empty.text() == "no memory"


def test_the_matrix_exports_and_copies_itself_whole(panel: ConfusionPanel, tmp_path: Path) -> None:
    matrix = shown(panel).matrices[0]
    for ending in ("svg", "png", "csv"):
        assert ending in export(matrix, matrix.table(), tmp_path / f"m.{ending}")
    lines = (tmp_path / "m.csv").read_text().splitlines()
    assert lines[0] == "true \\ seen as,Shirt,Shoe,Coat,pictures,share right"
    assert lines[3] == "Coat,5,0,5,10,0.5"
    assert QSvgRenderer(str(tmp_path / "m.svg")).isValid()
    assert ">Shoe</text>" in (tmp_path / "m.svg").read_text().replace("\n", "").replace(" >", ">")
    assert QImage(str(tmp_path / "m.png")).size() == matrix.drawing_size() * 2
    texts = [action.text() for action in matrix.menu().actions() if action.text()]
    assert texts == ["Larger cells", "Smaller cells", "Copy as table", "Export SVG, PNG or CSV…"]
    matrix.copy_table()
    assert "Coat\t5\t0\t5\t10\t0.5" in QApplication.clipboard().text()
    large = shown(panel, judged(np.ones((1, 100, 100), np.int64))).matrices[0]
    assert large.drawing_size().width() > 100 * 20
    many = shown(panel, judged(np.eye(1000, dtype=np.int64)[None])).matrices[0]
    assert max(many.drawing_size().toTuple()) < 5000  # its picture must fit into memory


def test_all_of_it_is_reached_by_tab_and_named(panel: ConfusionPanel) -> None:
    shown(panel, judged(), judged(COUNTS[:1], "twins"))
    reached, widget = [], panel.source
    while widget not in reached:
        reached.append(widget)
        widget = widget.nextInFocusChain()
    for each in (panel.source, panel.strip.button, panel.tabs, panel.matrices[0], panel.calibration):
        assert each in reached
        assert each.focusPolicy() & Qt.FocusPolicy.TabFocus
        assert each.accessibleName() or each.property("text")
