"""Writes what a plot or a drawing shows to a file: SVG, PNG or CSV, by the ending of its name."""

import csv
import io
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Protocol, TypeAlias

from PySide6.QtCore import QBuffer, QCoreApplication, QIODevice, QRect, QRectF, QSize
from PySide6.QtGui import QColor, QImage, QPainter, QTextDocument
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QFileDialog, QWidget

from core.files import write_atomically
from core.history import Cell
from gui.ask import ask_name
from gui.plot_canvas import PlotCanvas
from gui.theme import Theme

Table: TypeAlias = tuple[Sequence[str], Sequence[Sequence[Cell]]]  # head and rows

KINDS = ("svg", "png", "csv")
_SHARP = 2  # pixels of a PNG per pixel of the screen
_MARGIN = 6


class Drawing(Protocol):
    """What is no plot, but can be drawn whole at its own size."""

    theme: Theme

    def drawing_size(self) -> QSize:
        """Return how much room the whole of it needs."""

    def draw_whole(self, painter: QPainter) -> None:
        """Draw the whole of it."""

    def accessibleName(self) -> str:  # noqa: N802
        """Return what it is."""

    def accessibleDescription(self) -> str:  # noqa: N802
        """Return what it shows."""


def export_dialog(
    canvas: PlotCanvas | Drawing, table: Callable[[], Table], told: Callable[[str], None]
) -> QFileDialog:
    """Ask where to; `told` gets a sentence on what became of it. The ending is added by itself."""
    parent = canvas if isinstance(canvas, QWidget) else None
    words = (
        QCoreApplication.translate("PlotExport", "Drawing (*.svg)"),
        QCoreApplication.translate("PlotExport", "Picture (*.png)"),
        QCoreApplication.translate("PlotExport", "Table (*.csv)"),
    )
    return ask_name(
        parent, QCoreApplication.translate("PlotExport", "Export"), dict(zip(KINDS, words, strict=True)),
        lambda name: told(export(canvas, table(), Path(name))),
    )  # fmt: skip


def export(canvas: PlotCanvas | Drawing, table: Table, path: Path) -> str:
    """Write a plot or a drawing (no ending, or an unknown one: as SVG) and say what became of it."""
    if path.suffix.lower().lstrip(".") not in KINDS:
        path = path.with_name(f"{path.name}.{KINDS[0]}")
    try:
        match path.suffix.lower():
            case ".csv":
                write_atomically(path, _csv(table))
            case ".png":
                write_atomically(path, _png(canvas))
            case _:
                write_atomically(path, _svg(canvas))
    except OSError as error:
        words = QCoreApplication.translate("PlotExport", "{path} could not be written: {why}")
        return words.format(path=path, why=error.strerror or str(error))
    return QCoreApplication.translate("PlotExport", "Written: {path}").format(path=path)


def as_text(table: Table) -> str:
    """A table as lines of cells between tabs, which every spreadsheet takes from the clipboard."""
    head, rows = table
    return "\n".join("\t".join(str(cell) for cell in row) for row in (head, *rows))


def _csv(table: Table) -> bytes:
    head, rows = table
    text = io.StringIO(newline="")
    csv.writer(text).writerows((head, *rows))
    return text.getvalue().encode("utf-8", "backslashreplace")


def _png(canvas: PlotCanvas | Drawing) -> bytes:
    size = canvas.size() if isinstance(canvas, PlotCanvas) else canvas.drawing_size()
    image = QImage(size * _SHARP, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(_SHARP)
    if isinstance(canvas, PlotCanvas):
        canvas.render(image)
    else:
        image.fill(QColor(canvas.theme.background))
        painter = QPainter(image)
        canvas.draw_whole(painter)
        painter.end()
    buffer = _buffer()
    if not image.save(buffer, "PNG"):  # type: ignore[call-overload]
        raise OSError(QCoreApplication.translate("PlotExport", "the picture could not be saved"))
    return bytes(buffer.data().data())


def _svg(canvas: PlotCanvas | Drawing) -> bytes:
    """Render the plot through Qt's own generator: pyqtgraph's exporter fails with PySide6 6.11."""
    buffer = _buffer()
    if isinstance(canvas, PlotCanvas):
        _draw_plot(canvas, buffer)
        return bytes(buffer.data().data())
    size = canvas.drawing_size()
    generator = _generator(canvas, buffer, size)
    painter = QPainter(generator)
    painter.fillRect(QRect(0, 0, size.width(), size.height()), QColor(canvas.theme.background))
    canvas.draw_whole(painter)
    painter.end()
    return bytes(buffer.data().data())


def _buffer() -> QBuffer:
    """Memory that Qt writes into: the file is then written whole or not at all, and Qt hides no error."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    return buffer


def _generator(canvas: PlotCanvas | Drawing, buffer: QBuffer, size: QSize) -> QSvgGenerator:
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    if isinstance(canvas, QWidget):
        generator.setResolution(canvas.logicalDpiX())  # else what pyqtgraph has cached is scaled
    generator.setSize(size)
    generator.setViewBox(QRect(0, 0, size.width(), size.height()))
    generator.setTitle(canvas.accessibleName())
    generator.setDescription(canvas.accessibleDescription())
    return generator


def _draw_plot(canvas: PlotCanvas, buffer: QBuffer) -> None:
    head = _heading(canvas)
    top = round(head.size().height())
    size = QSize(canvas.width(), canvas.plot.height() + top)
    generator = _generator(canvas, buffer, size)
    painter = QPainter(generator)
    painter.fillRect(QRect(0, 0, size.width(), size.height()), QColor(canvas.theme.background))
    painter.save()
    painter.translate(_MARGIN, 0)
    head.drawContents(painter)
    painter.restore()
    canvas.plot.render(painter, QRectF(0, top, canvas.plot.width(), canvas.plot.height()))
    painter.end()


def _heading(canvas: PlotCanvas) -> QTextDocument:
    """The plot's title as a text that can be painted anywhere."""
    document = QTextDocument()
    document.setDocumentMargin(2)
    document.setDefaultFont(canvas.title.font())
    document.setTextWidth(canvas.width() - 2 * _MARGIN)
    color = escape(canvas.theme.text)
    document.setHtml(f"<div style='color:{color}'>{canvas.title.text()}</div>")
    return document
