"""Twenty thousand steps in the real window: what is kept must not grow with them. Run with `-m soak`."""

import argparse
import faulthandler
import os
import time
from pathlib import Path

import psutil
import pytest
from PySide6.QtCore import QEventLoop, QTimer

from core.messages import TrainingSlice
from core.settings import NetworkSettings, RunSettings, twins
from gui.app import make_application, open_window


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_memory_stays_flat_over_20000_steps(tmp_path: Path) -> None:
    faulthandler.cancel_dump_traceback_later()  # longer than any test else
    os.environ["SKIPSCOPE_DATA_DIR"] = str(tmp_path)
    make_application()
    window = open_window(argparse.Namespace(run=None, lesson=None, files=[]))
    window.resize(1920, 1080)
    window.show()
    window.reset_layout()
    settings = RunSettings(lanes=twins(NetworkSettings(width=4)), image_size=8, batch_size=8, steps=20_000)
    process = psutil.Process()
    readings: dict[int, int] = {}
    loop = QEventLoop()
    began = time.monotonic()

    step = 0

    def watch(event: object) -> None:
        nonlocal step
        if isinstance(event, TrainingSlice) and window.run_steps == 20_000:
            step = event.first_step + event.steps - 1
            if step // 1000 not in readings:
                readings[step // 1000] = process.memory_info().rss
            if step >= 20_000:
                loop.quit()

    window.event_seen.connect(watch)
    QTimer.singleShot(8000, lambda: window.begin(settings))
    QTimer.singleShot(1_700_000, loop.quit)
    loop.exec()
    window.close()
    assert step >= 20_000, f"{step} steps in {time.monotonic() - began:.0f} s"
    growth = (max(readings[20], readings[19]) - readings[1]) / 1e6
    assert growth < 50, {key: round(value / 1e6) for key, value in readings.items()}
