"""CIFAR-10 and CIFAR-100: a local copy, or fetched when the user asks; checked before it is unpickled."""

import hashlib
import http.client
import os
import secrets
import shutil
import tarfile
import urllib.error
import urllib.request
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from core.dataset import Dataset, DatasetError, Images, Labels, Watch, measured
from core.notices import Notice
from core.paths import data_folder

_MAX_UNPACKED_BYTES = 1_000_000_000  # CIFAR's are 190 MB
_CHUNK = 1 << 18
_PATIENCE = 20  # seconds without a byte

# CIFAR's pickles are of 2009, and NumPy remarks on that.
warnings.filterwarnings("ignore", message=r"dtype\(\): align should be passed")


@dataclass(frozen=True, slots=True)
class _Cifar:
    title: str
    kind: str  # torchvision's class, which knows address and checksums
    folder: str
    archive: str
    megabytes: int


CIFARS = {
    "cifar10": _Cifar("CIFAR-10", "CIFAR10", "cifar-10-batches-py", "cifar-10-python.tar.gz", 170),
    "cifar100": _Cifar("CIFAR-100", "CIFAR100", "cifar-100-python", "cifar-100-python.tar.gz", 169),
}


def datasets_folder() -> Path:
    """Return where downloaded data sets lie; SKIPSCOPE_DATASETS overrides it."""
    return Path(os.environ.get("SKIPSCOPE_DATASETS") or data_folder() / "datasets")


def local_cifars() -> tuple[str, ...]:
    """Return the names of those that need no download."""
    return tuple(name for name, which in CIFARS.items() if _is_here(which, datasets_folder()))


def _is_here(which: _Cifar, root: Path) -> bool:
    return (root / which.folder).is_dir() or (root / which.archive).is_file()


def cifar(name: str, watch: Watch, download: bool) -> Dataset:
    """Read a set by its name; raise DatasetError with the reason, or what to do, if that cannot be done."""
    which = CIFARS[name]
    root = datasets_folder()
    if not _is_here(which, root) and not download:
        raise DatasetError(
            "{title} is not on this machine: choose Download in the window ({size} MB), "
            "or put {archive} into {folder}",
            title=which.title, size=which.megabytes, archive=which.archive, folder=str(root),
        )  # fmt: skip
    watch.say(Notice("opening {title}", {"title": which.title}), None)
    from torchvision import datasets as published

    kind = getattr(published, which.kind)
    if not _is_intact(kind, root):
        _provide(kind, which, root, watch, download)
    watch.check()
    parts = [_read_cifar(kind, which, root, train) for train in (True, False)]
    (images, labels, names), (held_out_images, held_out_labels, _) = parts
    mean, std = measured(images)
    return Dataset(name, images, labels, held_out_images, held_out_labels, names, mean, std)


def _is_intact(kind: Any, root: Path) -> bool:
    rows = [*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])]
    return all(_md5(root / kind.base_folder / file) == digest for file, digest in rows)


def _md5(path: Path) -> str | None:
    try:
        if not path.is_file():  # a FIFO would block
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError:
        return None


def _read_cifar(kind: Any, which: _Cifar, root: Path, train: bool) -> tuple[Images, Labels, tuple[str, ...]]:
    """Read one half; torchvision checks the MD5 of each file before it unpickles it."""
    try:
        half = kind(root, train=train)
        images = np.ascontiguousarray(half.data.transpose(0, 3, 1, 2), np.uint8)
        labels = np.array(half.targets, np.int64)
    except Exception as error:
        raise _damaged(which, root) from error
    if (
        len(images) != len(labels)
        or not len(labels)
        or not 0 <= labels.min() <= labels.max() < len(half.classes)
    ):
        raise _damaged(which, root)
    return images, labels, tuple(half.classes)


def _damaged(which: _Cifar, root: Path) -> DatasetError:
    return DatasetError(
        "the copy of {title} in {folder} is damaged; download it again",
        title=which.title, folder=str(root / which.folder),
    )  # fmt: skip


def _provide(kind: Any, which: _Cifar, root: Path, watch: Watch, download: bool) -> None:
    """Put the unpacked data set in place, from the archive beside it or from the network."""
    archive = root / which.archive
    try:
        if _md5(archive) != kind.tgz_md5:
            if not download:
                raise _damaged(which, root)
            root.mkdir(parents=True, exist_ok=True)
            _download(kind, which, archive, watch)
        _unpack(archive, kind.base_folder, root, watch)
    except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
        raise DatasetError(
            "{title} cannot be put into {folder}: {reason}",
            title=which.title, folder=str(root), reason=str(error),
        ) from error  # fmt: skip
    archive.unlink(missing_ok=True)


def _download(kind: Any, which: _Cifar, archive: Path, watch: Watch) -> None:
    """Fetch the archive; it appears under its name only when whole and with the right MD5."""
    draft = archive.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with (
            urllib.request.urlopen(kind.url, timeout=_PATIENCE) as answer,
            draft.open("xb") as target,
        ):
            _copy(answer, target, which, watch)
        if _md5(draft) != kind.tgz_md5:
            raise DatasetError(
                "{title} arrived incomplete or changed and was thrown away; try again", title=which.title
            )
        os.replace(draft, archive)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise DatasetError(
            "{title} cannot be downloaded from {address}: {reason}; is there a network?",
            title=which.title, address=kind.url, reason=str(reason),
        ) from error  # fmt: skip
    finally:
        draft.unlink(missing_ok=True)


def _copy(answer: Any, target: IO[bytes], which: _Cifar, watch: Watch) -> None:
    expected = int(answer.headers.get("Content-Length") or which.megabytes * 10**6)
    what = Notice("downloading {title} ({size} MB)", {"title": which.title, "size": which.megabytes})
    arrived = 0
    while chunk := answer.read(_CHUNK):
        watch.check()
        target.write(chunk)
        arrived += len(chunk)
        watch.say(what, min(1.0, arrived / max(expected, 1)))


def _unpack(archive: Path, folder: str, root: Path, watch: Watch) -> None:
    """Unpack beside the place and move it there whole; nothing can land outside."""
    draft = root / f".{secrets.token_hex(8)}.part"
    watch.say(Notice("unpacking {file}", {"file": archive.name}), None)
    try:
        with tarfile.open(archive) as content:
            unpacked = 0
            for member in content:
                watch.check()
                unpacked += member.size
                if unpacked > _MAX_UNPACKED_BYTES:
                    raise tarfile.TarError("it unpacks to more than it should")
                content.extract(member, draft, filter="data")
        shutil.rmtree(root / folder, ignore_errors=True)
        os.replace(draft / folder, root / folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
