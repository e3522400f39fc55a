"""The pictures panel: held-out pictures, and what each network sees in the chosen one.

The gallery asks for pages as they come into view, a choice asks for an explanation. Opacity, sign
and colours are drawn anew from the maps that are here.
"""

from collections.abc import Mapping, Sequence

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QDragEnterEvent,
    QDropEvent,
    QKeySequence,
    QPalette,
    QResizeEvent,
    QShortcut,
    QShowEvent,
)
from PySide6.QtWidgets import QLabel, QSplitter, QVBoxLayout, QWidget

from core.messages import (
    AlbumOpened,
    BrowsePictures,
    Evaluation,
    Explain,
    Explanation,
    Failed,
    Judged,
    OwnPicture,
    PicturePage,
    Progress,
    References,
    RunStarted,
    TrainingSlice,
)
from core.methods import Size
from core.notices import Notice
from core.overlay import Pixels
from core.pictures import Picture
from gui.album_state import AlbumState
from gui.answer_words import standing
from gui.arrangement import NOTHING, Arranged, arrange, networks_of
from gui.attribution_history import AttributionHistory
from gui.brought_picture import BroughtPicture, is_welcome
from gui.explanation_area import ExplanationArea
from gui.filter_bar import FilterBar
from gui.gallery import Gallery
from gui.gallery_picture import GalleryPicture, Names
from gui.history_strip import HistoryStrip
from gui.overlay_controls import OverlayControls
from gui.panel import Panel
from gui.picture_lines import caption, details, hint, no_pictures, status
from gui.picture_state import LANES, PictureState, one_pass
from gui.subject import Shown, Subject
from gui.theme import Theme
from gui.wording import say, whole

_WIDE = 640  # from here on a low panel has gallery and explanations side by side
_GALLERY_SHARE = 0.3
_ROOMY = 800  # high: below it the maps' own history would take the room from the maps
_PREVIEW = 512  # pixels a side of an own picture while the engine has not cut it yet


