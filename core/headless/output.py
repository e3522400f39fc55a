"""How commands speak: one JSON object on stdout, progress and errors as lines on stderr."""

import json
import math
import sys
import time
from typing import Any

import numpy as np


def emit(value: Any) -> None:
    """Print one JSON document; numbers that are not finite become null."""
    sys.stdout.write(json.dumps(plain(value), allow_nan=False, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def plain(value: Any) -> Any:
    """Turn arrays, tuples and numpy numbers into what JSON holds."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return value


def say(line: str) -> None:
    """Say something on stderr."""
    sys.stderr.write(line.replace("\n", " ") + "\n")
    sys.stderr.flush()


class ProgressLine:
    """One line on stderr that is written over while it is a terminal, and now and then otherwise."""

    def __init__(self) -> None:
        self._interval = 0.2 if sys.stderr.isatty() else 5.0
        self._last = time.perf_counter()

    def show(self, line: str) -> None:
        """Show the line if the last one is old enough."""
        now = time.perf_counter()
        if now - self._last < self._interval:
            return
        self._last = now
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{line}\x1b[K")
            sys.stderr.flush()
        else:
            say(line)

    def end(self) -> None:
        """Leave the line."""
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
