"""Saves maps as a figure for print (PNG, SVG) or as arrays, or copies them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from PySide6.QtCore import QBuffer, QByteArray, QCoreApplication, QIODevice, QRect, QSize
from PySide6.QtGui import QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QFileDialog, QWidget

from core.export_attribution import (
    CLASSLESS,
    MapFacts,
    json_path,
    method_words,
    parameter_words,
    strengths_words,
    write_arrays,
)
from core.files import write_atomically
from core.messages import Arrangement, Attributed, Explanation
from core.methods import METHODS
from core.notices import SkipscopeError
from core.settings import NetworkSettings
from gui.ask import ask_name
from gui.block_names import block_names
from gui.explanation_words import class_name, completeness
from gui.figure_page import DPI, FigureFrame, page, paint, rows_of, shared_caption
from gui.subject import Shown
from gui.wording import say, whole

KINDS = ("png", "svg", "npy")
_COLUMN = 45.0  # mm: of one map in a figure whose width is not chosen
_SMALLEST, _LARGEST = 60.0, 180.0  # mm: the width of such a figure

NOTHING_KNOWN: Mapping[str, str] = MappingProxyType({})
Told = Callable[[str, bool], None]  # a sentence, and whether it is bad


# ---- from what is on screen -----------------------------------------------------------------


def frames_of(
    shown: Sequence[Shown], picture: str = "", networks: Mapping[str, str] = NOTHING_KNOWN
) -> tuple[FigureFrame, ...]:
    """Return the maps on screen as frames of a figure.

    `picture` says which picture they are of, `networks` what the networks of these names are.
    """
    against = {
        each.row: each.subject.answer.target
        for each in shown
        if each.subject.answer is not None and each.subject.answer.role == "against"
    }
    return tuple(_frame(each, picture, networks, against.get(each.row)) for each in shown)


def network_words(settings: NetworkSettings) -> str:
    """Say what a network is, as in ResNet-18, width 16."""
    text = QCoreApplication.translate("Figure", "ResNet-{depth}, width {width}")
    return text.format(depth=settings.depth, width=settings.width)


def _frame(shown: Shown, picture: str, networks: Mapping[str, str], against: int | None) -> FigureFrame:
    subject = shown.subject
    answer, explanation = subject.answer, subject.explanation
    who = _who(subject.name, networks.get(subject.name, ""))
    facts: MapFacts | None = None
    caption: tuple[str, ...] = ()
    reason = ""
    if answer is not None and explanation is not None:
        network = networks.get(subject.name)
        facts = _facts(answer, explanation, picture, against)
        facts = facts if network is None else replace(facts, network=f"{facts.network}: {network}")
        caption = _caption(answer, explanation, picture, who)
        reason = "" if answer.reason is None else say(answer.reason)
    return FigureFrame(
        shown.row, subject.name, subject.hue, shown.title, subject.picture, subject.attribution, shown.look,
        shown.table, shown.scale, caption, who, reason, facts,
    )  # fmt: skip


def _facts(answer: Attributed, explanation: Explanation, picture: str, against: int | None) -> MapFacts:
    is_difference = answer.role == "difference"
    return MapFacts(
        answer.method or explanation.method, answer.parameters, answer.target,
        class_name(explanation.class_names, answer.target), answer.baseline, answer.completeness_error,
        answer.name, answer.shortcuts, explanation.transform, picture, None, explanation.step,
        against if is_difference else None, is_difference and explanation.arrangement == "switch",
    )  # fmt: skip


def _caption(answer: Attributed, explanation: Explanation, picture: str, who: str) -> tuple[str, ...]:
    """Say what a map is in parts, but for what its title says."""
    method = answer.method or explanation.method
    switched = explanation.arrangement == "switch"
    no_class = method in CLASSLESS or (answer.role == "difference" and not switched)
    parts = [
        picture,
        who,
        "" if explanation.step is None else _said_step(explanation.step),
        "" if switched else say(strengths_words(answer.shortcuts)),
        _method(method, answer, explanation.arrangement),
        "" if no_class else _said_class(class_name(explanation.class_names, answer.target)),
        _said_baseline(answer.baseline),
        completeness(answer).replace(" %", "\u00a0%"),
    ]
    return tuple(filter(None, parts))


def _who(name: str, network: str) -> str:
    if network:
        text = QCoreApplication.translate("Figure", "network {name}: {network}")
        return text.format(name=name, network=network)
    return QCoreApplication.translate("Figure", "network {name}").format(name=name)


def _said_baseline(baseline: str) -> str:
    return QCoreApplication.translate("Figure", "baseline: the zero picture") if baseline == "zero" else ""


def _said_step(step: int) -> str:
    return QCoreApplication.translate("Figure", "step {step}").format(step=whole(step))


def _said_class(name: str) -> str:
    return QCoreApplication.translate("Figure", "explains {target}").format(target=name)


def _method(method: str, answer: Attributed, arrangement: Arrangement) -> str:
    """Name a method with its parameters, but for what the title says: the method, or the block."""
    blocks = {each.name for each in METHODS[method].parameters if each.kind == "block"}
    parameters = tuple(pair for pair in answer.parameters if answer.block is None or pair[0] not in blocks)
    words = parameter_words if arrangement == "methods" else method_words
    return words(method, parameters, block_names(len(answer.shortcuts)), _said)


def _said(text: str) -> str:
    return QCoreApplication.translate("Method", text)


# ---- drawing --------------------------------------------------------------------------------


def natural_width(frames: Sequence[FigureFrame]) -> float:
    """Return a width in mm that suits the number of columns."""
    rows = rows_of(frames)
    columns = len(rows) if all(len(row) == 1 for row in rows) else max(map(len, rows))
    return min(max(_SMALLEST, _COLUMN * columns), _LARGEST)


def figure_image(frames: Sequence[FigureFrame], width_mm: float) -> QImage:
    """Draw a figure of this width at 300 dots an inch; the image is null if there is no memory for it."""
    made = page(frames, width_mm)
    image = QImage(made.width, made.height, QImage.Format.Format_RGB32)
    if image.isNull():
        return image
    image.setDotsPerMeterX(round(DPI / 0.0254))
    image.setDotsPerMeterY(round(DPI / 0.0254))
    image.setText("Description", _described(frames))
    painter = QPainter(image)
    paint(painter, made)
    painter.end()
    return image


def figure_png(frames: Sequence[FigureFrame], width_mm: float) -> bytes:
    """Return a figure as PNG; raises SkipscopeError."""
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    if not figure_image(frames, width_mm).save(buffer, "PNG"):  # type: ignore[call-overload]
        raise SkipscopeError("there is not enough memory for a figure of this size")
    return bytes(data.data())


def figure_svg(frames: Sequence[FigureFrame], width_mm: float) -> bytes:
    """Return a figure as SVG, its width and height in mm, pictures inside."""
    made = page(frames, width_mm)
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    generator.setResolution(DPI)
    generator.setSize(QSize(made.width, made.height))
    generator.setViewBox(QRect(0, 0, made.width, made.height))
    generator.setTitle(_heading(frames))
    generator.setDescription(_described(frames))
    painter = QPainter(generator)
    paint(painter, made)
    painter.end()
    return bytes(data.data())


def _heading(frames: Sequence[FigureFrame]) -> str:
    return ", ".join(dict.fromkeys(frame.row_name for frame in frames if frame.row_name))


def _described(frames: Sequence[FigureFrame]) -> str:
    return " · ".join(shared_caption(frames))


# ---- writing --------------------------------------------------------------------------------


def save(frames: Sequence[FigureFrame], path: Path, width_mm: float | None = None) -> tuple[str, bool]:
    """Write a figure or its arrays by the ending (none, or an unknown one: PNG).

    Returns what became of it in a sentence, and whether that is bad. Of several maps the arrays are
    NAME-1.npy, NAME-2.npy, …; files that are there already are not written over by these.
    """
    if path.suffix.lower().lstrip(".") not in KINDS:
        path = path.with_name(f"{path.name}.{KINDS[0]}")
    width = natural_width(frames) if width_mm is None else width_mm
    try:
        match path.suffix.lower():
            case ".npy":
                path = _write_arrays(frames, path)
            case ".svg":
                write_atomically(path, figure_svg(frames, width))
            case _:
                write_atomically(path, figure_png(frames, width))
    except SkipscopeError as error:
        return say(error.notice), True
    except OSError as error:
        words = QCoreApplication.translate("Figure", "{path} could not be written: {why}")
        return words.format(path=path, why=error.strerror or error), True
    return QCoreApplication.translate("Figure", "Written: {path}").format(path=path), False


def _write_arrays(frames: Sequence[FigureFrame], path: Path) -> Path:
    """Write every map; return the first file. Raises SkipscopeError."""
    maps = [
        (frame.attribution, frame.facts)
        for frame in frames
        if frame.attribution is not None and frame.facts is not None
    ]
    if not maps:
        raise SkipscopeError("there is no map to be written")
    paths = [path]
    if len(maps) > 1:
        paths = [path.with_name(f"{path.stem}-{number}{path.suffix}") for number in range(1, len(maps) + 1)]
    asked = {path, json_path(path)} if path.exists() else set()  # that this is written over was asked
    for each in (other for one in paths for other in (one, json_path(one))):
        if each.exists() and each not in asked:
            raise SkipscopeError("{path} is there already; choose another name", path=each)
    for (attribution, facts), each in zip(maps, paths, strict=True):
        write_arrays(each, attribution, facts)
    return paths[0]


def copy(frames: Sequence[FigureFrame], width_mm: float | None = None) -> None:
    """Put a figure on the clipboard as an image."""
    width = natural_width(frames) if width_mm is None else width_mm
    QGuiApplication.clipboard().setImage(figure_image(frames, width))


def save_dialog(
    parent: QWidget, frames: Sequence[FigureFrame], told: Told, width_mm: float | None = None
) -> QFileDialog:
    """Ask where to; `told` gets a sentence on what became of it. The ending is added by itself."""
    words = (
        QCoreApplication.translate("Figure", "Picture, 300 dots an inch (*.png)"),
        QCoreApplication.translate("Figure", "Drawing (*.svg)"),
        QCoreApplication.translate("Figure", "Arrays (*.npy)"),
    )
    return ask_name(
        parent, QCoreApplication.translate("Figure", "Save figure"), dict(zip(KINDS, words, strict=True)),
        lambda name: told(*save(frames, Path(name), width_mm)),
    )  # fmt: skip
