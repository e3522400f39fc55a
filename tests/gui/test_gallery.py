"""The gallery: which pages it asks for, how filters narrow it, albums of opened pictures, judging all."""

from collections.abc import Sequence
from pathlib import Path
from time import thread_time

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QColor, QDropEvent, QImage
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from core.messages import (
    BROUGHT,
    HELD_OUT,
    AlbumOpened,
    BrowsePictures,
    Cancel,
    Evaluation,
    Explain,
    Failed,
    JudgeAll,
    LaneInfo,
    OpenAlbum,
    OwnPicture,
    PicturePage,
    Progress,
    References,
    RunStarted,
)
from core.notices import Notice
from core.settings import NetworkSettings, RunSettings, lane
from core.thumbnails import SIDE, nothing
from gui.class_search import matching
from gui.gallery import Gallery
from gui.gallery_model import PAGE
from gui.gallery_picture import GalleryPicture, Names
from gui.gallery_words import described
from gui.pictures_panel import PicturesPanel
from gui.theme import DARK, LIGHT

CLASSES = ("Shirt", "Shoe", "Coat")
HELD = 10_000


class Shown:
    """A pictures panel on the screen, with everything it asked for."""

    def __init__(self, qtbot: QtBot) -> None:
        self.window = QWidget()
        self.panel = PicturesPanel(self.window)
        self.browsed: list[BrowsePictures] = []
        self.asked: list[Explain] = []
        self.opened: list[OpenAlbum] = []
        self.judging: list[JudgeAll] = []
        self.cancelled: list[int] = []
        panel = self.panel
        for signal, kept in (
            (panel.browse_requested, self.browsed), (panel.explain_requested, self.asked),
            (panel.album_requested, self.opened), (panel.judge_requested, self.judging),
            (panel.cancel_requested, self.cancelled),
        ):  # fmt: skip
            signal.connect(kept.append)
        qtbot.addWidget(self.window)
        self.window.resize(500, 900)
        panel.resize(500, 900)
        with qtbot.waitExposed(self.window):
            self.window.show()
        panel.start_run(run())
        self.answer()

    @property
    def last(self) -> BrowsePictures:
        return self.browsed[-1]

    def answer(self, matching: int = HELD, **values: object) -> None:
        self.panel.on_page(make_page(self.last, matching, **values))

    def settled(self, qtbot: QtBot, matching: int, **values: object) -> None:
        """Answer whatever is asked for until nothing is."""
        for _ in range(20):
            qtbot.wait(2)
            if self.panel._state.browse is None:
                return
            self.answer(matching, **values)


@pytest.fixture
def shown(qtbot: QtBot) -> Shown:
    return Shown(qtbot)


def run(lanes: int = 2, classes: tuple[str, ...] = CLASSES) -> RunStarted:
    network = NetworkSettings(classes=len(classes))
    settings = tuple(lane("ABCD"[row], network) for row in range(lanes))
    infos = tuple(LaneInfo(each.name, network, 1, (1,) * 8, ((4, 8, 8),) * 8) for each in settings)
    return RunStarted(RunSettings(settings), infos, classes, 100, 10, HELD, 1000, None)


def make_page(
    request: BrowsePictures, matching: int = HELD, step: int | None = 5, judged: int = 1000, total: int = HELD,
    known: bool = True, unreadable: Sequence[int] = (), read: int | None = None, paths: str = "/p/{}.png",
) -> PicturePage:  # fmt: skip
    indices = np.arange(request.offset, max(request.offset, min(request.offset + request.count, matching)))
    count = len(indices)
    files = request.album == BROUGHT
    labels = np.full(count, -1) if files else indices % 3
    predicted = np.stack([indices % 3, (indices + 1) % 3]) if known else np.full((1, count), -1)
    side = SIDE if files else 8
    pixels = np.zeros((count, side, side, 3), np.uint8)
    pixels[..., 0] = (indices % 251)[:, None, None]
    if read is not None:
        pixels[read:] = nothing()
        predicted[:, read:] = -1
    return PicturePage(
        request.id, matching, request.offset, indices, pixels, labels, predicted,
        np.full(predicted.shape, 0.75), step if known else None, CLASSES, request.album,
        tuple(paths.format(row) for row in indices) if files else (),
        tuple(int(row) in unreadable for row in indices) if files else (),
        judged, total, np.full(predicted.shape, 0.25),
    )  # fmt: skip