class PicturesPanel(Panel):
    """Shows pictures, predictions and explanations.

    Signals: `browse_requested` (BrowsePictures) and `explain_requested` (Explain), to be sent on as
    they are; `figure_requested` (a list of Shown), to be saved as a figure; `pretrained_requested`,
    `imagenet_requested`; `checkpoint_dropped` (path). `album_requested` (OpenAlbum) and `judge_requested`
    (JudgeAll) are sent on as they are; `cancel_requested` names what is to be given up.
    """

    browse_requested = Signal(object)
    explain_requested = Signal(object)
    figure_requested = Signal(object)
    pretrained_requested = Signal()
    imagenet_requested = Signal(str)
    checkpoint_dropped = Signal(str)
    album_requested = Signal(object)
    judge_requested = Signal(object)
    cancel_requested = Signal(int)
    evaluate_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = PictureState()
        self._album = AlbumState()
        self._judged_by: dict[str, tuple[str, ...]] = {}  # names of a source's networks
        self._held_out: GalleryPicture | None = None  # the chosen picture is this one …
        self._brought: Picture | None = None  # … or that one
        self._references: dict[str, str] = {}  # their names, and what they are
        self._owed: set[str] = set()  # requests put off until the panel is seen: "page", "answer"
        self._shown = QTimer(self, singleShot=True, interval=0)  # until the panel has its region
        self._shown.timeout.connect(self._catch_up)
        self._maps_old = True  # the views do not show the state's explanation yet
        self.filter = FilterBar(self)
        self.gallery = Gallery(self)
        self.area = ExplanationArea(self)
        self.strip = HistoryStrip(self)
        self.controls = OverlayControls(self)
        self._history = AttributionHistory()
        self.brought = BroughtPicture(self)
        self.hint, self.message, self.caption = (QLabel(self) for _ in range(3))
        self.status = self.filter.strip.text
        self._splitter = QSplitter(Qt.Orientation.Vertical, self)
        self._layout()
        self._connect()
        self.setAcceptDrops(True)
        self.setAccessibleName(self.tr("Pictures"))
        self.set_theme(self.theme)

    # ---- data in --------------------------------------------------------------------------

    def start_run(self, event: RunStarted) -> None:
        """Show a new run's pictures; the chosen one stays chosen where it still exists."""
        same = self._state.start(event)
        if self._state.chosen is None:
            self._held_out = None
        self.gallery.pictures.forget(pictures=not same)
        self.filter.set_class_names(event.class_names)
        self.filter.strip.start_run()
        if self.filter.chosen_source() == LANES:
            self.controls.set_class_names(event.class_names)
        self._history.forget()
        self.controls.pace.forget()
        self.strip.leave()
        self._say("")
        self._maps_old = True
        self._ask_page()
        self._ask()
        self.mark_dirty()

    def on_page(self, event: PicturePage) -> None:
        """Take a page of the gallery."""
        if not self._state.take_page(event):
            return
        self._album.take_page(event)
        names = self._names(event)
        self.gallery.pictures.names = names
        self.filter.set_class_names(names.labels)
        networks = tuple(names.network(row) for row in range(len(event.predicted)))
        self.filter.set_networks(networks, names.predicted)
        self.filter.strip.show_counts(self.filter.chosen_source(), event.album, event.judged, event.total)
        chosen = self._album.choice if self._album.is_brought else self._state.chosen
        self.gallery.take(event, chosen if isinstance(chosen, int) else None)
        nothing = self._state.chosen is None and not self.gallery.currentIndex().isValid()
        if event.matching and (nothing or self._album.takes_first):
            self._album.takes_first = False
            self.gallery.setCurrentIndex(self.gallery.pictures.index(0))
        self._show()

    def on_album(self, event: AlbumOpened) -> None:
        """Show the pictures the user opened."""
        self._album.opened(event)
        self.filter.set_album(event.title, event.pictures)
        self.filter.set_class_names(())
        self.gallery.pictures.forget(pictures=True)
        self._on_filter()
        self._say("" if event.notice is None else say(event.notice))

    def on_judged(self, event: Judged) -> None:
        """Take the names of a source's networks."""
        self._judged_by[event.source] = event.names

    def on_progress(self, event: Progress) -> None:
        """Take how far predicting every picture is; at its end the pages say more."""
        strip = self.filter.strip
        if strip.is_busy:
            if strip.take_progress(event):
                self.gallery.fetch_again()
            self._album.judged = strip.judged
            self.mark_dirty()

    def filter_cell(self, network: int, label: int, predicted: int) -> None:
        """Show only the pictures of a class that a network takes for a class."""
        self.filter.set_cell(label, predicted, network)

    def show_source(self, source: str, album: str) -> None:
        """Turn to the pictures of an album as a source sees them."""
        self.filter.show_source(source, album)

    def on_explanation(self, event: Explanation) -> None:
        """Take an explanation, whole or coarse."""
        request, by_hand = self._state.explain, self._state.asked_by_hand()
        if request is None or not self._state.take_answer(event):
            return
        self._maps_old = True
        self.controls.set_class_names(event.class_names or self._state.class_names)
        self.set_unsuitable(dict(event.unsuitable))
        if event.done:
            self._history.take(request, event)
            self.controls.pace.take(request.source, event)
            self._follow()
        # Of many maps the first and the last are shown at once, the others as painting allows.
        if by_hand and (event.done or len(event.networks) <= 1 or event.frames == 1):
            self._show()
        else:
            self.mark_dirty()

    def on_references(self, event: References) -> None:
        """Offer other networks."""
        about = event.about or (None,) * len(event.names)
        self._references = {
            name: "" if line is None else say(line)
            for name, line in zip(event.names, about, strict=True) if name != LANES
        }  # fmt: skip
        self.filter.set_sources(self._references, event.selected)
        self.mark_dirty()

    def on_failed(self, event: Failed) -> None:
        """Say why something asked for here could not be done."""
        by_hand = self._state.asked_by_hand()
        if self.filter.strip.take_failure(event) or self._album.fail(event.request):
            self._say(say(event.notice))
            return
        if not self._state.fail(event):
            return
        if by_hand and not self._state.asked_by_hand():
            self._forget_answer()  # what is shown would answer another question
        self._say(say(event.notice))
        self._show()

    def on_evaluation(self, event: Evaluation) -> None:
        """Note that the lanes have new predictions; `automatic_browse` fetches them."""
        self._state.evaluated = event.step

    def on_slice(self, event: TrainingSlice) -> None:
        """Note that the lanes have moved on."""
        if self._state.take_slice(event):
            self.mark_dirty()
        self._follow()

    def open_pictures(self, paths: Sequence[str]) -> None:
        """Explain a picture file, as if it had been dropped here."""
        self.brought.take_files(list(paths))

    def choose_method(self, name: str) -> None:
        """Ask by a method, by its name in core.methods."""
        self.controls.method.choose(name)

    def set_unsuitable(self, reasons: Mapping[str, Notice]) -> None:
        """Grey these methods, which are right for none of the networks asked, and say why."""
        self.controls.set_unsuitable({name: say(notice) for name, notice in reasons.items()})

    def figures(self) -> list[Shown]:
        """Return the maps that are shown, to be drawn at another size."""
        return self.area.figures()

    def picture_words(self) -> str:
        """Name the picture that is explained."""
        label = "" if self._held_out is None else self.gallery.pictures.label_name(self._held_out)
        return caption(None, self._held_out, label, self._brought)

    def network_words(self) -> dict[str, str]:
        """Say what each lane's network is, by name; nothing of other networks."""
        from gui.figure_export import network_words  # not before a figure is wanted

        if self._state.run is None or self.filter.chosen_source() != LANES:
            return {}
        return {each.name: network_words(each.network) for each in self._state.run.lanes}

    def mark_strengths(
        self, lane: int, shortcuts: tuple[float, ...] | None, branches: tuple[float, ...] | None = None
    ) -> None:
        """Note a toggle while nothing is trained: the maps are old now."""
        self._state.mark_strengths(lane, shortcuts, branches)
        self._follow()
        self.mark_dirty()

    # ---- what may be refreshed unasked ----------------------------------------------------

    def automatic_request(self) -> Explain | None:
        """Return the request that refreshes the maps, if they are seen, old and cheap; it counts as sent.

        Maps of shortcuts that are no longer in force are asked for again whatever they cost, once.
        """
        if not self._is_seen():
            return None
        if (request := self._state.follow()) is not None:
            return request
        explained = self._state.explained
        return self._state.again() if explained is not None and one_pass(explained) else None

    def _follow(self) -> None:
        """Ask anew at once where the shortcuts changed: the maps would go on showing what is no more."""
        if self._is_seen() and (request := self._state.follow()) is not None:
            self.explain_requested.emit(request)

    def automatic_browse(self) -> BrowsePictures | None:
        """Return the request that predicts the pictures in view again; it counts as sent.

        Only where the lanes predicted since, and where that moves no picture about.
        """
        state, offered = self._state, self.filter
        if not self._is_seen() or state.browse is not None or state.evaluated is None:
            return None
        pictures, in_view = self.gallery.pictures, self.gallery.rows_in_view()
        if offered.chosen_source() != LANES or (offered.goes_by_predictions() and pictures.rowCount()):
            return None
        if offered.no_class() or offered.strip.is_busy:
            return None
        offset, step = pictures.oldest(*in_view) or (0, state.page_step)
        return state.ask_page(offered.request(offset)) if state.evaluated > (step or 0) else None

    def _is_seen(self) -> bool:
        return self.isVisible() and not self.window().isMinimized() and not self.visibleRegion().isEmpty()

    # ---- painting -------------------------------------------------------------------------

    def refresh(self) -> None:
        if self._maps_old:
            self._maps_old = False
            self.area.show_arranged(self._arranged())
            self._draw_maps()
        state, source = self._state, self.filter.chosen_source()
        self.area.set_now(state.step if source == LANES else None, self._over_picture)
        label = "" if self._held_out is None else self.gallery.pictures.label_name(self._held_out)
        self.caption.setToolTip(details(state.explanation))
        self.area.say_empty(self.tr("Choose a picture, or drop one here, to see what each network looks at"))
        self.gallery.say_empty(no_pictures(state, self.filter.request(), self.filter.no_class()))
        for line, text in (
            (self.status, status(state, self.gallery.pictures.rowCount(), self._album)),
            (self.hint, self._references.get(source) or hint(state, source, tuple(self._references))),
            (self.caption, caption(state.explanation, self._held_out, label, self._brought)),
        ):
            _set_line(line, text)

    def set_theme(self, theme: Theme) -> None:
        self.filter.set_theme(theme)
        self.gallery.set_theme(theme)
        self.area.set_theme(theme)
        self.strip.set_theme(theme)
        self.controls.set_theme(theme)
        for line, color in (
            (self.status, theme.muted),
            (self.hint, theme.muted),
            (self.message, theme.bad),
            (self.caption, theme.text),
        ):
            palette = line.palette()
            palette.setColor(QPalette.ColorRole.WindowText, QColor(color))
            palette.setColor(QPalette.ColorRole.Link, QColor(theme.accent))
            line.setPalette(palette)
        super().set_theme(theme)

    def _arranged(self) -> Arranged:
        """Lay out the answers; while a question waits for its first, its places are there already."""
        state, source = self._state, self.filter.chosen_source()
        moment = self.strip.moment
        explanation = state.explanation if moment is None else moment.explanation
        asked = state.explain if state.asked_by_hand() else state.explained
        asked = asked or self.controls.request(0, source)
        answers = () if explanation is None else explanation.networks
        sizes = dict(state.networks(source))
        lanes = {name: hue for hue, name in enumerate(state.lane_names)} if source == LANES else {}
        names = tuple(sizes) if sizes or answers else (source,)
        networks = networks_of(lanes, names, sizes, answers)
        pixels = self._preview() if explanation is None else explanation.picture
        side = self._side() if pixels is None or explanation is None else min(pixels.shape[:2])
        blocks = min((each.blocks for each in networks if each.blocks), default=8)
        self.controls.set_asked(source, Size(side, blocks), len(networks))
        return NOTHING if pixels is None else arrange(asked, explanation, networks, pixels)

    def _side(self) -> int:
        """The side of the pictures the lanes see."""
        return 28 if self._state.run is None else self._state.run.settings.image_size

    def _preview(self) -> Pixels | None:
        if self._held_out is not None:
            return self._held_out.pixels
        if self._brought is None:
            return None
        every = -(-max(self._brought.pixels.shape[:2]) // _PREVIEW)
        return self._brought.pixels[::every, ::every]

    def _draw_maps(self) -> None:
        controls = self.controls
        self.area.draw_maps(controls.look(), controls.color_map(), common=controls.common.isChecked())
        self._show_history()

    def _show_history(self) -> None:
        asked = self._state.explained
        moments = self._history.moments if asked is not None and self._history.answers(asked) else ()
        self.strip.show_moments(moments, self.controls.look(), self.controls.color_map())

    def _over_picture(self, subject: Subject) -> str:
        if self.strip.moment is not None:
            return self.tr("as at step {step}").format(step=whole(self.strip.moment.step))
        return standing(self._state, subject)

    def _names(self, page: PicturePage) -> Names:
        """Name what the numbers in a page stand for; classes of opened pictures are the networks' own."""
        state, source = self._state, self.filter.chosen_source()
        labels = page.class_names if self._album.is_brought else state.class_names
        predicted = page.class_names or state.class_names
        if source == LANES:
            return Names(state.lane_names, tuple(range(len(state.lane_names))), labels, predicted)
        known = tuple(name for name, _blocks in state.networks(source))
        return Names(known or self._judged_by.get(source, ()), (), labels, predicted)

    # ---- asking ---------------------------------------------------------------------------

    def _ask_page(self, offset: int = 0) -> None:
        if self._state.run is None:
            return
        if not self.isVisible():
            self._owed.add("page")
            return
        self.browse_requested.emit(self._state.ask_page(self.filter.request(offset)))

    def _ask(self) -> None:
        if self._state.chosen is None:
            return
        if not self.isVisible():
            self._owed.add("answer")
            return
        self.strip.leave()
        request = self.controls.request(self._state.chosen, self.filter.chosen_source())
        self.explain_requested.emit(self._state.ask(request))

    def _choose(self, held_out: GalleryPicture | None, brought: Picture | None) -> None:
        self._held_out, self._brought = held_out, brought
        if held_out is not None:
            self._state.chosen = held_out.index
        elif brought is not None:
            self._state.chosen = OwnPicture(brought.name, brought.pixels)
        self._say("")
        self._forget_answer()
        self._ask()
        self._show()

    def _forget_answer(self) -> None:
        self._state.forget_answer()
        self.strip.leave()
        self._maps_old = True

    def _show(self) -> None:
        """Show what has come at once where it can be seen."""
        if self.isVisible():
            self.refresh_now()
        else:
            self.mark_dirty()

    def _say(self, text: str) -> None:
        _set_line(self.message, text)

    # ---- slots ----------------------------------------------------------------------------

    def _on_picked(self, row: int) -> None:
        picture = self.gallery.pictures.picture(row)
        if picture is None:  # its page is on the way, and the gallery will say so again
            self._state.chosen = self._album.choice = None
        elif not picture.path:
            self._choose(picture, None)
        else:
            self._album.choice = picture.index
            if (read := self.brought.read(picture.path)) is not None:
                self._choose(None, read)

    def _on_brought(self, picture: Picture) -> None:
        self._album.choice = None
        self.gallery.mark(None)
        self._choose(None, picture)

    def _on_filter(self) -> None:
        self.gallery.pictures.forget()
        self._say("")
        if self.filter.no_class():
            self._state.drop_page()
        else:
            self._ask_page()
        self._show()

    def _on_refresh(self) -> None:
        if self.filter.chosen_source() == LANES:
            self.evaluate_requested.emit()  # the pages follow the figures
        self._on_filter()

    def _on_album(self) -> None:
        self._album.show(self.filter.chosen_album())
        self._on_filter()

    def _on_album_brought(self, paths: list[str]) -> None:
        self._say("")
        self.album_requested.emit(self._album.ask(tuple(paths)))

    def _on_unfinished(self, offset: int) -> None:
        if self._state.browse is None and self.isVisible():
            self._ask_page(offset)

    def _on_source(self) -> None:
        self.controls.set_class_names(())
        self._forget_answer()
        self._ask()
        self._on_filter()

    def _on_question(self) -> None:
        self._say("")
        self._maps_old = True  # it may be arranged in another way
        self._ask()
        self._show()

    def _on_moment(self) -> None:
        self._maps_old = True
        self._show()

    def _on_scrolled(self) -> None:
        offset = self.gallery.pictures.missing(*self.gallery.rows_in_view())
        if offset is not None and self._state.browse is None and self.gallery.pictures.rowCount():
            self._ask_page(offset)

    # ---- building -------------------------------------------------------------------------

    def _layout(self) -> None:
        for line in (self.status, self.hint, self.message, self.caption):
            line.setWordWrap(True)
            line.hide()
        self.hint.setTextInteractionFlags(
            Qt.TextInteractionFlag.LinksAccessibleByMouse | Qt.TextInteractionFlag.LinksAccessibleByKeyboard
        )
        below = QWidget(self)
        for widget, parts in (
            (below, (self.caption, self.area, self.strip)),
            (self, (self.filter, self.hint, self.message, self._splitter, self.controls)),
        ):
            layout = QVBoxLayout(widget)
            layout.setContentsMargins(*((6, 6, 6, 6) if widget is self else (0, 0, 0, 0)))
            layout.setSpacing(4)
            for part in parts:
                layout.addWidget(part, 1 if part in (self.area, self._splitter) else 0)
        self._splitter.addWidget(self.gallery)
        self._splitter.addWidget(below)
        self._splitter.setChildrenCollapsible(False)

    def _connect(self) -> None:
        self.filter.changed.connect(self._on_filter)
        self.filter.source_changed.connect(self._on_source)
        self.filter.album_changed.connect(self._on_album)
        self.filter.refresh_requested.connect(self._on_refresh)
        self.filter.folder_requested.connect(self.brought.choose_folder)
        self.filter.strip.judge_requested.connect(self.judge_requested)
        self.filter.strip.cancel_requested.connect(self.cancel_requested)
        self.filter.open_requested.connect(self.brought.choose_file)
        self.filter.pretrained_requested.connect(self.pretrained_requested)
        self.filter.imagenet_requested.connect(self.imagenet_requested)
        self.hint.linkActivated.connect(lambda _link: self.pretrained_requested.emit())
        self.gallery.picked.connect(self._on_picked)
        self.gallery.scrolled.connect(self._on_scrolled)
        self.gallery.unfinished.connect(self._on_unfinished)
        self.controls.question_changed.connect(self._on_question)
        self.controls.look_changed.connect(self._draw_maps)
        self.area.figure_requested.connect(self.figure_requested)
        self.strip.chosen.connect(self._on_moment)
        self.brought.picture.connect(self._on_brought)
        self.brought.album.connect(self._on_album_brought)
        self.brought.checkpoint.connect(self.checkpoint_dropped)
        self.brought.refused.connect(self._say)
        paste = QShortcut(QKeySequence.StandardKey.Paste, self)
        paste.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        paste.activated.connect(self.brought.paste)

    # ---- Qt's side ------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        owed, self._owed = self._owed, set()
        if "page" in owed:
            self._ask_page()
        if "answer" in owed:
            self._ask()
        self._follow()
        self._shown.start()

    def _catch_up(self) -> None:
        """Fetch the predictions that came while another panel stood in front."""
        if (request := self.automatic_browse()) is not None:
            self.browse_requested.emit(request)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.strip.offer_room(enough=self.height() >= _ROOMY)
        beside = self.width() >= _WIDE and self.width() > 1.2 * self.height()
        orientation = Qt.Orientation.Horizontal if beside else Qt.Orientation.Vertical
        if orientation != self._splitter.orientation() or not event.oldSize().isValid():
            self._splitter.setOrientation(orientation)
            length = self.width() if beside else self.height()
            share = round(length * _GALLERY_SHARE)
            self._splitter.setSizes([share, length - share])

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if is_welcome(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        event.acceptProposedAction()
        self.brought.take(event.mimeData())


def _set_line(line: QLabel, text: str) -> None:
    line.setText(text)
    line.setVisible(bool(text))
