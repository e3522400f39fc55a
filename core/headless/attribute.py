"""`attribute`: what a checkpoint looks at in a picture, as an array or an overlay."""

import argparse
import io
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from core.attribution import attribute, probabilities
from core.files import write_atomically
from core.headless.arguments import UsageError
from core.headless.output import emit, say
from core.headless.reading import open_checkpoint, read_image
from core.methods import METHODS
from core.overlay import Look, draw
from core.pictures import load_picture
from core.transform import fit

SMALLEST_PNG = 448  # small pictures are enlarged by a whole factor to about this


def command(options: argparse.Namespace) -> int:
    """Run `attribute`."""
    out = Path(options.out)
    if out.suffix.lower() not in (".npy", ".png"):
        raise UsageError("--out must end in .npy or .png, not {name}", name=out.name)
    if options.method not in METHODS:
        raise UsageError(
            "method must be one of {choices}, not {value}", choices=", ".join(METHODS), value=options.method
        )
    opened = open_checkpoint(options)
    array = read_image(options.image, opened.transform)
    network = opened.network()
    picture = torch.from_numpy(array)
    target = options.target
    if target is None:
        target = int(np.argmax(probabilities(network, picture)))
    result = attribute(network, picture, options.method, target, steps=options.steps)
    data = (
        _npy(result.attribution) if out.suffix.lower() == ".npy" else _png(result.attribution, options, array)
    )
    try:
        write_atomically(out, data)
    except OSError as error:
        raise UsageError("{path} cannot be written: {reason}", path=out, reason=error.strerror) from None
    made = {
        "method": options.method, "target": target, "baseline": result.baseline,
        "completeness_error": result.completeness_error, "seconds": result.seconds,
        "shape": result.attribution.shape,
    }  # fmt: skip
    if options.json:
        emit(made)
    else:
        say(f"{options.out}: {options.method} for class {target}, {result.seconds:.2f} s")
    return 0


def _npy(attribution: NDArray[np.float32]) -> bytes:
    file = io.BytesIO()
    np.save(file, attribution, allow_pickle=False)
    return file.getvalue()


def _png(attribution: NDArray[np.float32], options: argparse.Namespace, array: NDArray[np.float32]) -> bytes:
    if options.image.lower().endswith(".npy"):
        spread = max(float(array.max() - array.min()), 1e-12)
        pixels = ((array - array.min()) / spread * 255).astype(np.uint8).transpose(1, 2, 0)
    else:
        pixels = fit(load_picture(options.image).pixels, open_checkpoint(options).transform)
    blended = draw(pixels, attribution, _diverging(), Look()).rgba[..., :3]
    factor = max(1, SMALLEST_PNG // max(blended.shape[:2]))
    file = io.BytesIO()
    Image.fromarray(blended.repeat(factor, 0).repeat(factor, 1)).save(file, "PNG")
    return file.getvalue()


def _diverging() -> NDArray[np.uint8]:
    """Colours from blue (against) over white to vermilion (for), after Okabe and Ito: (256, 3)."""
    blue, white, vermilion = (0, 114, 178), (255, 255, 255), (213, 94, 0)
    place = np.linspace(-1, 1, 256)[:, None]
    ends = np.where(place < 0, blue, vermilion)
    return np.rint(white + np.abs(place) * (ends - np.array(white))).astype(np.uint8)