def tip(gallery: Gallery, row: int) -> list[str]:
    said = gallery.pictures.index(row).data(Qt.ItemDataRole.ToolTipRole)
    assert isinstance(said, str)
    return said.split("\n")


# ---- 20,000 pictures ----------------------------------------------------------------------


def test_twenty_thousand_pictures_paint_and_scroll_within_a_frame(qtbot: QtBot) -> None:
    """Measured as CPU time of this thread, at its median: a bound on work, whatever else runs here."""
    gallery = Gallery()
    qtbot.addWidget(gallery)
    gallery.set_theme(LIGHT)
    gallery.resize(500, 900)
    gallery.pictures.names = Names(("A", "B"), (0, 1), CLASSES, CLASSES)
    template = make_page(BrowsePictures(), 20_000)
    gallery.take(template, 0)

    def fetch() -> None:
        while (offset := gallery.pictures.missing(*gallery.rows_in_view())) is not None:
            gallery.take(make_page(BrowsePictures(offset=offset), 20_000), 0)

    gallery.scrolled.connect(fetch)
    with qtbot.waitExposed(gallery):
        gallery.show()
    fetch()
    bar = gallery.verticalScrollBar()
    assert gallery.pictures.rowCount() == 20_000
    assert bar.maximum() > 200_000
    paints, steps = [], []
    for _ in range(9):
        began = thread_time()
        gallery.viewport().repaint()
        paints.append(thread_time() - began)
    for _ in range(60):
        began = thread_time()
        bar.setValue(bar.value() + bar.singleStep())
        qtbot.wait(0)
        steps.append(thread_time() - began)
    assert np.median(paints) < 0.016
    assert np.median(steps) < 0.016


def test_a_page_that_comes_lays_nothing_out_anew(qtbot: QtBot, shown: Shown) -> None:
    gallery, asked = shown.panel.gallery, []
    place = gallery.visualRect(gallery.pictures.index(7))
    gallery.pictures.modelReset.connect(lambda: asked.append("reset"))
    shown.panel.on_page(make_page(shown.last))
    qtbot.wait(2)
    assert gallery.visualRect(gallery.pictures.index(7)) == place
    assert asked == []


