"""A field that narrows the gallery to the classes whose names hold what is typed."""

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtWidgets import QComboBox, QCompleter, QWidget

from gui.combo import fill, narrow_combo

PAUSE_MS = 180  # after the last key, before pictures are asked for


class ClassSearch(QComboBox):
    """Typed into, or chosen from: no class (any), one, or all whose names hold the text.

    Signals: `changed` when other classes are chosen.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        like = narrow_combo(7)
        self.setSizeAdjustPolicy(like.sizeAdjustPolicy())
        self.setMinimumContentsLength(like.minimumContentsLength())
        self.setSizePolicy(like.sizePolicy())
        like.deleteLater()
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setMaxVisibleItems(20)
        self._names: tuple[str, ...] = ()
        self._said: tuple[int, ...] | None = ()  # what was said last
        self._pause = QTimer(self, singleShot=True, interval=PAUSE_MS)
        self._pause.timeout.connect(self.say)
        field = self.lineEdit()
        assert field is not None
        self._field = field
        field.setPlaceholderText(self.tr("any class"))
        field.setClearButtonEnabled(True)
        field.textEdited.connect(lambda _text: self._pause.start())
        field.returnPressed.connect(self.say)
        field.textChanged.connect(self._on_text)
        self.currentIndexChanged.connect(self._on_row)
        self.setAccessibleName(self.tr("Class"))
        self.offer(())

    def chosen(self) -> tuple[int, ...] | None:
        """Return the classes; none of them stands for any, None means that there is no such class."""
        text = self._field.text().strip()
        return matching(text, self._names) if text else ()

    def names(self) -> tuple[str, ...]:
        """Return the classes that can be chosen."""
        return self._names

    def text(self) -> str:
        """Return what is searched for."""
        return self._field.text().strip()

    def offer(self, names: Sequence[str]) -> bool:
        """Take the classes' names; with other ones the choice goes back to any. Return whether they are others."""
        if self.count() and tuple(names) == self._names:
            return False
        self._names = tuple(names)
        fill(self, [(self.tr("any class"), None), *((name, row) for row, name in enumerate(names))], None)
        completer = QCompleter(list(self._names), self)
        completer.setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.activated.connect(lambda _text: self.say())
        self.setCompleter(completer)
        self.clear_choice()
        return True

    def clear_choice(self) -> None:
        """Go back to any class without saying so."""
        with QSignalBlocker(self):
            self.setCurrentIndex(0)
        self._field.clear()
        self._pause.stop()
        self._said = ()
        self._explain()

    def say(self) -> None:
        """Say which classes are chosen, if they are others than before."""
        self._pause.stop()
        if self.chosen() != self._said:
            self._said = self.chosen()
            self.changed.emit()

    # ---- inside ---------------------------------------------------------------------------

    def _on_row(self, row: int) -> None:
        if row == 0:
            self._field.clear()  # its text would be searched for
        self._explain()
        self.say()

    def _on_text(self, text: str) -> None:
        self._explain()
        if not text:
            self._pause.start()  # emptied by its button

    def _explain(self) -> None:
        found = self.chosen()
        if found is None:
            words = self.tr("No class is called “{text}”").format(text=self.text())
        elif not found:
            words = self.tr("Only pictures of classes whose name holds what is typed")
        else:
            words = self.tr("Only pictures of: {classes}").format(
                classes=", ".join(self._names[row] for row in found[:12]) + (", …" if len(found) > 12 else "")
            )
        self.setToolTip(words)
        self.setAccessibleDescription(words)


def matching(text: str, names: Sequence[str]) -> tuple[int, ...] | None:
    """Return the classes that are called so, else those whose names hold the text; None where there is none.

    Several texts may stand between commas, unless one name holds it all.
    """
    wanted = text.strip().casefold()
    folded = [name.casefold() for name in names]
    exact = tuple(row for row, name in enumerate(folded) if name == wanted)
    if exact:
        return exact
    within = tuple(row for row, name in enumerate(folded) if wanted in name)
    if within or "," not in wanted:
        return within or None
    parts = [part.strip() for part in wanted.split(",") if part.strip()]
    found = tuple(row for row, name in enumerate(folded) if any(part in name for part in parts))
    return found or None
