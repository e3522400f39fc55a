"""`attribute --report`: what a checkpoint looks at in many pictures, as one page."""

import argparse
import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.attribution import Result, attribute_in_pieces, probabilities, unsuitable
from core.checkpoint import Checkpoint
from core.export_attribution import CLASSLESS, parameter_words, strengths_words
from core.exports import written_in_parts
from core.folder_walk import FolderWalk
from core.foreign import title
from core.headless.arguments import UsageError
from core.headless.interrupt import Interrupt
from core.headless.map_question import asked_parameters, seen_picture
from core.headless.output import ProgressLine, emit, say
from core.headless.reading import label_of, open_checkpoint
from core.map_picture import diverging
from core.methods import METHODS, Parameters
from core.notices import SkipscopeError
from core.overlay import Overlay, Pixels, draw
from core.report import (
    LOOK,
    Foot,
    Head,
    MapCell,
    MethodHead,
    PictureRow,
    page_begin,
    page_end,
    page_picture,
)
from core.settings import NetworkSettings
from core.snapshot import Snapshot, snapshot

TOP = 5
_NAMED = 12  # classes that the head lists


@dataclass(frozen=True, slots=True)
class _File:
    """A picture that was asked for."""

    path: str
    shown: str  # its name on the page


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """What is the same for all pictures."""

    options: argparse.Namespace
    methods: tuple[str, ...]  # that are right for this network
    opened: Checkpoint
    network: Snapshot
    interrupt: Interrupt


@dataclass(slots=True)
class _Done:
    """What has become of the pictures so far."""

    pictures: int = 0
    left: int = 0
    unreadable: list[tuple[_File, str]] = field(default_factory=list)


def report(options: argparse.Namespace, methods: tuple[str, ...]) -> int:
    """Write the page; an interrupt closes it after the last whole picture. Raises SkipscopeError."""
    out = Path(options.report)
    _check_out(out)
    done = _Done()
    files = _files(options.images, done)
    opened = open_checkpoint(options)
    _check_target(options.target, opened)
    network = snapshot(opened.network())
    parameters = asked_parameters(options, methods, opened.settings, opened.transform.size)
    reasons = {
        method: str(reason)
        for method in methods
        if (reason := unsuitable(network, method, parameters[method]))
    }
    suitable = tuple(method for method in methods if method not in reasons)
    if not suitable:
        raise UsageError("{reason}", reason=reasons[methods[0]])
    heads = tuple(
        _method_head(method, parameters[method], opened.settings, reasons.get(method, ""))
        for method in methods
    )
    began = time.perf_counter()
    with Interrupt() as interrupt:
        import captum.attr  # noqa: F401 - a second, which is not the first map's

        asked = _Asked(options, suitable, opened, network, interrupt)
        with written_in_parts(out) as page:
            page.write(page_begin(_head(options, opened, heads, len(files))).encode())
            for part in _pictures(asked, files, done):
                page.write(part.encode())
            if not done.pictures and not interrupt.asked:
                raise UsageError(
                    "none of the pictures can be read; the first: {reason}", reason=done.unreadable[0][1]
                )
            seconds = time.perf_counter() - began
            broken = [(file.shown, reason) for file, reason in done.unreadable]
            page.write(page_end(Foot(done.pictures, done.left, seconds, broken, interrupt.asked)).encode())
    _say(options, suitable, done, seconds, interrupt.asked)
    return 130 if interrupt.asked else 0


def _say(
    options: argparse.Namespace, methods: Sequence[str], done: _Done, seconds: float, interrupted: bool
) -> None:
    if not options.json:
        broken = f", {len(done.unreadable)} not readable" if done.unreadable else ""
        say(f"{options.report}: {done.pictures} pictures{broken}, {seconds:.1f} s")
        return
    unreadable = [
        {"image": file.path.encode("utf-8", "replace").decode(), "reason": reason}
        for file, reason in done.unreadable
    ]
    made = {
        "report": options.report, "pictures": done.pictures, "methods": methods, "seconds": seconds,
        "unreadable": unreadable,
    }  # fmt: skip
    emit({**made, "interrupted": True} if interrupted else made)


# ---- what is asked --------------------------------------------------------------------------


def _check_out(out: Path) -> None:
    """Find what is wrong before anything is computed."""
    if out.suffix.lower() not in (".html", ".htm"):
        raise UsageError("--report must end in .html, not {name}", name=out.name)
    if out.is_dir():
        raise UsageError("--report needs the name of a file, not of a folder: {path}", path=out)
    if not out.parent.is_dir():
        raise UsageError("{path} cannot be written: there is no folder {folder}", path=out, folder=out.parent)


def _check_target(target: int | None, opened: Checkpoint) -> None:
    last = opened.settings.classes - 1
    if target is not None and not 0 <= target <= last:
        raise UsageError("target must be a class from 0 to {last}, not {value}", last=last, value=target)


