"""The embedded Fashion-MNIST: all 70,000 pictures, read from assets/. Knows no torch."""

import gzip
import threading
import zlib

import numpy as np
from numpy.typing import NDArray

from core.dataset import Dataset, DatasetError
from core.paths import asset

FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
FASHION_MEAN, FASHION_STD = 0.2860405969887955, 0.3530242445149226  # a test measures them

_embedded: list[Dataset] = []
_embedded_lock = threading.Lock()


def fashion_mnist() -> Dataset:
    """Return the embedded set; it is read once."""
    warm_up()
    return _embedded[0]


def warm_up() -> None:
    """Read the embedded set into memory: done beside the import of torch, a run then starts at once."""
    with _embedded_lock:
        if not _embedded:
            _embedded.append(_read())


def _read() -> Dataset:
    return Dataset(
        name="fashion-mnist",
        images=_idx("train-images-idx3-ubyte.gz", (60_000, 28, 28))[:, None],
        labels=_idx("train-labels-idx1-ubyte.gz", (60_000,)).astype(np.int64),
        held_out_images=_idx("t10k-images-idx3-ubyte.gz", (10_000, 28, 28))[:, None],
        held_out_labels=_idx("t10k-labels-idx1-ubyte.gz", (10_000,)).astype(np.int64),
        class_names=FASHION_CLASSES,
        mean=(FASHION_MEAN,) * 3,
        std=(FASHION_STD,) * 3,
    )


def _idx(file: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Read an IDX file: two zeros, 8 for bytes, the number of axes, each axis' length, the bytes."""
    header = bytes((0, 0, 8, len(shape))) + np.array(shape, ">u4").tobytes()
    path = asset("data", "fashion-mnist", file)
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError("{file} cannot be read; install Skipscope again", file=str(path)) from error
    if not content.startswith(header) or len(content) != len(header) + np.prod(shape):
        raise DatasetError("{file} is not what it should be; install Skipscope again", file=str(path))
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape).copy()
