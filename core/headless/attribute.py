"""`attribute`: what a checkpoint looks at in a picture, as an array or an overlay; in many, as a page."""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from core.attribution import attribute, probabilities
from core.export_attribution import MapFacts, check_array_name, write_arrays
from core.exports import write_file
from core.foreign import title
from core.headless.arguments import UsageError
from core.headless.attribution_report import report
from core.headless.map_question import asked_methods, asked_parameters, seen_picture
from core.headless.output import emit, say
from core.headless.reading import label_of, open_checkpoint
from core.map_picture import diverging, png
from core.overlay import Look, Pixels, draw
from core.snapshot import snapshot

SMALLEST_PNG = 448  # small pictures are enlarged by a whole factor to about this


def command(options: argparse.Namespace) -> int:
    """Run `attribute`."""
    methods = asked_methods(options)
    if options.report is not None:
        if options.against is not None:
            raise UsageError("--against goes with --out: a page explains one class of each picture")
        return report(options, methods)
    if len(methods) > 1:
        raise UsageError("--out takes one method; several go into a page, --report FILE.html")
    if len(options.images) > 1:
        raise UsageError("--out takes one picture; several go into a page, --report FILE.html")
    _check_out(Path(options.out))
    return _one_map(options, methods[0])


def _one_map(options: argparse.Namespace, method: str) -> int:
    out = Path(options.out)
    opened = open_checkpoint(options)
    seen = seen_picture(options.images[0], opened.transform)
    parameters = asked_parameters(options, (method,), opened.settings, min(seen.array.shape[1:]))[method]
    network = snapshot(opened.network())
    picture = torch.from_numpy(seen.array)
    target = options.target
    if target is None:
        target = int(np.argmax(probabilities(network, picture)))
    result = attribute(network, picture, method, target, parameters=parameters)
    attribution, error, seconds = result.attribution, result.completeness_error, result.seconds
    if options.against is not None:
        other = attribute(network, picture, method, options.against, parameters=parameters)
        # neither promises a sum for the difference of two classes
        attribution, error, seconds = attribution - other.attribution, None, seconds + other.seconds
    facts = MapFacts(
        method, parameters, target, label_of(opened, target), result.baseline, error,
        title(opened.settings), opened.shortcuts, opened.transform.words(), Path(options.images[0]).name,
        options.checkpoint, opened.step, options.against,
    )  # fmt: skip
    if out.suffix.lower() == ".npy":
        write_arrays(out, attribution, facts)
    else:
        write_file(out, _overlay_png(seen.pixels, attribution))
    made = {
        "method": method, "target": target, "baseline": result.baseline, "completeness_error": error,
        "seconds": seconds, "shape": attribution.shape, "parameters": dict(parameters),
        "class": facts.class_name,
    }  # fmt: skip
    if options.against is not None:
        made["against"] = options.against
    if options.json:
        emit(made)
    else:
        say(f"{options.out}: {method} for class {target}, {seconds:.2f} s")
    return 0


def _check_out(out: Path) -> None:
    """Find what is wrong before anything is computed."""
    if out.suffix.lower() not in (".npy", ".png"):
        raise UsageError("--out must end in .npy or .png, not {name}", name=out.name)
    if out.is_dir():
        raise UsageError("--out needs the name of a file, not of a folder: {path}", path=out)
    if not out.parent.is_dir():
        raise UsageError("{path} cannot be written: there is no folder {folder}", path=out, folder=out.parent)
    if out.suffix.lower() == ".npy":
        check_array_name(out)


def _overlay_png(pixels: Pixels, attribution: NDArray[np.float32]) -> bytes:
    blended = draw(pixels, attribution, diverging(), Look()).rgba[..., :3]
    return png(blended, max(1, SMALLEST_PNG // max(blended.shape[:2])))
