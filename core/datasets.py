"""Data sets by name: the embedded Fashion-MNIST, CIFAR-10 and CIFAR-100, folders of class folders."""

import os
from collections.abc import Callable

from core.cifar import CIFARS, cifar, local_cifars
from core.dataset import Dataset as Dataset
from core.dataset import DatasetCancelledError as DatasetCancelledError
from core.dataset import DatasetError as DatasetError
from core.dataset import ReportProgress, Watch
from core.fashion_mnist import fashion_mnist
from core.picture_folders import picture_folder
from core.settings import DATASETS


def load_dataset(
    name: str,
    *,
    image_size: int,
    seed: int,
    progress: ReportProgress | None = None,
    cancelled: Callable[[], bool] | None = None,
    download: bool = False,
) -> Dataset:
    """Load a data set by name or folder; raise DatasetError with the reason if that cannot be done.

    `image_size` and `seed` matter to folders only: their pictures are fitted as they are read, and
    split. Only with `download` is a network used.
    """
    watch = Watch(progress, cancelled)
    watch.check()
    if name == "fashion-mnist":
        return fashion_mnist()
    if name in CIFARS:
        return cifar(name, watch, download)
    folder = os.path.expanduser(name)
    if not os.path.isdir(folder):
        raise DatasetError(
            "there is no data set or folder {name} (data sets: {known})", name=name, known=", ".join(DATASETS)
        )
    return picture_folder(name, folder, image_size, seed, watch)


def local_datasets() -> tuple[str, ...]:
    """Return the names of the data sets that need no download."""
    return ("fashion-mnist", *local_cifars())