def test_what_is_kept_of_long_scrolling_is_bounded(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gui.gallery_model.MOST_BYTES", 4 * PAGE * 8 * 8 * 3)
    monkeypatch.setattr("gui.gallery_model.MOST_THUMBNAILS", 50)
    gallery = Gallery()
    qtbot.addWidget(gallery)
    for offset in range(0, 1200, PAGE):
        gallery.take(make_page(BrowsePictures(offset=offset), 20_000), None)
        for row in range(offset, offset + PAGE):
            picture = gallery.pictures.picture(row)
            assert picture is not None
            gallery.pictures.thumbnail(picture, 64)
    assert len(gallery.pictures._pages) <= 4
    assert len(gallery.pictures._thumbnails) == 50
    assert gallery.pictures.missing(0, 10) == 0


def test_waiting_read_and_unreadable_cells_look_different(qtbot: QtBot) -> None:
    gallery = Gallery()
    qtbot.addWidget(gallery)
    gallery.resize(400, 260)
    request = BrowsePictures(album=BROUGHT)
    gallery.take(make_page(request, 100, unreadable=[1], read=2), None)
    states = [gallery.pictures.picture(row).state for row in range(3)]  # type: ignore[union-attr]
    assert states == ["shown", "unreadable", "loading"]
    assert gallery.pictures.picture(70) is None
    for theme in (LIGHT, DARK):
        gallery.set_theme(theme)
        image = gallery.grab().toImage()
        cells = []
        for row in range(3):
            rect = gallery.visualRect(gallery.pictures.index(row)).translated(gallery.viewport().pos())
            middle = rect.center()
            cells.append([image.pixelColor(middle.x() + dx, rect.top() + 20).name() for dx in range(-14, 15)])
        assert cells[0] != cells[1] != cells[2] != cells[0]
        assert theme.bad in " ".join(cells[1]) or len(set(cells[1])) > 1


# ---- what is said of a picture ------------------------------------------------------------


def test_the_tooltip_says_class_predictions_confidence_and_loss(shown: Shown) -> None:
    assert tip(shown.panel.gallery, 1) == [
        "Shoe (held-out picture 1)",
        "A: Shoe, 75 % – right, loss 0.25",
        "B: Coat, 75 % – wrong, loss 0.25",
        "predicted at step 5",
    ]


def test_the_tooltip_of_a_file_says_its_path_and_why_it_cannot_be_read(shown: Shown, tmp_path: Path) -> None:
    (tmp_path / "0.png").write_text("no picture at all")
    shown.panel.on_album(AlbumOpened(1, "some", 3))
    shown.answer(3, unreadable=[0], paths=str(tmp_path / "{}.png"))
    first = tip(shown.panel.gallery, 0)
    assert first == ["0.png", str(tmp_path / "0.png"), "0.png is text, not a picture"]
    assert "A: Coat, 75 %, loss 0.25" in tip(shown.panel.gallery, 2)
    spoken = shown.panel.gallery.pictures.index(0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert "cannot be read" in spoken


def test_nothing_is_claimed_where_nothing_is_known() -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    unknown = GalleryPicture(3, pixels, -1, (1, -1), (0.5, np.nan), None, (np.nan, np.nan), "/x/a b.png")
    names = Names(("A", "B"), (0, 1), CLASSES, CLASSES)
    assert unknown.marks(names) == (None, None)
    said = described(unknown, names)
    assert said.split("\n") == ["a b.png", "/x/a b.png", "A: Shoe, 50 %", "B: no prediction yet"]


# ---- filters ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sho", (1,)),
        ("SH", (0, 1, 3)),
        ("coat", (2,)),
        ("shirt, coat", (0, 2)),
        ("boot", None),
        ("great white shark, white shark", (3,)),
    ],
)
def test_a_text_finds_the_classes_that_hold_it(text: str, found: tuple[int, ...] | None) -> None:
    assert matching(text, (*CLASSES, "great white shark, white shark")) == found


def test_typing_narrows_to_all_classes_that_hold_the_text_and_asks_once(shown: Shown, qtbot: QtBot) -> None:
    field = shown.panel.filter.label.lineEdit()
    before = len(shown.browsed)
    field.setFocus()
    qtbot.keyClicks(field, "sh")
    assert len(shown.browsed) == before  # while keys come fast
    qtbot.waitUntil(lambda: len(shown.browsed) > before)
    assert shown.last.labels == (0, 1)
    qtbot.keyClicks(field, "o")
    qtbot.waitUntil(lambda: shown.last.labels == (1,))
    assert len(shown.browsed) == before + 2
    assert "Shoe" in shown.panel.filter.label.toolTip()
    field.clear()
    qtbot.waitUntil(lambda: shown.last.labels == ())


def test_a_text_in_no_class_is_said_and_asks_for_nothing(shown: Shown, qtbot: QtBot) -> None:
    before, field = len(shown.browsed), shown.panel.filter.label.lineEdit()
    qtbot.keyClicks(field, "zz")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert len(shown.browsed) == before
    assert shown.panel.gallery.pictures.rowCount() == 0
    assert shown.panel.gallery.empty_text == "No class is called “zz”"
    shown.panel.on_page(make_page(shown.last))  # too late
    assert shown.panel.gallery.pictures.rowCount() == 0
    assert shown.panel.automatic_browse() is None


def test_a_new_runs_classes_replace_the_search(shown: Shown) -> None:
    shown.panel.filter.label.setCurrentIndex(2)
    assert shown.last.labels == (1,)
    shown.panel.start_run(run(classes=("x", "y", "z")))
    assert shown.last.labels == ()
    assert shown.panel.filter.label.text() == ""


