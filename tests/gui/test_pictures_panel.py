"""The pictures panel: what it asks for, which answers it takes, where it draws."""

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, QSize, Qt, QUrl
from PySide6.QtGui import QColor, QDragEnterEvent, QDropEvent, QGuiApplication, QImage
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

from core.messages import (
    Attributed,
    BrowsePictures,
    Evaluation,
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
from core.methods import METHODS
from core.notices import Notice
from core.overlay import Look, draw
from core.settings import NetworkSettings, RunSettings, lane
from gui.brought_picture import picture_from_image
from gui.explanation_layout import Text, grid, places
from gui.explanation_view import ExplanationView, Subject
from gui.explanation_words import ages, percent
from gui.gallery import paint_mark
from gui.gallery_model import PAGE, GalleryModel
from gui.pictures_panel import PicturesPanel
from gui.theme import DARK, LIGHT, color_table
from tests.gui.seen import rendered

CLASSES = ("cat", "dog", "ship")
SIDE = 8
ONES, ZEROS = (1.0,) * 8, (0.0,) * 8


class Shown:
    """A panel on the screen, with everything it asked for."""

    def __init__(self, qtbot: QtBot, lanes: int = 2, size: tuple[int, int] = (480, 640)) -> None:
        # In a window of its own, as in a dock: off-screen, Qt warns when a layout's minimum reaches a window.
        self.window = QWidget()
        self.panel = PicturesPanel(self.window)
        self.lanes = lanes
        self.browsed: list[BrowsePictures] = []
        self.asked: list[Explain] = []
        self.panel.browse_requested.connect(self.browsed.append)
        self.panel.explain_requested.connect(self.asked.append)
        qtbot.addWidget(self.window)
        self.window.resize(*size)
        self.panel.resize(*size)
        with qtbot.waitExposed(self.window):
            self.window.show()

    def begin(self, matching: int = 200, **page: object) -> "Shown":
        self.panel.start_run(run(self.lanes))
        self.answer_page(matching, **page)
        return self

    def answer_page(self, matching: int = 200, **page: object) -> None:
        self.panel.on_page(make_page(self.browsed[-1], self.lanes, matching, **page))

    def answer(self, **answer: object) -> None:
        self.panel.on_explanation(make_explanation(self.asked[-1], self.lanes, **answer))

    @property
    def message(self) -> str:
        return self.panel.message.text()

    def states(self) -> list[str]:
        return [view._state for view in self.panel.area.views]


@pytest.fixture
def shown(qtbot: QtBot) -> Shown:
    return Shown(qtbot)


def run(lanes: int = 2, dataset: str = "fashion-mnist") -> RunStarted:
    network = NetworkSettings(classes=3)
    settings = tuple(lane("ABCD"[row], network, 1.0 - row % 2) for row in range(lanes))
    infos = tuple(LaneInfo(each.name, network, 10, (1,) * 8, ((16, 28, 28),) * 8) for each in settings)
    return RunStarted(RunSettings(settings, dataset=dataset), infos, CLASSES, 100, 10, 200, 200, None)


def make_page(
    request: BrowsePictures, lanes: int, matching: int = 200, step: int | None = 5, known: bool = True
) -> PicturePage:
    indices = np.arange(request.offset, min(request.offset + request.count, matching))
    labels = indices % 3
    predicted = (
        np.stack([labels, (labels + 1) % 3, labels, labels][:lanes])
        if known
        else np.full((1, len(labels)), -1)
    )
    pixels = np.zeros((len(indices), SIDE, SIDE, 3), np.uint8)
    pixels[..., 0] = indices[:, None, None]
    return PicturePage(
        request.id, matching, request.offset, indices, pixels, labels, predicted,
        np.full(predicted.shape, 0.75 if known else np.nan), step if known else None, CLASSES,
    )  # fmt: skip


def make_explanation(
    request: Explain,
    lanes: int,
    step: int | None = 5,
    done: bool = True,
    maps: object = None,
    reason: Notice | None = None,
) -> Explanation:
    attribution = np.random.default_rng(0).normal(size=(3, SIDE, SIDE)).astype(np.float32)
    networks = tuple(
        Attributed(
            "ABCD"[row],
            None if reason else attribution,
            reason,
            np.array([0.6, 0.3, 0.1]),
            0,
            0.25,
            (ONES, ZEROS)[row % 2],
        )
        for row in range(lanes)
    )
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    return Explanation(
        request.id, request.method, "zero", step, picture, 1, CLASSES, networks, 0.1, "as it is", done
    )  # fmt: skip


def make_slice(
    step: int, lanes: int = 2, strengths: tuple[tuple[float, ...], ...] = (ONES, ZEROS)
) -> TrainingSlice:
    one, blocks = np.zeros(1), np.zeros((1, 8))
    rows = tuple(LaneSlice(one, one, blocks, blocks, 0.05, strengths[row % 2], ONES) for row in range(lanes))
    return TrainingSlice(step, 1, rows, (), 100.0, 0)


# ---- before anything is known -------------------------------------------------------------


def test_an_empty_panel_says_when_pictures_come(shown: Shown) -> None:
    assert shown.panel.gallery.empty_text == "Pictures appear when the data set is loaded"
    assert shown.browsed == []
    assert shown.panel.automatic_request() is None
    assert shown.panel.automatic_browse() is None


def test_a_run_fetches_the_first_page_and_explains_its_first_picture(shown: Shown) -> None:
    shown.panel.start_run(run())
    assert [(each.kind, each.offset, each.count) for each in shown.browsed] == [("all", 0, PAGE)]
    shown.answer_page()
    assert [(each.picture, each.target, each.source) for each in shown.asked] == [(0, None, "lanes")]
    assert [view.subject.name for view in shown.panel.area.views] == ["A", "B"]
    assert shown.states() == ["computing…", "computing…"]


def test_a_hidden_panel_asks_when_it_is_seen(qtbot: QtBot) -> None:
    window = QWidget()
    panel = PicturesPanel(window)
    qtbot.addWidget(window)
    browsed: list[BrowsePictures] = []
    panel.browse_requested.connect(browsed.append)
    panel.start_run(run())
    assert browsed == []
    with qtbot.waitExposed(window):
        window.show()
    assert len(browsed) == 1


def test_beginners_are_offered_the_pretrained_twins(shown: Shown, qtbot: QtBot) -> None:
    shown.begin(known=False)
    shown.panel.refresh_now()
    assert "Use the pretrained twins" in shown.panel.hint.text()
    with qtbot.waitSignal(shown.panel.pretrained_requested):
        shown.panel.hint.linkActivated.emit("pretrained")
    shown.panel.on_slice(make_slice(60))
    shown.panel.refresh_now()
    assert not shown.panel.hint.isVisible()


def test_the_networks_menu_leads_to_both_offers(shown: Shown, qtbot: QtBot) -> None:
    twins, imagenet, larger = shown.panel.filter.networks.menu().actions()
    with qtbot.waitSignal(shown.panel.pretrained_requested):
        twins.trigger()
    for action, word in ((imagenet, "imagenet"), (larger, "imagenet-resnet34")):
        with qtbot.waitSignal(shown.panel.imagenet_requested) as asked:
            action.trigger()
        assert asked.args == [word]


# ---- the gallery --------------------------------------------------------------------------


def test_scrolling_down_fetches_the_page_that_comes_into_view(shown: Shown, qtbot: QtBot) -> None:
    shown.begin(matching=2000)
    gallery = shown.panel.gallery
    assert gallery.pictures.rowCount() == 2000
    gallery.verticalScrollBar().setValue(gallery.verticalScrollBar().maximum() // 2)
    qtbot.waitUntil(lambda: len(shown.browsed) > 1)
    first, last = gallery.rows_in_view()
    assert shown.browsed[-1].offset in range(first // PAGE * PAGE, last + 1, PAGE)
    while shown.panel._state.browse is not None:
        shown.answer_page(2000)
        qtbot.wait(1)
    assert all(gallery.pictures.picture(row) is not None for row in range(first, last + 1))
    assert gallery.pictures.picture(PAGE * 5) is None


def test_pages_are_appended_and_a_new_filter_starts_over(shown: Shown) -> None:
    shown.begin(matching=100)
    shown.panel._ask_page(PAGE)
    shown.answer_page(100)
    pictures = shown.panel.gallery.pictures
    assert [pictures.picture(row).index for row in (0, 59, 60, 99)] == [0, 59, 60, 99]
    shown.panel.filter.kind.setCurrentIndex(1)
    assert shown.browsed[-1].kind == "wrong"
    assert shown.browsed[-1].offset == 0
    assert pictures.rowCount() == 0
    assert shown.panel.gallery.empty_text == "Looking for pictures…"
    shown.answer_page(0)
    assert shown.panel.gallery.empty_text == "No held-out picture passes this filter"


def test_only_the_page_asked_for_last_is_shown(shown: Shown) -> None:
    shown.begin()
    shown.panel.filter.label.setCurrentIndex(2)
    shown.panel.filter.kind.setCurrentIndex(2)
    old, new = shown.browsed[-2:]
    assert (old.labels, new.labels, new.kind) == ((1,), (1,), "correct")
    shown.panel.on_page(make_page(new, 2, 30))
    shown.panel.on_page(make_page(old, 2, 90))
    assert shown.panel.gallery.pictures.rowCount() == 30


def test_a_page_may_come_again_with_predictions(shown: Shown) -> None:
    shown.begin(known=False)
    pictures = shown.panel.gallery.pictures
    assert pictures.picture(3).marks(pictures.names) == (None,)
    shown.answer_page()
    assert pictures.picture(3).marks(pictures.names) == (True, False)


def test_a_new_filter_keeps_the_chosen_picture_and_marks_it_where_it_stands(shown: Shown) -> None:
    shown.begin()
    shown.panel.gallery.setCurrentIndex(shown.panel.gallery.pictures.index(7))
    asked = len(shown.asked)
    shown.panel.filter.refresh.click()
    shown.answer_page()
    assert shown.panel.gallery.currentIndex().row() == 7
    assert len(shown.asked) == asked


def test_the_thumbnail_says_each_lanes_prediction(shown: Shown) -> None:
    shown.begin()
    said = shown.panel.gallery.pictures.index(1).data(Qt.ItemDataRole.ToolTipRole)
    assert said.split("\n") == [
        "dog (held-out picture 1)",
        "A: dog, 75 % – right",
        "B: ship, 75 % – wrong",
        "predicted at step 5",
    ]


def test_ten_thousand_rows_keep_only_what_fits_in_memory(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gui.gallery_model.MOST_BYTES", 4 * PAGE * SIDE * SIDE * 3)
    model = GalleryModel()
    for offset in range(0, 600, PAGE):
        model.take(make_page(BrowsePictures(offset=offset), 2, 10_000))
    assert model.rowCount() == 10_000
    assert [row for row in range(0, 600, PAGE) if model.picture(row) is not None] == [360, 420, 480, 540]
    assert model.missing(0, 10) == 0


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_right_and_wrong_differ_in_shape_not_only_in_colour(theme: object, qtbot: QtBot) -> None:
    from PySide6.QtCore import QRectF
    from PySide6.QtGui import QPainter

    inked = []
    for right in (True, False, None):
        image = QImage(13, 13, QImage.Format.Format_RGB32)
        painter = QPainter(image)
        paint_mark(painter, QRectF(0, 0, 13, 13), theme, right, 0)
        painter.end()
        surface = QColor(theme.surface).rgb()
        inked.append([[image.pixel(x, y) != surface for x in range(13)] for y in range(10)])
    assert inked[0] != inked[1] != inked[2] != inked[0]


def test_the_arrow_keys_move_through_the_gallery(shown: Shown, qtbot: QtBot) -> None:
    shown.begin()
    shown.panel.gallery.setFocus()
    qtbot.keyClick(shown.panel.gallery, Qt.Key.Key_Right)
    assert shown.asked[-1].picture == 1
    qtbot.keyClick(shown.panel.gallery, Qt.Key.Key_Down)
    columns = shown.panel.gallery.viewport().width() // shown.panel.gallery.gridSize().width()
    assert shown.asked[-1].picture == 1 + columns


# ---- explanations -------------------------------------------------------------------------


def test_choosing_a_picture_a_method_or_a_target_asks_once_each(shown: Shown) -> None:
    shown.begin()
    shown.answer()
    shown.panel.gallery.setCurrentIndex(shown.panel.gallery.pictures.index(4))
    shown.panel.controls.method.setCurrentIndex(shown.panel.controls.method.findData("grad_cam"))
    shown.panel.controls.target.setCurrentIndex(2)
    assert [(each.picture, each.method, each.target) for each in shown.asked] == [
        (0, "saliency", None),
        (4, "saliency", None),
        (4, "grad_cam", None),
        (4, "grad_cam", 1),
    ]


def test_the_method_box_offers_every_method_with_its_explanation(shown: Shown) -> None:
    box = shown.panel.controls.method
    offered = [box.itemData(row) for row in range(box.count()) if box.itemData(row) is not None]
    assert sorted(offered) == sorted(METHODS)
    for method in METHODS.values():
        said = box.itemData(box.findData(method.name), Qt.ItemDataRole.ToolTipRole)
        assert said.startswith(method.explain)
    assert box.toolTip().startswith(METHODS["saliency"].explain)


def test_only_the_answer_to_the_newest_question_is_shown(shown: Shown) -> None:
    shown.begin()
    shown.panel.controls.target.setCurrentIndex(2)
    old, new = shown.asked[-2:]
    shown.panel.on_explanation(make_explanation(old, 2))
    assert shown.states() == ["computing…", "computing…"]
    assert shown.panel.area.views[0].subject.answer is None
    shown.panel.on_explanation(make_explanation(new, 2))
    assert shown.states() == ["", ""]
    shown.panel.on_explanation(make_explanation(old, 1))
    assert len(shown.panel.area.views) == 2


def test_coarse_maps_say_so_until_the_last_one_comes(shown: Shown) -> None:
    shown.begin()
    shown.panel.on_explanation(make_explanation(shown.asked[-1], 1, done=False))
    assert [view.subject.name for view in shown.panel.area.views] == ["A", "B"]
    assert shown.states() == ["coarse…", "computing…"]
    shown.panel.on_explanation(make_explanation(shown.asked[-1], 2, done=False))
    assert shown.states() == ["", "coarse…"]
    shown.answer()
    assert shown.states() == ["", ""]


def test_a_failure_ends_the_waiting_and_says_why(shown: Shown) -> None:
    shown.begin()
    shown.panel.on_failed(Failed(Notice("something else"), request=999_999))
    assert shown.message == ""
    shown.panel.on_failed(Failed(Notice("{name} cannot", {"name": "that"}), request=shown.asked[-1].id))
    assert shown.message == "that cannot"
    assert shown.panel.message.isVisible()
    assert shown.states() == ["", ""]
    shown.panel.gallery.setCurrentIndex(shown.panel.gallery.pictures.index(1))
    assert not shown.panel.message.isVisible()


def test_a_failed_question_leaves_no_map_that_answers_another(shown: Shown) -> None:
    shown.begin()
    shown.answer()
    shown.panel.controls.target.setCurrentIndex(1)
    shown.panel.on_failed(Failed(Notice("no"), request=shown.asked[-1].id))
    assert all(view.subject.answer is None for view in shown.panel.area.views)


def test_a_failed_page_says_why(shown: Shown) -> None:
    shown.panel.start_run(run())
    shown.panel.on_failed(Failed(Notice("no pictures"), request=shown.browsed[-1].id))
    assert shown.message == "no pictures"


def test_the_reason_stands_where_a_method_is_not_right(shown: Shown) -> None:
    shown.begin()
    shown.answer(reason=Notice("not right here"))
    assert all("not right here" in view.summary() for view in shown.panel.area.views)
    assert "not right here" in shown.panel.area.views[0].accessibleDescription()


def test_the_summary_says_all_that_is_drawn(shown: Shown) -> None:
    shown.begin()
    shown.answer()
    assert shown.panel.area.views[0].summary().split("\n") == [
        "A",
        "of step 5",
        "explains cat",
        "completeness error 25 %",
        "cat 60 %",
        "dog (true) 30 %",
        "ship 10 %",
    ]


def test_the_age_of_a_map_grows_with_the_training(shown: Shown) -> None:
    shown.begin()
    shown.answer()
    shown.panel.on_slice(make_slice(9))
    assert shown.panel.dirty
    shown.panel.refresh_now()
    assert ages(5, shown.panel.area.views[0]._now)[0] == "of step 5, now 9"
    assert shown.states() == ["", ""]
    shown.panel.on_slice(make_slice(10, strengths=(ZEROS, ZEROS)))
    shown.panel.refresh_now()
    assert shown.states() == ["shortcuts changed since"] * 2


def test_the_look_changes_without_asking_the_engine(shown: Shown) -> None:
    shown.begin()
    shown.answer()
    asked, controls = len(shown.asked), shown.panel.controls
    view = shown.panel.area.views[0]
    before = rendered(view)
    for change in (
        lambda: controls.opacity.setValue(10),
        lambda: controls.sign.setCurrentIndex(1),
        lambda: controls.colors.setCurrentIndex(1),
        lambda: controls.common.setChecked(True),
    ):
        change()
    assert not np.array_equal(before, rendered(view))
    assert len(shown.asked) == asked


def test_signs_have_colours_of_their_kind_and_remember_them(shown: Shown) -> None:
    controls = shown.panel.controls
    controls.colors.setCurrentIndex(1)
    diverging = controls.color_map()
    controls.sign.setCurrentIndex(controls.sign.findData("absolute"))
    assert controls.color_map() != diverging
    controls.sign.setCurrentIndex(controls.sign.findData("both"))
    assert controls.color_map() == diverging


def test_the_common_scale_is_that_of_all_lanes(shown: Shown) -> None:
    shown.begin()
    explanation = make_explanation(shown.asked[-1], 2)
    object.__setattr__(explanation.networks[1], "attribution", 100 * explanation.networks[0].attribution)
    shown.panel.on_explanation(explanation)
    scales = [view.overlay.scale for view in shown.panel.area.views]
    assert scales[1] == pytest.approx(100 * scales[0])
    shown.panel.controls.common.setChecked(True)
    scales = [view.overlay.scale for view in shown.panel.area.views]
    assert scales[0] == scales[1]


# ---- sources ------------------------------------------------------------------------------


def test_choosing_a_reference_asks_it_for_pictures_and_for_the_chosen_one(shown: Shown) -> None:
    shown.begin()
    shown.answer()
    shown.panel.on_references(References(("Pretrained twins",)))
    assert shown.browsed[-1].source == "lanes"
    shown.panel.on_references(References(("Pretrained twins",), "Pretrained twins"))
    assert (shown.browsed[-1].source, shown.asked[-1].source) == ("Pretrained twins", "Pretrained twins")
    shown.answer(step=None)
    assert [view.subject.hue for view in shown.panel.area.views] == [None, None]
    shown.panel.on_references(References(()))
    assert (shown.browsed[-1].source, shown.asked[-1].source) == ("lanes", "lanes")


def test_a_reference_says_in_a_line_what_it_is(shown: Shown) -> None:
    shown.begin()
    line = Notice("{networks} · 224×224", {"networks": "ResNet-18"})
    names = ("lanes", "best.pt", "mine")
    shown.panel.on_references(References(names, "best.pt", (None, line, None)))
    source = shown.panel.filter.source
    assert [source.itemData(row) for row in range(source.count())] == list(names), "the lanes are there once"
    assert source.itemData(1, Qt.ItemDataRole.ToolTipRole) == "ResNet-18 · 224×224"
    shown.panel.refresh_now()
    assert shown.panel.hint.text() == "ResNet-18 · 224×224"
    source.setCurrentIndex(2)
    shown.panel.refresh_now()
    assert "224" not in shown.panel.hint.text()


def test_a_new_run_on_the_same_data_keeps_the_chosen_picture(shown: Shown) -> None:
    shown.begin()
    shown.panel.gallery.setCurrentIndex(shown.panel.gallery.pictures.index(7))
    shown.answer()
    shown.panel.start_run(run())
    assert shown.asked[-1].picture == 7
    shown.answer_page()
    assert shown.panel.gallery.currentIndex().row() == 7
    shown.panel.start_run(run(dataset="cifar10"))
    shown.answer_page()
    assert shown.asked[-1].picture == 0


# ---- unasked refreshing -------------------------------------------------------------------


def test_maps_are_refreshed_unasked_only_when_seen_old_cheap_and_idle(shown: Shown, qtbot: QtBot) -> None:
    panel = shown.begin().panel
    assert panel.automatic_request() is None  # a person waits
    shown.answer()
    assert panel.automatic_request() is None  # nothing has changed
    panel.on_slice(make_slice(6))
    panel.hide()
    assert panel.automatic_request() is None
    panel.show()
    request = panel.automatic_request()
    assert request is not None
    assert (request.automatic, request.picture, request.method) == (True, 0, "saliency")
    panel.on_slice(make_slice(7))
    assert panel.automatic_request() is None  # one is on its way
    assert shown.states() == ["", ""]  # and no one waits for it
    panel.on_explanation(make_explanation(request, 2, step=7))
    assert panel.dirty
    assert panel.automatic_request() is None


def test_slow_methods_and_references_are_not_refreshed_unasked(shown: Shown) -> None:
    panel = shown.begin().panel
    panel.controls.method.setCurrentIndex(panel.controls.method.findData("occlusion"))
    shown.answer()
    panel.on_slice(make_slice(6))
    assert panel.automatic_request() is None
    panel.controls.method.setCurrentIndex(panel.controls.method.findData("saliency"))
    panel.on_references(References(("Pretrained twins",), "Pretrained twins"))
    shown.answer(step=None)
    panel.on_slice(make_slice(8))
    assert panel.automatic_request() is None


def test_a_toggle_makes_the_maps_old_at_the_same_step(shown: Shown) -> None:
    panel = shown.begin().panel
    shown.answer()
    asked = len(shown.asked)
    panel.on_slice(make_slice(5, strengths=(ZEROS, ZEROS)))
    assert len(shown.asked) == asked + 1
    assert shown.asked[-1].automatic


def test_new_predictions_are_fetched_once_where_no_picture_moves(shown: Shown) -> None:
    panel = shown.begin().panel
    panel.on_evaluation(Evaluation(5, 200, ()))
    assert panel.automatic_browse() is None
    panel.on_evaluation(Evaluation(9, 200, ()))
    request = panel.automatic_browse()
    assert request is not None
    assert request.offset == 0
    assert panel.automatic_browse() is None
    panel.on_page(make_page(request, 2, step=9))
    assert "predicted at step 9" in panel.status.text()
    panel.filter.kind.setCurrentIndex(1)
    shown.answer_page(20)
    panel.on_evaluation(Evaluation(12, 200, ()))
    assert panel.automatic_browse() is None


# ---- own pictures -------------------------------------------------------------------------


def drop(panel: PicturesPanel, mime: QMimeData) -> bool:
    place, action, button = QPointF(20, 20), Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    enter = QDragEnterEvent(place.toPoint(), action, mime, button, Qt.KeyboardModifier.NoModifier)
    panel.dragEnterEvent(enter)
    if enter.isAccepted():
        panel.dropEvent(QDropEvent(place, action, mime, button, Qt.KeyboardModifier.NoModifier))
    return enter.isAccepted()


def files(*paths: Path) -> QMimeData:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return mime


def checkered(form: QImage.Format = QImage.Format.Format_RGB32) -> QImage:
    image = QImage(5, 3, form)
    for x in range(5):
        for y in range(3):
            image.setPixelColor(x, y, QColor(40 * x, 60 * y, 7))
    return image


def test_a_dropped_picture_is_explained(shown: Shown, tmp_path: Path) -> None:
    shown.begin()
    checkered().save(str(tmp_path / "own.png"))
    assert drop(shown.panel, files(tmp_path / "own.png"))
    own = shown.asked[-1].picture
    assert isinstance(own, OwnPicture)
    assert own.name == "own.png"
    assert own.pixels.shape == (3, 5, 3)
    assert tuple(own.pixels[2, 4]) == (160, 120, 7)
    assert "own.png" in shown.panel.caption.text()
    assert not shown.panel.gallery.currentIndex().isValid()
    shown.answer()
    shown.panel.on_slice(make_slice(6))
    assert shown.panel.automatic_request().picture is own


def test_a_dropped_text_gives_one_line_and_changes_nothing(shown: Shown, tmp_path: Path) -> None:
    shown.begin()
    shown.answer()
    asked, caption = len(shown.asked), shown.panel.caption.text()
    (tmp_path / "notes.txt").write_text("no picture\nat all\n")
    assert drop(shown.panel, files(tmp_path / "notes.txt"))
    assert shown.message == "notes.txt is text, not a picture"
    assert len(shown.asked) == asked
    assert shown.panel.caption.text() == caption
    assert shown.panel.area.views[0].subject.answer is not None


def test_a_dropped_checkpoint_is_passed_on(shown: Shown, tmp_path: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignal(shown.panel.checkpoint_dropped) as passed:
        drop(shown.panel, files(tmp_path / "weights.PTH"))
    assert passed.args == [str(tmp_path / "weights.PTH")]


def test_several_files_at_once_are_an_album(shown: Shown, tmp_path: Path, qtbot: QtBot) -> None:
    paths = tmp_path / "a.png", tmp_path / "b.png"
    with qtbot.waitSignal(shown.panel.album_requested) as asked:
        drop(shown.panel, files(*paths))
    assert asked.args[0].paths == tuple(str(path) for path in paths)


def test_what_is_neither_file_nor_picture_is_not_taken(shown: Shown) -> None:
    mime = QMimeData()
    mime.setText("hello")
    assert not drop(shown.panel, mime)


def test_a_pasted_picture_is_explained(shown: Shown, qtbot: QtBot) -> None:
    shown.begin()
    QGuiApplication.clipboard().setImage(checkered())
    shown.panel.gallery.setFocus()
    qtbot.keyClick(shown.panel.gallery, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    own = shown.asked[-1].picture
    assert isinstance(own, OwnPicture)
    assert tuple(own.pixels[1, 3]) == (120, 60, 7)


def test_pasting_text_gives_one_line(shown: Shown) -> None:
    QGuiApplication.clipboard().setText("hello")
    shown.panel.brought.paste()
    assert shown.message == "There is no picture in it"


def test_transparent_parts_are_shown_on_white() -> None:
    image = QImage(2, 1, QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.transparent)
    image.setPixelColor(1, 0, QColor(0, 0, 0, 128))
    pixels = picture_from_image(image, "x").pixels
    assert tuple(pixels[0, 0]) == (255, 255, 255)
    assert abs(int(pixels[0, 1, 0]) - 127) <= 1


@pytest.mark.qt_log_ignore("propagateSizeHints")  # the dialog itself, off-screen
def test_the_file_dialog_does_not_block_and_takes_a_picture(shown: Shown, tmp_path: Path) -> None:
    shown.begin()
    checkered().save(str(tmp_path / "own.png"))
    shown.panel.open_pictures([str(tmp_path / "own.png")])
    assert isinstance(shown.asked[-1].picture, OwnPicture)
    shown.panel.gallery.setCurrentIndex(shown.panel.gallery.pictures.index(1))
    dialog = shown.panel.brought.choose_file()
    dialog.filesSelected.emit([str(tmp_path / "own.png")])
    assert isinstance(shown.asked[-1].picture, OwnPicture)
    dialog.close()


# ---- geometry -----------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [1, 2])
@pytest.mark.parametrize("size", [(160, 300), (231, 417), (420, 260), (97, 240)], ids=str)
@pytest.mark.parametrize("hot", [(0, 0), (3, 6), (7, 7)], ids=str)
def test_a_hot_pixel_lies_exactly_on_its_pixel(
    hot: tuple[int, int], size: tuple[int, int], ratio: int, qtbot: QtBot
) -> None:
    """A lit pixel of the picture and a lit pixel of the map must light the same device pixels."""
    view = ExplanationView()
    qtbot.addWidget(view)
    view.resize(*size)
    dark = np.zeros((SIDE, SIDE, 3), np.uint8)
    lit = dark.copy()
    lit[hot] = 255
    attribution = np.zeros((3, SIDE, SIDE), np.float32)
    attribution[0][hot] = 1
    view.show_subject(Subject("A", 0, dark))
    nothing = rendered(view, ratio)
    view.show_subject(Subject("A", 0, lit))
    in_picture = (rendered(view, ratio) != nothing).any(2)
    view.show_subject(Subject("A", 0, dark))
    overlay = draw(dark, attribution, color_table("CET-D1"), Look(opacity=1))
    object.__setattr__(overlay, "scale", 0.0)  # without the colour strip, which lights pixels too
    view.set_overlay(overlay, Look(opacity=1), "CET-D1")
    in_map = (rendered(view, ratio) != nothing).any(2)
    assert np.array_equal(in_picture, in_map)
    rows, columns = np.nonzero(in_map)
    side = rows.max() - rows.min() + 1
    assert in_map.sum() == side * side == (columns.max() - columns.min() + 1) ** 2
    stand = view.picture_rect()
    assert side == stand.width() * ratio / SIDE
    assert rows.min() == round(stand.top() * ratio) + hot[0] * side
    assert columns.min() == round(stand.left() * ratio) + hot[1] * side


def test_the_hover_tells_the_pixel_under_it(shown: Shown) -> None:
    shown.begin()
    shown.answer()
    view = shown.panel.area.views[0]
    rendered(view)
    stand = view.picture_rect()
    at = QPoint(
        round(stand.left() + 2.5 * stand.width() / SIDE), round(stand.top() + 5.5 * stand.height() / SIDE)
    )
    value = float(view.subject.attribution[:, 5, 2].sum())
    assert view.hover_text(at).startswith("row 5, column 2: ")
    assert view.hover_text(at).split(": ")[1] == f"{value:.3g}".replace("-", "−")


@pytest.mark.parametrize("size", [(380, 420), (420, 640), (700, 900), (900, 380)], ids=str)
@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_nothing_overlaps_or_is_cut_off(lanes: int, size: tuple[int, int], qtbot: QtBot) -> None:
    shown = Shown(qtbot, lanes, size)
    shown.begin()
    shown.answer()
    panel = shown.panel
    assert (panel.width(), panel.height()) == size
    parts = [panel.filter, panel.gallery, panel.caption, panel.area, panel.controls]
    inside = [part.rect().translated(part.mapTo(panel, QPoint())) for part in parts]
    assert all(panel.rect().contains(each) for each in inside)
    assert not any(a.intersects(b) for row, a in enumerate(inside) for b in inside[row + 1 :])
    for bar in (panel.filter, panel.controls):
        flow = bar.layout().itemAt(0).widget()
        boxes = [each.geometry() for each in flow._widgets]
        assert all(flow.rect().contains(each) for each in boxes)
        assert not any(a.intersects(b) for row, a in enumerate(boxes) for b in boxes[row + 1 :])


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("area", [(360, 120), (400, 300), (690, 500), (900, 200)], ids=str)
def test_cells_share_the_area_without_overlapping(count: int, area: tuple[int, int]) -> None:
    text = Text(line=17, lines=6)
    shape = grid(count, QSize(*area), text, 28)
    cells = [shape.rect(index) for index in range(count)]
    assert all(cell.left() >= 0 and cell.right() < area[0] for cell in cells)
    assert not any(a.intersects(b) for row, a in enumerate(cells) for b in cells[row + 1 :])
    parts = places(shape.cell, text, 28)
    inner = cells[0].translated(-cells[0].topLeft())
    assert all(inner.contains(each) for each in (parts.header, parts.picture, parts.legend, *parts.lines))


# ---- theme, keyboard, words ---------------------------------------------------------------


def test_both_themes_are_drawn_and_differ(shown: Shown) -> None:
    shown.begin()
    shown.answer()
    pictures = []
    for theme in (LIGHT, DARK):
        shown.panel.set_theme(theme)
        view = shown.panel.area.views[0]
        assert view.theme is theme
        pictures.append(rendered(shown.panel.area))
    assert not np.array_equal(*pictures)


def test_every_control_can_be_reached_by_tab_and_has_a_name(shown: Shown) -> None:
    shown.begin()
    shown.answer()
    panel = shown.panel
    reached, widget = [], panel.filter.kind
    while widget not in reached:
        reached.append(widget)
        widget = widget.nextInFocusChain()
    wanted = [
        panel.filter.kind, panel.filter.label, panel.filter.source, panel.filter.refresh, panel.filter.open,
        panel.filter.networks, panel.gallery, *panel.area.views, panel.controls.method, panel.controls.target,
        panel.controls.opacity, panel.controls.sign, panel.controls.colors, panel.controls.common,
    ]  # fmt: skip
    places_reached = [reached.index(each) for each in wanted]
    assert places_reached == sorted(places_reached)
    assert all(each.focusPolicy() & Qt.FocusPolicy.TabFocus for each in wanted)
    buddies = {label.buddy() for label in panel.findChildren(QLabel)}
    for each in wanted:
        named = each.accessibleName() or each in buddies or each.property("text")
        assert named, each


def test_a_percentage_claims_neither_certainty_nor_impossibility() -> None:
    assert [percent(share) for share in (0, 1e-9, 0.004, 0.834, 0.9999, 1, float("nan"))] == [
        "0 %",
        "<1 %",
        "<1 %",
        "83 %",
        ">99 %",
        "100 %",
        "–",
    ]


def test_predictions_that_came_behind_another_panel_are_fetched_when_it_comes_back(
    shown: Shown, qtbot: QtBot
) -> None:
    shown.begin(known=False)
    shown.panel.hide()
    before = len(shown.browsed)
    shown.panel.on_evaluation(Evaluation(7, 100, ()))
    assert shown.panel.automatic_browse() is None  # nobody sees it
    shown.panel.show()
    qtbot.waitUntil(lambda: len(shown.browsed) > before)
    assert len(shown.browsed) == before + 1
