"""The engine without a window, for `bench window`: the same run, records and evaluations."""

import tempfile
import time
from pathlib import Path

from core.engine import Engine
from core.messages import Event, LibrariesLoaded, Setup, TrainingSlice
from core.settings import default_run

SPAN = 5.0


def steps_per_second(seconds: float, settle: int) -> list[float]:
    """Train the default twins for so long; return rates over spans of about five seconds."""
    step = 0
    loaded = False

    def take(event: Event) -> None:
        nonlocal step, loaded
        if isinstance(event, TrainingSlice):
            step = event.first_step + event.steps - 1
        loaded = loaded or isinstance(event, LibrariesLoaded)

    found: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(take)
        engine.record_to(Path(folder) / "run")
        engine.open()
        engine.submit(Setup(default_run(False)))
        while step < settle or not loaded:
            engine.tick(0)
        began = last = time.perf_counter()
        first = step
        while last - began < seconds:
            engine.tick(0)
            now = time.perf_counter()
            if now - last >= SPAN or now - began >= seconds:
                found.append((step - first) / (now - last))
                last, first = now, step
        engine.close()
    return found
