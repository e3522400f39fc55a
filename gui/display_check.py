"""Can a window be opened at all? Asked before Qt, which would abort instead of saying so."""

import ctypes
import os
import subprocess
import sys

from core.notices import SkipscopeError

# library -> Debian/Ubuntu package, Fedora package
_LIBRARIES = {
    "libEGL.so.1": ("libegl1", "libglvnd-egl"),
    "libGL.so.1": ("libgl1", "libglvnd-glx"),
    "libfontconfig.so.1": ("libfontconfig1", "fontconfig"),
    "libdbus-1.so.3": ("libdbus-1-3", "dbus-libs"),
}
_X_LIBRARIES = {
    "libxkbcommon-x11.so.0": ("libxkbcommon-x11-0", "libxkbcommon-x11"),
    "libxcb-cursor.so.0": ("libxcb-cursor0", "xcb-util-cursor"),
    "libxcb-icccm.so.4": ("libxcb-icccm4", "xcb-util-wm"),
    "libxcb-image.so.0": ("libxcb-image0", "xcb-util-image"),
    "libxcb-keysyms.so.1": ("libxcb-keysyms1", "xcb-util-keysyms"),
    "libxcb-randr.so.0": ("libxcb-randr0", "libxcb"),
    "libxcb-render-util.so.0": ("libxcb-render-util0", "xcb-util-renderutil"),
    "libxcb-shape.so.0": ("libxcb-shape0", "libxcb"),
    "libxcb-xfixes.so.0": ("libxcb-xfixes0", "libxcb"),
}


class DisplayError(SkipscopeError):
    """A window cannot be opened here."""


def has_display() -> bool:
    """Whether a display is named at all (only Linux needs one named)."""
    if not sys.platform.startswith("linux"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def check_display() -> None:
    """Raise DisplayError if libraries are missing or the named display does not answer."""
    if not sys.platform.startswith("linux"):
        return
    platform = os.environ.get("QT_QPA_PLATFORM", "").split(":")[0].split(";")[0]
    _check_libraries(_LIBRARIES)
    if platform in ("offscreen", "minimal"):
        return
    if platform == "xcb" and not os.environ.get("DISPLAY"):
        raise DisplayError("QT_QPA_PLATFORM is xcb, but DISPLAY names no display")
    if platform in ("", "xcb") and os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        _check_libraries(_X_LIBRARIES)
        _check_x11()
    else:
        _try_in_child()


def _try_in_child() -> None:
    """Let another process try: where Qt cannot open its platform, it aborts."""
    code = "from PySide6.QtGui import QGuiApplication; QGuiApplication([])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=30)
    if done.returncode:
        name = " ".join(
            f"{key}={os.environ[key]}"
            for key in ("QT_QPA_PLATFORM", "WAYLAND_DISPLAY", "DISPLAY") if os.environ.get(key)
        )  # fmt: skip
        raise DisplayError("the display does not answer ({name})", name=name)


def _check_libraries(wanted: dict[str, tuple[str, str]]) -> None:
    missing = [packages for library, packages in wanted.items() if not _loads(library)]
    if missing:
        raise DisplayError(
            "Qt needs system libraries that are not installed: apt install {apt}  (or: dnf install {dnf})",
            apt=" ".join(sorted({package for package, _ in missing})),
            dnf=" ".join(sorted({package for _, package in missing})),
        )


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _check_x11() -> None:
    """Knock with xcb itself: unlike Qt, it answers with an error instead of aborting the process."""
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        raise DisplayError(
            "Qt needs system libraries that are not installed: apt install libxcb1  (or: dnf install libxcb)"
        ) from None
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    xcb.xcb_connection_has_error.argtypes = [ctypes.c_void_p]
    xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(None, None)
    failed = xcb.xcb_connection_has_error(connection)
    xcb.xcb_disconnect(connection)
    if failed:
        raise DisplayError("the display {name} does not answer", name=os.environ["DISPLAY"])
