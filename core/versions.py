"""Which versions are at work, for About, records and bug reports. Imports none of the packages."""

import platform
from importlib import metadata

PACKAGES = (
    "skipscope",
    "torch",
    "torchvision",
    "captum",
    "PySide6-Essentials",
    "pyqtgraph",
    "numpy",
    "pillow",
)


def versions() -> tuple[tuple[str, str], ...]:
    """Return (name, version) of Python and the packages that are installed."""
    found = [("Python", platform.python_version())]
    for package in PACKAGES:
        try:
            found.append((package, metadata.version(package)))
        except metadata.PackageNotFoundError:
            continue
    return tuple(found)