def test_sureness_order_and_network_go_into_the_request(shown: Shown) -> None:
    more = shown.panel.filter.more
    more.least.setValue(60)
    assert (shown.last.sure, shown.last.network, shown.last.order) == ((0.6, 1.0), None, "order")
    more.order.setCurrentIndex(more.order.findData("loss"))
    more.network.setCurrentIndex(more.network.findData(1))
    assert (shown.last.sure, shown.last.network, shown.last.order) == ((0.6, 1.0), 1, "loss")
    more.most.setValue(40)  # under the lower bound, which gives way
    assert shown.last.sure == (0.4, 0.4)
    assert shown.panel.filter.toggle.text() == "Filters: 3"
    more.reset.click()
    assert (shown.last.sure, shown.last.network, shown.last.order) == ((0.0, 1.0), None, "order")
    assert shown.panel.filter.toggle.text() == "Filters"
    assert [more.network.itemText(row) for row in range(more.network.count())] == ["any network", "A", "B"]


def test_the_rarer_filters_are_hidden_until_asked_for(shown: Shown, qtbot: QtBot) -> None:
    bar = shown.panel.filter
    assert not bar.more.isVisible()
    height = bar.height()
    bar.toggle.setFocus()
    qtbot.keyClick(bar.toggle, Qt.Key.Key_Space)
    assert bar.more.isVisible()
    bar.toggle.click()
    qtbot.waitUntil(lambda: bar.height() == height)


def test_an_order_by_predictions_is_not_fetched_again_unasked(shown: Shown) -> None:
    shown.panel.on_evaluation(Evaluation(9, 1000, ()))
    assert shown.panel.automatic_browse() is not None
    shown.answer()
    shown.panel.filter.more.order.setCurrentIndex(1)
    shown.answer()
    shown.panel.on_evaluation(Evaluation(12, 1000, ()))
    assert shown.panel.automatic_browse() is None


def test_a_confusion_cell_becomes_a_chip_that_can_be_removed(shown: Shown, qtbot: QtBot) -> None:
    panel = shown.panel
    panel.filter.kind.setCurrentIndex(1)
    panel.filter_cell(1, 0, 2)
    asked = shown.last
    assert (asked.labels, asked.predicted, asked.network, asked.kind) == ((0,), 2, 1, "all")
    assert panel.filter.chip.isVisible()
    assert panel.filter.chip.text() == "true: Shirt, seen as: Coat (lane B) ✕"
    assert panel.filter.toggle.text() == "Filters"
    panel.filter.chip.setFocus()
    qtbot.keyClick(panel.filter.chip, Qt.Key.Key_Delete)
    assert (shown.last.labels, shown.last.predicted, shown.last.network) == ((), None, None)
    assert not panel.filter.chip.isVisible()
    panel.filter_cell(0, 1, 1)
    panel.on_references(References(("twins",), "twins"))
    assert (shown.last.source, shown.last.predicted) == ("twins", None)


# ---- albums -------------------------------------------------------------------------------


def dropped(shown: Shown, *paths: Path) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    action, button = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    shown.panel.dropEvent(QDropEvent(QPointF(9, 9), action, mime, button, Qt.KeyboardModifier.NoModifier))


def picture_files(folder: Path, count: int) -> str:
    for row in range(count):
        image = QImage(4, 4, QImage.Format.Format_RGB32)
        image.fill(QColor(10 * row, 0, 0))
        image.save(str(folder / f"{row}.png"))
    return str(folder / "{}.png")


def test_a_folder_and_several_files_open_an_album(shown: Shown, tmp_path: Path) -> None:
    dropped(shown, tmp_path)
    dropped(shown, tmp_path / "a.png", tmp_path / "b.png")
    assert [each.paths for each in shown.opened] == [
        (str(tmp_path),),
        (str(tmp_path / "a.png"), str(tmp_path / "b.png")),
    ]
    dropped(shown, tmp_path / "a.pt", tmp_path / "b.safetensors")
    assert len(shown.opened) == 2
    assert shown.panel.message.text() == "One weights file at a time, please"


