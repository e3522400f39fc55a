"""What each panel is told of the engine's events: one function a panel, one line an event."""

from typing import TYPE_CHECKING

from core.messages import (
    AlbumOpened,
    Downloaded,
    EngineReady,
    Evaluation,
    Event,
    Explanation,
    Failed,
    Judged,
    PicturePage,
    Progress,
    References,
    RunStarted,
    StateChanged,
    TrainingSlice,
)

if TYPE_CHECKING:  # the window loads a panel's module when it needs the panel
    from gui.block_card import BlockCard
    from gui.curves_panel import CurvesPanel
    from gui.network_panel import NetworkPanel
    from gui.pictures_panel import PicturesPanel
    from gui.run_bar import RunBar
    from gui.setup_panel import SetupPanel


def feed_network(panel: "NetworkPanel", event: Event) -> None:
    """Pass an event on to the network panel."""
    match event:
        case RunStarted():
            panel.blockSignals(True)  # nobody has chosen a block
            panel.start_run(event)
            panel.blockSignals(False)
        case TrainingSlice():
            panel.add_slice(event)
        case Failed(request=int(request)):
            panel.drop_request(request)
        case _:
            pass


def feed_curves(panel: "CurvesPanel", event: Event) -> None:
    """Pass an event on to the curves."""
    match event:
        case RunStarted():
            panel.start_run(event)
        case TrainingSlice():
            panel.add_slice(event)
        case Evaluation():
            panel.add_evaluation(event)
        case _:
            pass


def feed_pictures(panel: "PicturesPanel", event: Event) -> None:
    """Pass an event on to the pictures panel."""
    match event:
        case RunStarted():
            panel.start_run(event)
        case TrainingSlice():
            panel.on_slice(event)
        case Evaluation():
            panel.on_evaluation(event)
        case Explanation():
            panel.on_explanation(event)
        case PicturePage():
            panel.on_page(event)
        case AlbumOpened():
            panel.on_album(event)
        case Judged():
            panel.on_judged(event)
        case Progress():
            panel.on_progress(event)
        case References():
            panel.on_references(event)
        case Failed():
            panel.on_failed(event)
        case _:
            pass


def feed_setup(panel: "SetupPanel", event: Event) -> None:
    """Pass an event on to the set-up."""
    match event:
        case EngineReady():
            panel.set_engine(event)
            panel.set_local_datasets(event.datasets)
        case Downloaded():
            panel.set_local_datasets(event.datasets)
        case RunStarted():
            panel.start_run(event)
        case _:
            pass


def feed_block(panel: "BlockCard", event: Event) -> None:
    """Pass an event on to the block card."""
    match event:
        case RunStarted():
            panel.start_run(event)
        case TrainingSlice():
            panel.add_slice(event)
        case Failed(request=int(request)):
            panel.drop_request(request)
        case _:
            pass


def feed_run_bar(bar: "RunBar", event: Event) -> None:
    """Pass an event on to the run bar."""
    match event:
        case EngineReady():
            bar.set_engine(event)
        case StateChanged():
            bar.set_state(event)
        case Progress():
            bar.on_progress(event)
        case RunStarted():
            bar.start_run(event)
        case TrainingSlice():
            bar.add_slice(event)
        case Failed(request=int(request)):
            bar.end_progress(request)
        case _:
            pass