def _files(paths: Sequence[str], done: _Done) -> list[_File]:
    """Return the pictures to explain: files as they are named, folders as they are sorted."""
    found: list[_File] = []
    for path in paths:
        if not os.path.lexists(path):
            raise UsageError("{path} does not exist", path=path)
        if not os.path.isdir(path):
            found.append(_File(path, Path(path).name))
            continue
        above = path if len(paths) == 1 else Path(path).absolute().parent
        walk = FolderWalk(lambda: None)
        inside = sorted(
            (each for each, status in walk.pictures(path) if _is_regular(status)), key=os.fsencode
        )
        found += [_File(each, os.path.relpath(each, above)) for each in inside]
        done.unreadable += [
            (_File(each, os.path.relpath(each, above)), "this folder may not be read")
            for each in walk.unreadable
        ]
    if not found:
        raise UsageError("there is no picture in {paths}", paths=", ".join(paths))
    return found


def _is_regular(status: os.stat_result | None) -> bool:
    """Whether it may be a picture; a link that leads nowhere may, so that it is listed as not readable."""
    return status is None or stat.S_ISREG(status.st_mode)


# ---- pictures -------------------------------------------------------------------------------


def _pictures(asked: _Asked, files: Sequence[_File], done: _Done) -> Iterator[str]:
    """Yield the page's part of each picture that can be read, until an interrupt."""
    line = ProgressLine()
    began = time.perf_counter()
    for number, file in enumerate(files):
        done.left = len(files) - number
        if asked.interrupt.asked:
            break
        if number:
            left = (time.perf_counter() - began) / number * (len(files) - number)
            line.show(f"{number} of {len(files)} pictures, about {left:.0f} s left")
        try:
            row = _picture(asked, file)
        except SkipscopeError as error:
            done.unreadable.append((file, str(error)))
            continue
        if row is None:
            break
        yield page_picture(row)
        done.pictures += 1
    else:
        done.left = 0
    line.end()


def _picture(asked: _Asked, file: _File) -> PictureRow | None:
    """Explain one picture with every method; None if interrupted. Raises SkipscopeError."""
    seen = seen_picture(file.path, asked.opened.transform)
    picture = torch.from_numpy(seen.array)
    parameters = asked_parameters(
        asked.options, asked.methods, asked.opened.settings, min(seen.array.shape[1:])
    )
    chances = probabilities(asked.network, picture)
    best = np.argsort(-np.nan_to_num(chances), kind="stable")[:TOP].tolist()
    target = best[0] if asked.options.target is None else asked.options.target
    cells: list[MapCell] = []
    for method in asked.methods:
        cell = _map(asked, picture, seen.pixels, method, target, parameters[method])
        if cell is None:
            return None
        cells.append(cell)
    top = tuple((label_of(asked.opened, index), float(chances[index])) for index in best)
    return PictureRow(file.shown, seen.pixels, tuple(map(str, seen.notes)), top, tuple(cells))


def _map(
    asked: _Asked, picture: Tensor, pixels: Pixels, method: str, target: int, parameters: Parameters
) -> MapCell | None:
    label = METHODS[method].label
    spoken = "" if method in CLASSLESS else label_of(asked.opened, target)
    whole: Result | None = None
    try:
        for result in attribute_in_pieces(asked.network, picture, method, target, parameters):
            if asked.interrupt.asked:
                return None
            whole = result
    except SkipscopeError as error:  # not right for this picture; others may be
        return MapCell(label, spoken, None, str(error))
    assert whole is not None
    overlay: Overlay = draw(pixels, whole.attribution, diverging(), LOOK)
    return MapCell(label, spoken, overlay, "", whole.completeness_error, whole.seconds)


# ---- the head -------------------------------------------------------------------------------


def _method_head(method: str, parameters: Parameters, network: NetworkSettings, reason: str) -> MethodHead:
    known = METHODS[method]
    words = parameter_words(method, parameters, [block.name for block in network.blocks])
    baseline = "measured against the zero picture" if known.baseline == "zero" else ""
    return MethodHead(known.label, known.explain, words, baseline, reason)


def _head(
    options: argparse.Namespace, opened: Checkpoint, methods: tuple[MethodHead, ...], pictures: int
) -> Head:
    network = title(opened.settings)
    target = "the class predicted" if options.target is None else label_of(opened, options.target)
    facts = [
        ("Network", network),
        ("Checkpoint", Path(options.checkpoint).name),
        ("Step", None if opened.step is None else f"{opened.step:,}"),
        ("Strengths", str(strengths_words(opened.shortcuts))),
        ("Classes", _classes(opened)),
        ("Pictures made ready", opened.transform.words()),
        ("Class explained", target),
        ("Pictures", f"{pictures:,}"),
        ("Made", datetime.now().strftime("%Y-%m-%d %H:%M")),
    ]
    return Head(
        f"What {network.split(',')[0]} looks at", tuple((name, said) for name, said in facts if said), methods
    )


def _classes(opened: Checkpoint) -> str:
    names = opened.class_names
    if names is None:
        return f"{opened.settings.classes}, without names"
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