@pytest.mark.qt_log_ignore("propagateSizeHints")
def test_the_open_menu_chooses_several_files_or_a_folder(shown: Shown, tmp_path: Path) -> None:
    files, folder = shown.panel.filter.open.menu().actions()
    assert [files.text(), folder.text()] == ["Open pictures…", "Open folder of pictures…"]
    dialog = shown.panel.brought.choose_file()
    dialog.filesSelected.emit([str(tmp_path / "a.png"), str(tmp_path / "b.png")])
    dialog.close()
    dialog = shown.panel.brought.choose_folder()
    dialog.filesSelected.emit([str(tmp_path)])
    dialog.close()
    assert [each.paths for each in shown.opened][1] == (str(tmp_path),)


def test_an_album_that_could_not_be_opened_says_why(shown: Shown, tmp_path: Path) -> None:
    dropped(shown, tmp_path)
    shown.panel.on_failed(Failed(Notice("there is no picture in it"), shown.opened[-1].id))
    assert shown.panel.message.text() == "there is no picture in it"
    assert shown.last.album == HELD_OUT


def test_an_opened_album_is_shown_and_its_first_picture_explained(shown: Shown, tmp_path: Path) -> None:
    paths = picture_files(tmp_path, 3)
    shown.panel.on_album(AlbumOpened(7, "my folder", 3, Notice("2 files left out")))
    assert (shown.last.album, shown.last.offset, shown.last.labels) == (BROUGHT, 0, ())
    assert shown.panel.message.text() == "2 files left out"
    shown.answer(3, paths=paths, total=3, judged=3)
    own = shown.asked[-1].picture
    assert isinstance(own, OwnPicture)
    assert own.name == "0.png"
    shown.panel.gallery.setCurrentIndex(shown.panel.gallery.pictures.index(2))
    own = shown.asked[-1].picture
    assert isinstance(own, OwnPicture)
    assert tuple(own.pixels[0, 0]) == (20, 0, 0)
    assert shown.panel.gallery.currentIndex().row() == 2
    assert shown.panel.status.text() == "3 pictures you opened · predicted at step 5"
    asked = len(shown.asked)
    shown.answer(3, paths=paths)  # it comes again, with more predictions
    assert len(shown.asked) == asked
    assert shown.panel.gallery.currentIndex().row() == 2


def test_one_can_go_to_and_fro_between_the_albums(shown: Shown, tmp_path: Path) -> None:
    paths = picture_files(tmp_path, 3)
    bar = shown.panel.filter
    assert not bar.album.isVisible()
    shown.panel.on_album(AlbumOpened(7, "my folder", 3))
    assert bar.album.isVisible()
    assert bar.album.currentText() == "my folder (3)"
    shown.answer(3, paths=paths)
    shown.panel.gallery.setCurrentIndex(shown.panel.gallery.pictures.index(1))
    bar.album.setCurrentIndex(0)
    assert shown.last.album == HELD_OUT
    shown.answer()
    assert shown.panel.gallery.pictures.rowCount() == HELD
    assert isinstance(shown.asked[-1].picture, OwnPicture)  # until another one is chosen
    shown.panel.gallery.setCurrentIndex(shown.panel.gallery.pictures.index(4))
    assert shown.asked[-1].picture == 4
    bar.album.setCurrentIndex(1)
    shown.answer(3, paths=paths)
    assert shown.panel.gallery.currentIndex().row() == 1


def test_an_unreadable_picture_of_the_album_says_why_and_asks_nothing(shown: Shown, tmp_path: Path) -> None:
    paths = picture_files(tmp_path, 2)
    (tmp_path / "1.png").write_bytes(b"")
    shown.panel.on_album(AlbumOpened(7, "x", 2))
    shown.answer(2, paths=paths, unreadable=[1])
    asked = len(shown.asked)
    shown.panel.gallery.setCurrentIndex(shown.panel.gallery.pictures.index(1))
    assert shown.panel.message.text() == "1.png is empty"
    assert len(shown.asked) == asked


