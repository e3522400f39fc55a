"""Writes what a plot shows to a file: SVG, PNG or CSV, by the ending of its name."""

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import TypeAlias

from PySide6.QtCore import QCoreApplication, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QTextDocument
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QFileDialog

from core.history import Cell, write_csv
from gui.plot_canvas import PlotCanvas

Table: TypeAlias = tuple[Sequence[str], Sequence[Sequence[Cell]]]  # head and rows

KINDS = ("svg", "png", "csv")
_SHARP = 2  # pixels of a PNG per pixel of the screen
_MARGIN = 6


def export_dialog(canvas: PlotCanvas, table: Callable[[], Table], told: Callable[[str], None]) -> QFileDialog:
    """Ask where to; `told` gets a sentence on what became of it. The ending is added by itself."""
    dialog = QFileDialog(canvas, QCoreApplication.translate("PlotExport", "Export"))
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    filters = (
        QCoreApplication.translate("PlotExport", "Drawing (*.svg)"),
        QCoreApplication.translate("PlotExport", "Picture (*.png)"),
        QCoreApplication.translate("PlotExport", "Table (*.csv)"),
    )
    dialog.setNameFilters(filters)
    dialog.setDefaultSuffix(KINDS[0])
    dialog.filterSelected.connect(lambda chosen: dialog.setDefaultSuffix(KINDS[filters.index(chosen)]))
    dialog.fileSelected.connect(lambda name: told(export(canvas, table(), Path(name))))
    dialog.open()
    return dialog


def export(canvas: PlotCanvas, table: Table, path: Path) -> str:
    """Write a plot (no ending, or an unknown one: as SVG) and say what became of it."""
    if path.suffix.lower().lstrip(".") not in KINDS:
        path = path.with_name(f"{path.name}.{KINDS[0]}")
    try:
        match path.suffix.lower():
            case ".csv":
                write_csv(path, *table)
            case ".png":
                _write_png(canvas, path)
            case _:
                _write_svg(canvas, path)
    except OSError as error:
        words = QCoreApplication.translate("PlotExport", "{path} could not be written: {why}")
        return words.format(path=path, why=error.strerror or str(error))
    return QCoreApplication.translate("PlotExport", "Written: {path}").format(path=path)


def as_text(table: Table) -> str:
    """A table as lines of cells between tabs, which every spreadsheet takes from the clipboard."""
    head, rows = table
    return "\n".join("\t".join(str(cell) for cell in row) for row in (head, *rows))


def _write_png(canvas: PlotCanvas, path: Path) -> None:
    _touch(path)
    image = QImage(canvas.size() * _SHARP, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(_SHARP)
    canvas.render(image)
    if not image.save(str(path)):
        raise OSError(QCoreApplication.translate("PlotExport", "the picture could not be saved"))


def _write_svg(canvas: PlotCanvas, path: Path) -> None:
    """Render the plot through Qt's own generator: pyqtgraph's exporter fails with PySide6 6.11."""
    _touch(path)
    head = _heading(canvas)
    top = round(head.size().height())
    size = QSize(canvas.width(), canvas.plot.height() + top)
    generator = QSvgGenerator()
    generator.setFileName(str(path))
    generator.setResolution(canvas.logicalDpiX())  # else what pyqtgraph has cached is scaled
    generator.setSize(size)
    generator.setViewBox(QRect(0, 0, size.width(), size.height()))
    generator.setTitle(canvas.accessibleName())
    generator.setDescription(canvas.accessibleDescription())
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


def _touch(path: Path) -> None:
    """Fail with the system's reason where the file cannot be written; Qt would keep it to itself."""
    path.open("wb").close()
