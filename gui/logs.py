"""Where faults and Qt's messages go: one rotating file in the user's data folder."""

import faulthandler
import logging
import sys
import threading
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

from core.paths import data_folder

log = logging.getLogger("skipscope")
_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}


def log_file() -> Path:
    """Return the path of the log."""
    return data_folder() / "log" / "skipscope.log"


def set_up_logging() -> None:
    """Send faults of every thread, crashes and Qt's messages to the log file (and stderr)."""
    path = log_file()
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(
            RotatingFileHandler(path, maxBytes=2_000_000, backupCount=5, encoding="utf-8", delay=True)
        )
        # the file must stay open for as long as the process may crash
        faulthandler.enable(path.with_suffix(".crash").open("a"))
    except OSError as error:
        sys.stderr.write(f"skipscope: no log file: {error}\n")
        faulthandler.enable()
    handlers[0].setLevel(logging.WARNING)
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    sys.excepthook = _on_exception
    threading.excepthook = _on_thread_exception
    qInstallMessageHandler(_on_qt_message)


def _on_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.error("unexpected fault", exc_info=(kind, error, trace))


def _on_thread_exception(hook: threading.ExceptHookArgs) -> None:
    if hook.exc_value is not None:
        _on_exception(hook.exc_type, hook.exc_value, hook.exc_traceback)


def _on_qt_message(kind: QtMsgType, _context: QMessageLogContext, text: str) -> None:
    log.log(_LEVELS.get(kind, logging.WARNING), "Qt: %s", text)
