"""The pictures panel: held-out pictures, and what each network sees in the chosen one.

The gallery asks for pages as they come into view, a choice asks for an explanation. Opacity, sign
and colours are drawn anew from the maps that are here.
"""

from dataclasses import replace

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import (
    QDragEnterEvent,
    QDropEvent,
    QGuiApplication,
    QKeySequence,
    QResizeEvent,
    QShortcut,
    QShowEvent,
)
from PySide6.QtWidgets import QFileDialog, QLabel, QSplitter, QVBoxLayout, QWidget

from core.messages import (
    BrowsePictures,
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
from core.pictures import SUFFIXES, Picture, PictureError
from gui.brought_picture import from_file, from_image, is_checkpoint, is_welcome, local_files, own
from gui.explanation_area import ExplanationArea
from gui.explanation_view import Subject
from gui.filter_bar import FilterBar
from gui.gallery import Gallery
from gui.gallery_model import Names
from gui.overlay_controls import OverlayControls
from gui.panel import Panel
from gui.picture_lines import caption, hint, no_pictures, status
from gui.picture_state import LANES, PictureState
from gui.theme import Theme
from gui.wording import say

_WIDE = 640  # from here on a low panel has gallery and explanations side by side
_GALLERY_SHARE = 0.3
_PREVIEW = 512  # most pixels a side of an own picture that is shown until the engine has cut it


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
        self._brought: Picture | None = None  # the own picture, with what was done to it
        self._chosen_pixels: Pixels | None = None
        self._chosen_label: int | None = None
        self._references: tuple[str, ...] = ()
        self._unseen = {"page": False, "answer": False}  # to be asked for when the panel is seen
        self._maps_old = True  # the views do not show the state's explanation yet
        self.filter = FilterBar(self)
        self.gallery = Gallery(self)
        self.area = ExplanationArea(self)
        self.controls = OverlayControls(self)
        self._status, self._hint, self._message, self._caption = (self._line() for _ in range(4))
        self._splitter = QSplitter(Qt.Orientation.Vertical, self)
        self._layout()
        self._connect()
        self.setAcceptDrops(True)
        self.setAccessibleName(self.tr("Pictures"))
        self.refresh()

    # ---- data in --------------------------------------------------------------------------

    def start_run(self, event: RunStarted) -> None:
        """Show a new run's pictures; the chosen one stays chosen where it exists still."""
        same = self._state.start(event)
        self.gallery.pictures.forget(pictures=not same)
        self.filter.set_class_names(event.class_names)
        self.controls.set_class_names(event.class_names)
        self._unseen = {"page": True, "answer": self._state.chosen is not None}
        self._maps_old = True
        self._say("")
        self._catch_up()
        self.mark_dirty()

    def on_page(self, event: PicturePage) -> None:
        """Take a page of the gallery."""
        if not self._state.take_page(event):
            return
        self.gallery.pictures.names = self._names(event.class_names or self._state.class_names)
        chosen = self._state.chosen
        self.gallery.take(event, chosen if isinstance(chosen, int) else None)
        if chosen is None and event.matching and not self.gallery.currentIndex().isValid():
            self.gallery.setCurrentIndex(self.gallery.pictures.index(0))
        self._show_soon()

    def on_explanation(self, event: Explanation) -> None:
        """Take an explanation, whole or coarse."""
        automatic = not self._state.asked_by_hand()
        if not self._state.take_answer(event):
            return
        self._maps_old = True
        self.controls.set_class_names(event.class_names)
        if automatic:
            self.mark_dirty()
        else:
            self._show_soon()

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
        self._say(say(event.notice))
        if by_hand or self._state.explain is None:
            self._show_soon()

    def on_slice(self, event: TrainingSlice) -> None:
        """Note that the lanes have moved on."""
        if self._state.take_slice(event):
            self.mark_dirty()

    # ---- what may be refreshed unasked ----------------------------------------------------

    def automatic_request(self) -> Explain | None:
        """Return the request that refreshes the maps, if that is due and cheap; it counts as sent."""
        explained = self._state.explained
        seen = self.area.isVisible() and not self.area.visibleRegion().isEmpty()
        if explained is None or not seen or not self.controls.chosen_method().one_pass:
            return None
        return self._state.again()

    def automatic_browse(self) -> BrowsePictures | None:
        """Return the request that predicts the pictures in view again; it counts as sent.

        Only where that does not move pictures about: all of them, in their own order.
        """
        state = self._state
        seen = self.gallery.isVisible() and not self.gallery.visibleRegion().isEmpty()
        if not seen or state.browse is not None or self.filter.chosen_source() != LANES:
            return None
        oldest = self.gallery.pictures.oldest(*self.gallery.rows_in_view())
        if self.filter.chosen_kind() != "all" or oldest is None or state.step is None:
            return None
        offset, step = oldest
        return state.ask_page(self.filter.request(offset)) if state.step > (step or 0) else None

    # ---- painting -------------------------------------------------------------------------

    def refresh(self) -> None:
        if self._maps_old:
            self._maps_old = False
            self.area.show_subjects(self._subjects())
            self._draw_maps()
        state = self._state
        for view in self.area.views:
            view.set_now(state.step if self.filter.chosen_source() == LANES else None, self._over_picture())
        self._caption.setText(caption(state.explanation, self._chosen_name(), self._brought))
        self._status.setText(status(state, self.gallery.pictures.rowCount()))
        self._hint.setText(hint(state, self.filter.chosen_source(), self._references))
        self.gallery.say_empty(no_pictures(state, self.filter.chosen_kind()))
        for label in (self._status, self._hint, self._message, self._caption):
            label.setVisible(bool(label.text()))

    def set_theme(self, theme: Theme) -> None:
        self.filter.set_theme(theme)
        self.gallery.set_theme(theme)
        self.area.set_theme(theme)
