"""Data sets as arrays: the embedded Fashion-MNIST, CIFAR-10 and CIFAR-100, folders of class folders."""

import gzip
import hashlib
import http.client
import os
import secrets
import shutil
import stat
import tarfile
import threading
import urllib.error
import urllib.request
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.notices import Notice, SkipscopeError
from core.paths import asset, data_folder
from core.pictures import PictureError, is_picture_name, load_picture
from core.settings import DATASETS
from core.transform import Transform, Triple, fit

Images: TypeAlias = NDArray[np.uint8]  # (pictures, channels, height, width)
Labels: TypeAlias = NDArray[np.int64]
ReportProgress: TypeAlias = Callable[[Notice, float | None], None]

FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
FASHION_MEAN, FASHION_STD = 0.2860405969887955, 0.3530242445149226  # a test measures them
HELD_OUT_SHARE = 0.2
FEWEST_PICTURES = 5
MAX_FOLDER_BYTES = 4_000_000_000
_MAX_UNPACKED_BYTES = 1_000_000_000  # CIFAR's are 190 MB
_CHUNK = 1 << 18
_PATIENCE = 20  # seconds without a byte

# CIFAR's pickles are of 2009, and NumPy remarks on that.
warnings.filterwarnings("ignore", message=r"dtype\(\): align should be passed")


class DatasetError(SkipscopeError):
    """A data set that cannot be used."""


class DatasetCancelledError(DatasetError):
    """Loading was given up because the caller asked for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Pictures to learn from and pictures held out, with the training set's mean and deviation in [0, 1].

    The arrays are writable, since torch warns of sharing memory that is not.
    """

    name: str  # as it was asked for
    images: Images
    labels: Labels
    held_out_images: Images
    held_out_labels: Labels
    class_names: tuple[str, ...]
    mean: Triple
    std: Triple
    notice: Notice | None = None

    def transform(self, image_size: int) -> Transform:
        """Return what makes any picture look like those of this set."""
        grey = self.images.shape[1] == 1
        return Transform(image_size, None, self.mean, self.std, grey)


@dataclass(frozen=True, slots=True)
class _Watch:
    """The caller's two wishes while something takes long: to be told, and to be able to stop it."""

    progress: ReportProgress | None
    cancelled: Callable[[], bool] | None

    def check(self) -> None:
        if self.cancelled is not None and self.cancelled():
            raise DatasetCancelledError("loading the data set was cancelled")

    def say(self, what: Notice, fraction: float | None) -> None:
        if self.progress is not None:
            self.progress(what, fraction)


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
    watch = _Watch(progress, cancelled)
    watch.check()
    if name == "fashion-mnist":
        warm_up()
        return _embedded[0]
    if name in _CIFARS:
        return _cifar(name, _CIFARS[name], watch, download)
    folder = os.path.expanduser(name)
    if not os.path.isdir(folder):
        raise DatasetError(
            "there is no data set or folder {name} (data sets: {known})", name=name, known=", ".join(DATASETS)
        )
    return _FolderReader(folder, image_size, seed, watch).dataset(name)


def _measured(images: Images) -> tuple[Triple, Triple]:
    """Return mean and deviation per channel of [0, 1], exactly, by counting values."""
    channels = images.shape[1]
    counts = np.zeros((channels, 256))
    for start in range(0, len(images), 1000):  # bincount wants eight bytes a pixel
        for channel in range(channels):
            part = images[start : start + 1000, channel].ravel()
            counts[channel] += np.bincount(part, minlength=256)
    values = np.arange(256) / 255
    share = counts / counts.sum(axis=1, keepdims=True)
    mean = share @ values
    std = np.sqrt((share * (values - mean[:, None]) ** 2).sum(axis=1))
    std[std == 0] = 1  # a channel that never changes is only centred
    return _triple(mean), _triple(std)


def _triple(values: NDArray[np.float64]) -> Triple:
    red, green, blue = np.broadcast_to(values, 3).tolist()
    return red, green, blue


