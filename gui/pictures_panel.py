"""The pictures panel: held-out pictures, and what each network sees in the chosen one.

The gallery asks for pages as they come into view, a choice asks for an explanation. Opacity, sign
and colours are drawn anew from the maps that are here.
"""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
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
    BrowsePictures,
    Evaluation,
    Explain,
    Explanation,
    Failed,
    OwnPicture,
    PicturePage,
    References,
    RunStarted,
    TrainingSlice,
)
from core.overlay import Pixels
from core.pictures import Picture
from gui.brought_picture import BroughtPicture, is_welcome
from gui.explanation_area import ExplanationArea
from gui.explanation_view import Subject
from gui.filter_bar import FilterBar
from gui.gallery import Gallery
from gui.gallery_model import GalleryPicture, Names
from gui.overlay_controls import OverlayControls
from gui.panel import Panel
from gui.picture_lines import caption, details, hint, no_pictures, status
from gui.picture_state import LANES, PictureState
from gui.theme import Theme
from gui.wording import say

_WIDE = 640  # from here on a low panel has gallery and explanations side by side
_GALLERY_SHARE = 0.3
_PREVIEW = 512  # pixels a side of an own picture while the engine has not cut it yet


class PicturesPanel(Panel):
    """Shows pictures, predictions and explanations.

    Signals: `browse_requested` (BrowsePictures) and `explain_requested` (Explain), to be sent on as
    they are; `pretrained_requested`, `imagenet_requested`; `checkpoint_dropped` (path).
    """

    browse_requested = Signal(object)
    explain_requested = Signal(object)
    pretrained_requested = Signal()
    imagenet_requested = Signal()
    checkpoint_dropped = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = PictureState()
        self._held_out: GalleryPicture | None = None  # the chosen picture is this one …
        self._brought: Picture | None = None  # … or that one
        self._references: tuple[str, ...] = ()
        self._owed: set[str] = set()  # requests put off until the panel is seen: "page", "answer"
        self._maps_old = True  # the views do not show the state's explanation yet
        self.filter = FilterBar(self)
        self.gallery = Gallery(self)
        self.area = ExplanationArea(self)
        self.controls = OverlayControls(self)
        self.brought = BroughtPicture(self)
        self.status, self.hint, self.message, self.caption = (QLabel(self) for _ in range(4))
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
        if self.filter.chosen_source() == LANES:
            self.controls.set_class_names(event.class_names)
        self._say("")
        self._maps_old = True
        self._ask_page()
        self._ask()
        self.mark_dirty()

    def on_page(self, event: PicturePage) -> None:
        """Take a page of the gallery."""
        if not self._state.take_page(event):
            return
        self.gallery.pictures.names = self._names(event.class_names)
        chosen = self._state.chosen
        self.gallery.take(event, chosen if isinstance(chosen, int) else None)
        if self._state.chosen is None and event.matching and not self.gallery.currentIndex().isValid():
            self.gallery.setCurrentIndex(self.gallery.pictures.index(0))
        self._show()

    def on_explanation(self, event: Explanation) -> None:
        """Take an explanation, whole or coarse."""
        by_hand = self._state.asked_by_hand()
        if not self._state.take_answer(event):
            return
        self._maps_old = True
        self.controls.set_class_names(event.class_names or self._state.class_names)
        if by_hand:
            self._show()
        else:
            self.mark_dirty()

    def on_references(self, event: References) -> None:
        """Offer other networks."""
        self._references = event.names
        self.filter.set_sources(event.names, event.selected)
        self.mark_dirty()

    def on_failed(self, event: Failed) -> None:
        """Say why something asked for here could not be done."""
        by_hand = self._state.asked_by_hand()
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

    def open_pictures(self, paths: Sequence[str]) -> None:
        """Explain a picture file, as if it had been dropped here."""
        self.brought.take_files(list(paths))

    def choose_method(self, name: str) -> None:
        """Ask by a method, by its name in core.methods."""
        self.controls.method.setCurrentIndex(self.controls.method.findData(name))

    def mark_strengths(self, lane: int, shortcuts: tuple[float, ...]) -> None:
        """Note a toggle while nothing is trained: the maps are old now."""
        self._state.mark_strengths(lane, shortcuts)
        self.mark_dirty()

    # ---- what may be refreshed unasked ----------------------------------------------------

    def automatic_request(self) -> Explain | None:
        """Return the request that refreshes the maps, if they are seen, old and cheap; it counts as sent."""
        if not self._is_seen() or not self.controls.chosen_method().one_pass:
            return None
        return self._state.again()

    def automatic_browse(self) -> BrowsePictures | None:
        """Return the request that predicts the pictures in view again; it counts as sent.

        Only where the lanes predicted since, and where that moves no picture about.
        """
        state, offered = self._state, self.filter
        if not self._is_seen() or state.browse is not None or state.evaluated is None:
            return None
        pictures, in_view = self.gallery.pictures, self.gallery.rows_in_view()
        if offered.chosen_source() != LANES or (offered.chosen_kind() != "all" and pictures.rowCount()):
            return None
        offset, step = pictures.oldest(*in_view) or (0, state.page_step)
        return state.ask_page(offered.request(offset)) if state.evaluated > (step or 0) else None

    def _is_seen(self) -> bool:
        return self.isVisible() and not self.window().isMinimized() and not self.visibleRegion().isEmpty()

    # ---- painting -------------------------------------------------------------------------

    def refresh(self) -> None:
        if self._maps_old:
            self._maps_old = False
            self.area.show_subjects(self._subjects())
            self._draw_maps()
        state, source = self._state, self.filter.chosen_source()
        for place, view in enumerate(self.area.views):
            view.set_now(state.step if source == LANES else None, self._over_picture(place))
        label = "" if self._held_out is None else self.gallery.pictures.label_name(self._held_out)
        self.caption.setToolTip(details(state.explanation))
        self.area.say_empty(self.tr("Choose a picture, or drop one here, to see what each network looks at"))
        self.gallery.say_empty(no_pictures(state, self.filter.chosen_kind()))
        for line, text in (
            (self.status, status(state, self.gallery.pictures.rowCount())),
            (self.hint, hint(state, source, self._references)),
            (self.caption, caption(state.explanation, self._held_out, label, self._brought)),
        ):
            _set_line(line, text)

    def set_theme(self, theme: Theme) -> None:
        self.filter.set_theme(theme)
        self.gallery.set_theme(theme)
        self.area.set_theme(theme)
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

    def _subjects(self) -> list[Subject]:
        explanation, source = self._state.explanation, self.filter.chosen_source()
        pixels = self._preview() if explanation is None else explanation.picture
        if pixels is None:
            return []
        lanes = {name: hue for hue, name in enumerate(self._state.lane_names)} if source == LANES else {}
        answers = () if explanation is None else explanation.networks
        shown = [Subject(each.name, lanes.get(each.name), pixels, explanation, each) for each in answers]
        if source != LANES:
            return shown or [Subject(source, None, pixels)]
        # While the first answers come the other lanes keep their places.
        answered = {each.name for each in answers}
        return shown + [Subject(name, hue, pixels) for name, hue in lanes.items() if name not in answered]

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

    def _over_picture(self, place: int) -> str:
        """Word what is going on with one network's answer; they come one after the other."""
        state = self._state
        if state.coarse():
            answered = len(state.explanation.networks) if state.explanation is not None else 0
            if place < answered - 1:
                return ""
            return self.tr("coarse…") if place < answered else self.tr("computing…")
        if state.asked_by_hand():
            return self.tr("computing…")
        return self.tr("shortcuts changed since") if state.toggled() else ""

    def _names(self, predicted: tuple[str, ...]) -> Names:
        state = self._state
        if self.filter.chosen_source() == LANES:
            lanes = tuple(range(len(state.lane_names)))
            return Names(state.lane_names, lanes, state.class_names, predicted or state.class_names)
        known = state.explanation.networks if state.explanation is not None else ()
        names = tuple(each.name for each in known)
        return Names(names, (), state.class_names, predicted or state.class_names)

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
        self.explain_requested.emit(
            self._state.ask(
                Explain(
                    self._state.chosen,
                    self.controls.chosen_method().name,
                    self.controls.chosen_target(),
                    self.filter.chosen_source(),
                )
            )
        )

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
        if picture is None:
            self._state.chosen = None  # its page is on the way, and the gallery will say so again
        else:
            self._choose(picture, None)

    def _on_brought(self, picture: Picture) -> None:
        self.gallery.mark(None)
        self._choose(None, picture)

    def _on_filter(self) -> None:
        self.gallery.pictures.forget()
        self._say("")
        self._ask_page()
        self._show()

    def _on_source(self) -> None:
        self.controls.set_class_names(())
        self._forget_answer()
        self._ask()
        self._on_filter()

    def _on_question(self) -> None:
        self._say("")
        self._ask()
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
            (below, (self.caption, self.area)),
            (self, (self.filter, self.status, self.hint, self.message, self._splitter, self.controls)),
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
        self.filter.refresh_requested.connect(self._on_filter)
        self.filter.open_requested.connect(self.brought.choose_file)
        self.filter.pretrained_requested.connect(self.pretrained_requested)
        self.filter.imagenet_requested.connect(self.imagenet_requested)
        self.hint.linkActivated.connect(lambda _link: self.pretrained_requested.emit())
        self.gallery.picked.connect(self._on_picked)
        self.gallery.scrolled.connect(self._on_scrolled)
        self.controls.question_changed.connect(self._on_question)
        self.controls.look_changed.connect(self._draw_maps)
        self.brought.picture.connect(self._on_brought)
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

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
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
