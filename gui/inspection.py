"""The docks beside the pictures: how predictions compare with the classes, how far a map can be trusted."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from core.messages import (
    Assessed,
    Cancel,
    Evaluate,
    Event,
    Explain,
    Explanation,
    Failed,
    Judged,
    Progress,
    References,
    RunStarted,
    TrainingSlice,
)

if TYPE_CHECKING:  # a panel's module is loaded when the panel is needed
    from gui.confusion_panel import ConfusionPanel
    from gui.main_window import MainWindow
    from gui.pictures_panel import PicturesPanel
    from gui.subject import Shown
    from gui.trust_panel import TrustPanel


class Inspection(QObject):
    """Adds these docks to a window, and passes on between them and the pictures."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self._window = window
        self._asked: Explain | None = None  # the question whose answer is waited for or shown
        self._trust: TrustPanel | None = None
        docks = window.docks
        docks.add("confusion", self.tr("Confusion"), self._make_confusion, feed_confusion, extra=True)
        docks.add("trust", self.tr("Trust"), self._make_trust, feed_trust, extra=True)

    def serve(self, pictures: "PicturesPanel") -> None:
        """Take what the pictures ask for."""
        submit = self._window.submit
        pictures.browse_requested.connect(submit)
        pictures.explain_requested.connect(self.explain)
        pictures.album_requested.connect(submit)
        pictures.judge_requested.connect(submit)
        pictures.cancel_requested.connect(lambda request: submit(Cancel(request)))
        pictures.evaluate_requested.connect(lambda: submit(Evaluate()))
        pictures.figure_requested.connect(self.show_figure)

    def explain(self, request: Explain) -> None:
        """Ask the engine, and remember the question for the checks of its answer."""
        self._asked = request
        self._tell_question()
        self._window.submit(request)

    def show_figure(self, shown: "list[Shown]") -> None:
        """Offer maps as a figure for print."""
        from gui.figure_dialog import FigureDialog
        from gui.figure_export import frames_of

        pictures = self._window.pictures
        frames = frames_of(shown, pictures.picture_words(), pictures.network_words())
        FigureDialog(frames, lambda text, bad: self._window.tell(text, bad=bad), self._window).open()

    # ---- making -----------------------------------------------------------------------------

    def _make_confusion(self) -> "ConfusionPanel":
        from gui.confusion_panel import ConfusionPanel

        panel = ConfusionPanel()
        panel.filter_requested.connect(self._show_cell)
        panel.source_requested.connect(lambda source, album: self._window.pictures.show_source(source, album))
        panel.judge_requested.connect(self._window.submit)
        panel.cancel_requested.connect(lambda request: self._window.submit(Cancel(request)))
        panel.said.connect(self._window.tell)
        return panel

    def _show_cell(self, network: int, label: int, predicted: int) -> None:
        self._window.show_panel("pictures")
        self._window.pictures.filter_cell(network, label, predicted)

    def _make_trust(self) -> "TrustPanel":
        from gui.trust_panel import TrustPanel

        self._trust = TrustPanel()
        self._trust.assess_requested.connect(self._window.submit)
        self._trust.cancel_requested.connect(lambda request: self._window.submit(Cancel(request)))
        self._trust.said.connect(self._window.tell)
        QTimer.singleShot(0, self._tell_question)  # once the panel knows the run
        return self._trust

    def _tell_question(self) -> None:
        if self._trust is not None and self._asked is not None:
            self._trust.set_question(self._asked)


def feed_confusion(panel: "ConfusionPanel", event: Event) -> None:
    """Pass an event on to the confusion matrix."""
    match event:
        case RunStarted():
            panel.start_run(event)
        case Judged():
            panel.on_judged(event)
        case Progress():
            panel.on_progress(event)
        case References():
            panel.forget_source(event.names)
        case Failed():
            panel.on_failed(event)
        case _:
            pass


def feed_trust(panel: "TrustPanel", event: Event) -> None:
    """Pass an event on to the checks of trust."""
    match event:
        case RunStarted():
            panel.start_run(event)
        case Explanation():
            panel.on_explanation(event)
        case Assessed():
            panel.on_assessed(event)
        case TrainingSlice():
            panel.add_slice(event)
        case Failed():
            panel.on_failed(event)
        case _:
            pass