# ---- Fashion-MNIST ------------------------------------------------------------------------


_embedded: list[Dataset] = []
_embedded_lock = threading.Lock()


def warm_up() -> None:
    """Read the embedded set into memory: done beside the import of torch, a run then starts at once."""
    with _embedded_lock:
        if not _embedded:
            _embedded.append(_fashion_mnist())


def _fashion_mnist() -> Dataset:
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


# ---- CIFAR --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Cifar:
    title: str
    kind: str  # torchvision's class, which knows address and checksums
    folder: str
    archive: str
    megabytes: int


_CIFARS = {
    "cifar10": _Cifar("CIFAR-10", "CIFAR10", "cifar-10-batches-py", "cifar-10-python.tar.gz", 170),
    "cifar100": _Cifar("CIFAR-100", "CIFAR100", "cifar-100-python", "cifar-100-python.tar.gz", 169),
}


def datasets_folder() -> Path:
    """Return where downloaded data sets lie; SKIPSCOPE_DATASETS overrides it."""
    return Path(os.environ.get("SKIPSCOPE_DATASETS") or data_folder() / "datasets")


def local_datasets() -> tuple[str, ...]:
    """Return the names of the data sets that need no download."""
    found = [name for name, which in _CIFARS.items() if _is_here(which, datasets_folder())]
    return ("fashion-mnist", *found)


def _is_here(which: _Cifar, root: Path) -> bool:
    return (root / which.folder).is_dir() or (root / which.archive).is_file()


def _cifar(name: str, which: _Cifar, watch: _Watch, download: bool) -> Dataset:
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
    mean, std = _measured(images)
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


def _provide(kind: Any, which: _Cifar, root: Path, watch: _Watch, download: bool) -> None:
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


def _download(kind: Any, which: _Cifar, archive: Path, watch: _Watch) -> None:
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


def _copy(answer: Any, target: IO[bytes], which: _Cifar, watch: _Watch) -> None:
    expected = int(answer.headers.get("Content-Length") or which.megabytes * 10**6)
    what = Notice("downloading {title} ({size} MB)", {"title": which.title, "size": which.megabytes})
    arrived = 0
    while chunk := answer.read(_CHUNK):
        watch.check()
        target.write(chunk)
        arrived += len(chunk)
        watch.say(what, min(1.0, arrived / max(expected, 1)))


def _unpack(archive: Path, folder: str, root: Path, watch: _Watch) -> None:
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


# ---- folders ------------------------------------------------------------------------------


@dataclass(slots=True)
class _Half:
    """Pictures read so far for training, or held out: (order, label, pixels)."""

    rows: list[tuple[float, int, Images]] = field(default_factory=list)

    def arrays(self, side: int) -> tuple[Images, Labels]:
        """Return pictures and labels in an order that mixes classes; empties the list."""
        self.rows.sort(key=lambda row: row[:2], reverse=True)
        images = np.empty((len(self.rows), 3, side, side), np.uint8)
        labels = np.empty(len(self.rows), np.int64)
        for index in range(len(self.rows)):
            _, labels[index], images[index] = self.rows.pop()  # one copy of each at a time
        return images, labels