def test_a_page_that_was_scrolled_past_is_asked_for_again_but_not_for_ever(
    shown: Shown, qtbot: QtBot, tmp_path: Path
) -> None:
    shown.panel.gallery._quiet.setInterval(5)
    paths = picture_files(tmp_path, 1)
    shown.panel.on_album(AlbumOpened(7, "x", 70))
    shown.answer(70, paths=paths, read=10)  # the other page comes before this one was read
    shown.panel._ask_page(PAGE)
    shown.answer(70, paths=paths, read=5)
    bar = shown.panel.gallery.verticalScrollBar()
    bar.setValue(bar.maximum())
    first, last = shown.panel.gallery.rows_in_view()
    assert first < PAGE < last
    before = len(shown.browsed)
    qtbot.waitUntil(lambda: len(shown.browsed) > before)
    assert shown.last.offset == 0
    for _ in range(25):  # neither is ever finished
        if shown.panel._state.browse is not None:
            shown.answer(70, paths=paths, read=5)
        qtbot.wait(12)
    assert len(shown.browsed) == before + 6


# ---- judging all --------------------------------------------------------------------------


def test_all_pictures_are_judged_on_request_with_progress(shown: Shown, qtbot: QtBot) -> None:
    strip = shown.panel.filter.strip
    assert strip.button.text() == "Judge all 10,000"
    assert "judged 1,000" in shown.panel.status.text()
    qtbot.mouseClick(strip.button, Qt.MouseButton.LeftButton)
    assert [(each.source, each.album) for each in shown.judging] == [("lanes", HELD_OUT)]
    assert strip.button.text() == "Cancel"
    shown.panel.on_progress(Progress(Notice("x"), 0.9, 999_999))  # somebody else's
    shown.panel.on_progress(Progress(Notice("x"), 0.25, shown.judging[0].id))
    shown.panel.refresh_now()
    assert "judged 2,500" in shown.panel.status.text()
    browsed = len(shown.browsed)
    shown.panel.on_progress(Progress(Notice("x"), 1.0, shown.judging[0].id))
    qtbot.waitUntil(lambda: len(shown.browsed) > browsed)  # what is in view is fetched again
    shown.settled(qtbot, HELD, judged=HELD)
    assert not strip.button.isVisible()
    assert "judged" not in shown.panel.status.text()


def test_judging_can_be_given_up_and_can_fail(shown: Shown) -> None:
    strip = shown.panel.filter.strip
    strip.button.click()
    strip.button.click()
    assert shown.cancelled == [shown.judging[0].id]
    assert strip.button.text() == "Judge all 10,000"
    strip.button.click()
    shown.panel.on_failed(Failed(Notice("no memory"), shown.judging[1].id))
    assert shown.panel.message.text() == "no memory"
    assert strip.button.text() == "Judge all 10,000"
    assert Cancel(shown.cancelled[0]).request == shown.judging[0].id


def test_no_page_is_predicted_again_unasked_while_all_are_judged(shown: Shown) -> None:
    shown.panel.filter.strip.button.click()
    shown.panel.on_evaluation(Evaluation(9, 1000, ()))
    assert shown.panel.automatic_browse() is None


# ---- keyboard -----------------------------------------------------------------------------


def test_every_control_of_the_bar_is_reached_by_tab_and_named(shown: Shown) -> None:
    bar = shown.panel.filter
    shown.panel.on_album(AlbumOpened(7, "x", 2))
    shown.answer(2, paths="/p/{}.png", total=81)
    bar.toggle.click()
    shown.panel.filter_cell(0, 1, 2)
    reached, widget = [], bar.kind
    while widget not in reached:
        reached.append(widget)
        widget = widget.nextInFocusChain()
    more = bar.more
    wanted = [
        bar.kind, bar.album, bar.label, bar.source, bar.refresh, bar.open, bar.networks, bar.toggle, more.least,
        more.most, more.order, more.network, more.reset, bar.chip, bar.strip.button, shown.panel.gallery,
    ]  # fmt: skip
    places = [reached.index(each) for each in wanted]
    assert places == sorted(places)
    for each in wanted:
        assert each.focusPolicy() & Qt.FocusPolicy.TabFocus
        assert each.accessibleName() or each.toolTip() or each.property("text")
