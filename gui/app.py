"""Starts the window, in this order: can there be one; Qt; the window; the engine's thread; torch.

`gc.disable()`: a collection on the engine's thread would destroy widgets there, which crashes. A
timer on this thread collects instead.
"""

import argparse
import gc
import importlib
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from core.notices import SkipscopeError
from gui.display_check import check_display, has_display

COLLECT_MS = 10_000
SIGNAL_MS = 200
RUN_FILES = ("settings.json", "journal.sqlite")
DISPLAY_GONE = ("connection broke", "connection experienced a fatal error")  # in what X11 and Wayland say


def run(options: argparse.Namespace) -> int:
    """Open the window and stay until it is closed; without a display, run the demo off-screen."""
    if not has_display():
        sys.stderr.write("skipscope: there is no display here; running the demo off-screen\n")
        from core.headless.arguments import parse_command
        from gui import demo

        return demo.command(parse_command(["demo"]))
    check_display()
    _check_arguments(options)
    from gui.logs import set_up_logging

    application = make_application()
    set_up_logging()
    window = open_window(options)
    stop = keep_alive(window)
    save_when_the_display_goes(window)
    window.show()
    code = int(application.exec())
    stop()
    leave_if_stuck(window, code)
    _leave_if_busy(code)
    return code


def leave_if_stuck(window: "MainWindow", code: int) -> None:
    """End the process at once if the engine's thread did not: the journal is committed, torch is in a step."""
    if not window.engine_ended:
        sys.stderr.write("skipscope: the engine is stuck; what was committed is in the run's folder\n")
        sys.stderr.flush()
        os._exit(code)


def _leave_if_busy(code: int) -> None:
    """End the process at once while a thread imports a library: Python would end it within C++, which aborts."""
    if threading.active_count() > 1:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def save_when_the_display_goes(window: "MainWindow") -> None:
    """Save and end in the place of Qt, which would call exit() among running threads, and abort."""
    from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

    from gui.bridge import EngineBridge
    from gui.logs import log

    def take(kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
        if not any(words in text for words in DISPLAY_GONE):
            if before is not None:
                before(kind, context, text)
            return
        log.info("Qt: %s", text)
        bridge = window.findChild(EngineBridge)
        saved = bridge is None or bridge.shutdown()
        end = "the run is saved" if saved else "what was committed is in the run's folder"
        sys.stderr.write(f"skipscope: the display is gone; {end}\n")
        sys.stderr.flush()
        os._exit(1)

    before = qInstallMessageHandler(take)


def make_application() -> "QApplication":
    """Create the QApplication with what the program needs set once."""
    _check_binding()
    if sys.platform == "win32":
        # WORKAROUND https://github.com/pytorch/pytorch/issues/166628: there, torch must load before Qt
        importlib.import_module("torch")
    from PySide6.QtCore import QCoreApplication
    from PySide6.QtWidgets import QApplication

    QCoreApplication.setApplicationName("Skipscope")
    QApplication.setStyle("Fusion")
    application = QApplication.instance() or QApplication(["skipscope"])
    assert isinstance(application, QApplication)
    return application


def open_window(options: argparse.Namespace) -> "MainWindow":
    """Build the window and start the engine's thread."""
    from PySide6.QtCore import QTimer

    from gui.bridge import EngineBridge
    from gui.main_window import MainWindow

    bridge = EngineBridge(Path(options.run) if options.run else None)
    window = MainWindow(bridge, options.lesson, tuple(options.files))
    bridge.setParent(window)

    def begin() -> None:
        from gui.icons import app_icon

        bridge.start()
        window.setWindowIcon(app_icon())

    # once the window is painted: importing torch holds the interpreter
    QTimer.singleShot(0, lambda: QTimer.singleShot(0, begin))
    return window


def keep_alive(window: "MainWindow") -> "Callable[[], None]":
    """Collect garbage on this thread only, and let signals through; returns what undoes it."""
    from PySide6.QtCore import QTimer

    gc.disable()
    collector = QTimer(window)
    collector.timeout.connect(lambda: gc.collect())
    collector.start(COLLECT_MS)
    # Python handles a signal only when it runs some Python: let it, five times a second
    breath = QTimer(window)
    breath.timeout.connect(lambda: None)
    breath.start(SIGNAL_MS)

    def end(number: int, _frame: object) -> None:
        window.interrupted = number == signal.SIGINT
        QTimer.singleShot(0, window.close)  # not here: this may be in the middle of a paintEvent

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)
        gc.enable()

    return stop


def _check_arguments(options: argparse.Namespace) -> None:
    """Refuse what cannot be opened before there is a window."""
    if options.lesson is not None:
        from core.lessons import load_lesson

        load_lesson(options.lesson)
    if options.run is not None and any((Path(options.run) / name).exists() for name in RUN_FILES):
        raise SkipscopeError("{path} holds a run already", path=options.run)
    for path in options.files:
        if not Path(path).exists():
            raise SkipscopeError("there is no file or folder {path}", path=path)


def _check_binding() -> None:
    """Refuse the Qt for Python that corrupts this Python (it drops references of None and True)."""
    import PySide6

    if PySide6.__version_info__[:3] == (6, 12, 0) and sys.version_info < (3, 12):
        raise SkipscopeError(
            "PySide6 6.12.0 crashes Python {python}: pip install 'PySide6-Essentials!=6.12.0'",
            python=".".join(map(str, sys.version_info[:2])),
        )


if TYPE_CHECKING:  # names in annotations only: importing them here would cost the start its speed
    from collections.abc import Callable

    from PySide6.QtWidgets import QApplication

    from gui.main_window import MainWindow