class _FolderReader:
    """Reads one folder of class folders once, and keeps account of what it met."""

    def __init__(self, root: str, image_size: int, seed: int, watch: _Watch) -> None:
        self._root = root
        self._seed = seed
        self._watch = watch
        self._transform = Transform(image_size, None, (0, 0, 0), (1, 1, 1))
        # Files and folders met, by device and inode: ends loops of links, and keeps one file
        # from being trained on under one name and held out under another.
        self._met: set[tuple[int, int]] = set()
        self._is_new(root)
        self._unreadable: list[str] = []
        self._empty: list[str] = []
        self._links = 0
        self._done = 0
        self._total = 0

    def dataset(self, name: str) -> Dataset:
        """Read everything; `name` is how the folder was asked for."""
        training, held_out = _Half(), _Half()
        given = self._given_split()
        train_files = self._scan(given[0] if given else self._root)
        held_files = self._scan(given[1]) if given else {}
        self._check_amount(train_files, held_files)
        class_names: list[str] = []
        for class_name, files in train_files.items():
            rows = self._read(files)
            if not rows:
                self._empty.append(class_name)
                continue
            apart = set() if given else _held_out([order for order, _ in rows])
            for order, pixels in rows:
                (held_out if order in apart else training).rows.append((order, len(class_names), pixels))
            class_names.append(class_name)
        for class_name, files in held_files.items():
            for order, pixels in self._read(files):
                held_out.rows.append((order, self._known(class_name, class_names), pixels))
        self._check_use(class_names, training, held_out)
        return self._made(name, given, class_names, training, held_out)

    def _made(
        self,
        name: str,
        given: tuple[str, str] | None,
        class_names: list[str],
        training: _Half,
        held_out: _Half,
    ) -> Dataset:
        notice = self._notice(given, len(training.rows), len(held_out.rows))
        images, labels = training.arrays(self._transform.size)
        held_out_images, held_out_labels = held_out.arrays(self._transform.size)
        mean, std = _measured(images)
        names = tuple(_shown(each) for each in class_names)
        return Dataset(name, images, labels, held_out_images, held_out_labels, names, mean, std, notice)

    # scanning

    def _given_split(self) -> tuple[str, str] | None:
        """Return the folders of a split made by others: train and test, or train and val."""
        train = os.path.join(self._root, "train")
        for other in ("test", "val"):
            held_out = os.path.join(self._root, other)
            if _has_folders(train) and _has_folders(held_out):
                return train, held_out
        return None

    def _scan(self, folder: str) -> dict[str, list[str]]:
        """Return the picture files of each class folder, sorted."""
        found = {}
        for entry in self._entries(folder):
            if _is_folder(entry.path) and self._is_new(entry.path):
                found[entry.name] = self._pictures(entry.path)
                self._total += len(found[entry.name])
                self._watch.say(self._doing, None)
        return found

    def _pictures(self, folder: str) -> list[str]:
        """Return the picture files in a folder and below it, sorted."""
        found = []
        waiting = [folder]
        while waiting:
            for entry in self._entries(waiting.pop()):
                self._watch.check()
                is_folder = _is_folder(entry.path)
                if not (is_folder or is_picture_name(entry.name)):
                    continue
                if not self._is_new(entry.path):
                    self._links += 1
                elif is_folder:
                    waiting.append(entry.path)
                else:
                    found.append(entry.path)
        return sorted(found)

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        """Return what is in a folder, hidden things left out."""
        try:
            with os.scandir(folder) as entries:
                shown = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError:
            self._unreadable.append(folder)
            return []
        return sorted(shown, key=lambda entry: entry.name)

    def _is_new(self, path: str) -> bool:
        try:
            status = os.stat(path)
        except OSError:  # a link that leads nowhere; reading it will say so
            return True
        key = (status.st_dev, status.st_ino)
        new = key not in self._met
        self._met.add(key)
        return new

    # reading

    @property
    def _doing(self) -> Notice:
        folder = _shown(os.path.basename(os.path.abspath(self._root)))
        return Notice("reading {count:,} pictures from {folder}", {"count": self._total, "folder": folder})

    def _read(self, files: Sequence[str]) -> list[tuple[float, Images]]:
        """Read and fit pictures: (order in [0, 1) from seed and path, pixels)."""
        rows = []
        for path in files:
            self._watch.check()
            try:
                fitted = fit(load_picture(path).pixels, self._transform)
                rows.append((self._order(path), np.ascontiguousarray(fitted.transpose(2, 0, 1))))
            except PictureError:
                self._unreadable.append(path)
            self._done += 1
            if self._done % 20 == 0 or self._done == self._total:
                self._watch.say(self._doing, self._done / self._total)
        return rows

    def _order(self, path: str) -> float:
        """Return a number in [0, 1) that depends on the seed and the path within the folder only."""
        relative = os.path.relpath(path, self._root).replace(os.sep, "/")
        digest = hashlib.blake2b(f"{self._seed}/{relative}".encode("utf-8", "surrogateescape"), digest_size=6)
        return int.from_bytes(digest.digest(), "big") / 2**48

    # judging

    def _check_amount(self, *halves: dict[str, list[str]]) -> None:
        count = sum(len(files) for half in halves for files in half.values())
        needed = count * 3 * self._transform.size**2
        if needed > MAX_FOLDER_BYTES:
            raise DatasetError(
                "{count:,} pictures of {size} × {size} need {needed:.1f} GB of memory; {most:.0f} GB is the "
                "most: choose a smaller picture size or fewer pictures",
                count=count, size=self._transform.size, needed=needed / 1e9, most=MAX_FOLDER_BYTES / 1e9,
            )  # fmt: skip

    def _known(self, class_name: str, class_names: list[str]) -> int:
        if class_name not in class_names:
            raise DatasetError(
                "{name} has pictures to test on, but none to train on", name=_shown(class_name)
            )
        return class_names.index(class_name)

    def _check_use(self, class_names: list[str], training: _Half, held_out: _Half) -> None:
        folder = _shown(self._root)
        if len(class_names) < 2:
            raise DatasetError(
                "{folder} needs at least two class folders with pictures, not {count}{unread}",
                folder=folder, count=len(class_names), unread=self._unread_remark(),
            )  # fmt: skip
        count = len(training.rows) + len(held_out.rows)
        if count < FEWEST_PICTURES or not held_out.rows:
            raise DatasetError(
                "{folder} has too few pictures: {count} to train on, {held_out} held out{unread}",
                folder=folder, count=len(training.rows), held_out=len(held_out.rows),
                unread=self._unread_remark(),
            )  # fmt: skip

    def _unread_remark(self) -> str:
        if not self._unreadable:
            return ""
        return f" ({len(self._unreadable)} could not be read: {_listed(self._unreadable)})"

    def _notice(self, given: tuple[str, str] | None, train: int, held_out: int) -> Notice:
        values: dict[str, Any] = {"train": train, "held_out": held_out, "seed": self._seed}
        parts = ["{train:,} to train, {held_out:,} held out, split by seed {seed}"]
        if given:
            parts = ["{train:,} to train, {held_out:,} held out, as in the folders train and {other}"]
            values["other"] = os.path.basename(given[1])
        if self._empty:
            parts.append("class folders without a picture, left out: {empty}")
            values["empty"] = _listed(self._empty)
        if self._unreadable:
            parts.append("{unreadable:,} could not be read: {names}")
            values |= {"unreadable": len(self._unreadable), "names": _listed(self._unreadable)}
        if self._links:
            parts.append("{links:,} links to what was there already, left out")
            values["links"] = self._links
        return Notice("; ".join(parts), values)


def _held_out(orders: Sequence[float]) -> set[float]:
    """Choose a class's held-out pictures: those whose own number is low.

    Each picture is chosen by itself, so that adding files moves none across; only where a class
    would be left with nothing on one side is the outermost picture put there.
    """
    chosen = {order for order in orders if order < HELD_OUT_SHARE}
    if len(orders) > 1 and not chosen:
        return {min(orders)}
    if len(chosen) == len(orders):
        chosen.discard(max(orders))
    return chosen


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except OSError:
        return False


def _has_folders(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(not entry.name.startswith(".") and _is_folder(entry.path) for entry in entries)
    except OSError:
        return False


def _listed(paths: Sequence[str]) -> str:
    shown = ", ".join(_shown(os.path.basename(path)) for path in paths[:3])
    return shown + (", …" if len(paths) > 3 else "")


def _shown(name: str) -> str:
    """A file name that can be printed on one line: what is no character of text becomes a mark."""
    return "".join(letter if letter.isprintable() else "�" for letter in name)
