"""A binding that drops references of None and True aborts Python 3.11; this sees it in a second."""

import sys

import pytest
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QGraphicsRectItem, QGraphicsScene, QWidget
from pytestqt.qtbot import QtBot

TIMES = 40


class Sender(QObject):
    sent = Signal(bool)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="None and True are immortal from Python 3.12 on")
def test_references_of_none_and_true_do_not_drift(qtbot: QtBot) -> None:
    sender, scene, widget = Sender(), QGraphicsScene(), QWidget()
    qtbot.addWidget(widget)
    widget.show()
    item = QGraphicsRectItem(0, 0, 1, 1)
    sender.sent.connect(lambda _value: None)

    def exercise() -> None:
        for _ in range(TIMES):
            sender.sent.emit(True)
            widget.repaint()
            scene.addItem(item)
            scene.removeItem(item)

    exercise()
    before = sys.getrefcount(None), sys.getrefcount(True)
    exercise()
    after = sys.getrefcount(None), sys.getrefcount(True)
    for old, new in zip(before, after, strict=True):
        assert abs(new - old) / TIMES < 0.2
