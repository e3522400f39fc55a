"""How words and numbers from core are shown to people."""

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QCoreApplication, QLocale

from core.notices import Notice

DIGITS = 10  # 0.1 + 0.2 is shown as 0.3


def say(notice: Notice) -> str:
    """Word a notice in the window's language."""
    return QCoreApplication.translate("Notice", notice.text).format(**_spoken(notice.values))


def display_locale() -> QLocale:
    """Return the locale numbers are shown in; the bare C locale groups no thousands, so it gives way."""
    locale = QLocale()
    return QLocale(QLocale.Language.English) if locale.language() == QLocale.Language.C else locale


def whole(number: int) -> str:
    """Return a whole number with its thousands told apart."""
    return display_locale().toString(number)


def plain(number: float) -> str:
    """Return a number as it would be typed: no grouping, as few digits as say it."""
    locale = display_locale()
    locale.setNumberOptions(QLocale.NumberOption.OmitGroupSeparator)
    if isinstance(number, int):
        return locale.toString(number)
    return locale.toString(number, "g", DIGITS)


def _spoken(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: say(value) if isinstance(value, Notice) else value for key, value in values.items()}
