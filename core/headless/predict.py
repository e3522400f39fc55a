"""`predict`: what a checkpoint says of pictures."""

import argparse
from typing import Any

import numpy as np
import torch

from core.headless.output import emit
from core.headless.reading import label_of, open_checkpoint, read_image

TOP = 5


def command(options: argparse.Namespace) -> int:
    """Run `predict`."""
    opened = open_checkpoint(options)
    arrays = [read_image(path, opened.transform) for path in options.images]
    network = opened.network()
    rows: list[dict[str, Any]] = []
    for path, array in zip(options.images, arrays, strict=True):
        with torch.inference_mode():
            logits = network(torch.from_numpy(array)[None])[0].double().numpy()
        chances = np.exp(logits - logits.max())
        chances /= chances.sum()
        best = np.argsort(-chances, kind="stable")[:TOP]
        top = [
            {"index": index, "label": label_of(opened, index), "probability": chances[index]}
            for index in best.tolist()
        ]
        rows.append({"image": path, "logits": logits, "top": top})
    settings = opened.settings
    emit({
        "checkpoint": options.checkpoint,
        "network": {"depth": settings.depth, "width": settings.width, "classes": settings.classes,
                    "stem": settings.stem, "block": settings.block},
        "transform": opened.transform.words(), "predictions": rows,
    })  # fmt: skip
    return 0
