"""How far a run is: in words, and as a strip of text over a bar; and a value under its caption."""

import math

from PySide6.QtCore import QCoreApplication, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLabel, QProgressBar, QSizePolicy, QVBoxLayout, QWidget

from gui.setting_grid import paint_text
from gui.theme import Theme
from gui.wording import display_locale, whole

SMOOTHING = 0.3  # weight of the newest slice in the speed that the time left is made from
BAR_STEPS = 1000
GAP = 8
BAR_HEIGHT = 8
LEAST_ASIDE = 70


def smoothed(before: float, images_per_second: float) -> float:
    """Return the speed after one more slice; the first one stands for itself."""
    if not (math.isfinite(images_per_second) and images_per_second > 0):
        return before
    return images_per_second if before == 0 else before + SMOOTHING * (images_per_second - before)


def time_left(seconds: float) -> str:
    """Return a time as a person would say it; rough, so that it does not flicker."""
    if not math.isfinite(seconds):
        return ""
    if seconds < 10:
        return QCoreApplication.translate("RunBar", "a few seconds left")
    if seconds < 55:
        words, amount = QCoreApplication.translate("RunBar", "about {count} s left"), 5 * round(seconds / 5)
    elif seconds < 90 * 60:
        words, amount = QCoreApplication.translate("RunBar", "about {count} min left"), round(seconds / 60)
    else:
        words, amount = QCoreApplication.translate("RunBar", "about {count} h left"), round(seconds / 3600)
    return words.format(count=whole(max(amount, 1)))


def step_words(step: int, planned: int) -> str:
    """Return where a run stands, in steps."""
    words = QCoreApplication.translate("RunBar", "step {step} of {planned}")
    return words.format(step=whole(step), planned=whole(planned))


def epoch_words(step: int, steps_per_epoch: int) -> str:
    """Return where a run stands, in epochs."""
    epochs = step / max(steps_per_epoch, 1)
    words = QCoreApplication.translate("RunBar", "epoch {epoch}")
    return words.format(epoch=display_locale().toString(epochs, "f", 1))


class ProgressStrip(QWidget):
    """One line of text over a thin bar; parts that do not fit are left out and stand in the tooltip.

    It places its children itself: what fits depends on the width alone, never on a layout's mood.
    """

    def __init__(self) -> None:
        super().__init__()
        self.text = _plain_label(self)
        self.aside = _plain_label(self)
        self.aside.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.bar = QProgressBar(self)
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(self.tr("Progress of the run"))
        self._parts = ("", "", "")
        self._widest = ("", "", "")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_parts(self, main: str, more: str, aside: str, widest: tuple[str, str, str]) -> None:
        """Show texts; `widest` is the room to keep for each, so that growing numbers move nothing."""
        if (main, more, aside) != self._parts or widest != self._widest:
            self._parts, self._widest = (main, more, aside), widest
            self.setToolTip(" · ".join(part for part in self._parts if part))
            self._fit()

    def show_fraction(self, fraction: float | None) -> None:
        """Show how much is done; None shows that something is under way."""
        self.bar.setRange(0, 0 if fraction is None else BAR_STEPS)
        if fraction is not None:
            self.bar.setValue(round(BAR_STEPS * min(max(fraction, 0.0), 1.0)))

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        paint_text(self.aside, theme.muted)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, self.fontMetrics().height() + GAP + BAR_HEIGHT)

    def sizeHint(self) -> QSize:
        return self.minimumSizeHint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        main, more, aside = self._parts
        main_room, more_room, aside_room = (self._measure(text) for text in self._widest)
        beside = self.width() - main_room - GAP  # what the main text leaves for the words at its right
        wanted = max(self._measure(aside), aside_room) if aside else 0
        given = 0 if beside < min(wanted, LEAST_ASIDE) else min(wanted, beside)
        left = self.width() - (given + GAP if given else 0)
        fits = bool(more) and self._measure(" · ") + main_room + more_room <= left
        elide, right = self.fontMetrics().elidedText, Qt.TextElideMode.ElideRight
        self.text.setText(elide(f"{main} · {more}" if fits else main, right, left))
        self.aside.setText(elide(aside, right, given))
        self._place(left, given)

    def _place(self, left: int, given: int) -> None:
        line = self.fontMetrics().height()
        top = (self.height() - line - 4 - BAR_HEIGHT) // 2
        self.text.setGeometry(0, top, left, line)
        self.aside.setGeometry(self.width() - given, top, given, line)
        self.bar.setGeometry(0, top + line + 4, self.width(), BAR_HEIGHT)

    def _measure(self, text: str) -> int:
        # A pixel more than the advance: elidedText cuts at the exact width where glyphs end in between.
        return self.fontMetrics().horizontalAdvance(text) + 2 if text else 0


class Readout(QWidget):
    """A value under its caption, as wide as its widest value."""

    def __init__(self, caption: str, widest: str) -> None:
        super().__init__()
        self.caption = _plain_label()
        self.caption.setText(caption)
        font = self.caption.font()
        font.setPointSizeF(font.pointSizeF() * 0.88)
        self.caption.setFont(font)
        self.value = _plain_label()
        self.value.setAccessibleName(caption)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(1)
        layout.addWidget(self.caption)
        layout.addWidget(self.value)
        self.keep_room_for(widest)

    def keep_room_for(self, widest: str) -> None:
        """Fix the width."""
        value = self.value.fontMetrics().horizontalAdvance(widest)
        self.setFixedWidth(max(value, self.caption.sizeHint().width()) + 2)

    def show_value(self, text: str) -> None:
        """Show a value."""
        if self.value.text() != text:
            self.value.setText(text)

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        paint_text(self.caption, theme.muted)


def _plain_label(parent: QWidget | None = None) -> QLabel:
    label = QLabel(parent)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label
