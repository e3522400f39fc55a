"""torchvision's networks trained on ImageNet: from torch's cache, from a file, or downloaded when asked for."""

import hashlib
import http.client
import os
import secrets
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import torch

from core.checkpoint import Checkpoint, CheckpointError, load

_CHUNK = 1 << 18
_PATIENCE = 20  # seconds without a byte


@dataclass(frozen=True, slots=True)
class Published:
    """Weights on torchvision's site: what they are called, where they are, and what proves them."""

    title: str
    url: str
    size: int  # bytes
    sha256: str

    @property
    def file_name(self) -> str:
        """The file's name in torch's cache."""
        return self.url.rpartition("/")[2]

    @property
    def megabytes(self) -> str:
        """The size as people read it."""
        return f"{self.size / 1e6:.1f}"


_SITE = "https://download.pytorch.org/models"
# Kept here, since asking torchvision for it takes a second's import, and its names carry 32 bits of the sum.
RESNET18 = Published(
    "ImageNet ResNet-18",
    f"{_SITE}/resnet18-f37072fd.pth",
    46_830_571,
    "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
)
RESNET34 = Published(
    "ImageNet ResNet-34",
    f"{_SITE}/resnet34-b627a593.pth",
    87_319_819,
    "b627a593bcbe140c234610266fe4f8ae95ea42fc881d091c9b6052e6b1d0590f",
)
# by the words that stand for them on the command line and in OpenCheckpoint and Download
WEIGHTS: Mapping[str, Published] = {
    "imagenet": RESNET18,
    "imagenet-resnet18": RESNET18,
    "imagenet-resnet34": RESNET34,
}


def open_weights(path: str) -> Checkpoint:
    """Open a checkpoint file, or what one of the words in WEIGHTS stands for, from the cache.

    torchvision's own file is known by its content, wherever it lies and whatever it is called: it has
    ImageNet's class names. Nothing but CheckpointError is raised.
    """
    if path in WEIGHTS:
        return _from_cache(WEIGHTS[path])
    known = _recognised(Path(path))
    return load(path) if known is None else _opened(Path(path), known)


def is_cached(word: str) -> bool:
    """Whether opening these weights needs no network."""
    return _cache_file(WEIGHTS[word]).is_file()


def download(
    word: str,
    progress: Callable[[float], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Checkpoint:
    """Fetch weights into torch's cache unless they are there whole, and open them.

    `progress` is told the share fetched, 0 to 1; `cancelled` is asked between chunks. A damaged file is
    replaced, once all of the new one has arrived.
    """
    published = WEIGHTS[word]
    file = _cache_file(published)
    if not _is_whole(file, published):
        _fetch(published, file, progress, cancelled)
    return _opened(file, published)


def published_title(opened: Checkpoint) -> str | None:
    """Return the title of torchvision's weights; None for any others."""
    titles = {published.title for published in WEIGHTS.values()}
    return opened.title if opened.title in titles else None


def class_names() -> tuple[str, ...]:
    """Return ImageNet's 1000 classes, as torchvision names them."""
    from torchvision.models import ResNet18_Weights  # a second, the first time

    return tuple(ResNet18_Weights.IMAGENET1K_V1.meta["categories"])


# ---- files ------------------------------------------------------------------------------------


def _cache_file(published: Published) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / published.file_name


def _from_cache(published: Published) -> Checkpoint:
    file = _cache_file(published)
    if not file.is_file():
        raise CheckpointError(
            "{title} is not in {folder}; it needs to be downloaded first ({size} MB from {url})",
            title=published.title, folder=str(file.parent), size=published.megabytes, url=published.url,
        )  # fmt: skip
    if not _is_whole(file, published):
        raise CheckpointError(
            "{title} in {file} is damaged; it needs to be downloaded again ({size} MB from {url})",
            title=published.title, file=str(file), size=published.megabytes, url=published.url,
        )  # fmt: skip
    return _opened(file, published)


def _opened(file: Path, published: Published) -> Checkpoint:
    """Open a file whose content is proven to be torchvision's."""
    return replace(load(file), title=published.title, class_names=class_names())


def _recognised(path: Path) -> Published | None:
    return next((each for each in WEIGHTS.values() if _is_whole(path, each)), None)


def _is_whole(file: Path, published: Published) -> bool:
    """Whether a file's content is what was published; torch.hub does not look at what it finds."""
    try:
        if not file.is_file() or file.stat().st_size != published.size:
            return False
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == published.sha256
    except (OSError, ValueError):
        return False


# ---- the network ------------------------------------------------------------------------------


def _fetch(
    published: Published, file: Path, progress: Callable[[float], None], cancelled: Callable[[], bool]
) -> None:
    draft = file.with_name(f".{secrets.token_hex(8)}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(published.url, timeout=_PATIENCE) as answer, draft.open("xb") as target:
            digest = _copy(answer, target, published.size, progress, cancelled)
        if digest != published.sha256:
            raise CheckpointError("{title} arrived damaged and was thrown away", title=published.title)
        os.replace(draft, file)
    except urllib.error.HTTPError as error:
        raise CheckpointError(
            "{title} cannot be downloaded: its server answers {reason}",
            title=published.title,
            reason=str(error),
        ) from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise CheckpointError(
            "{title} is not in {folder} and cannot be downloaded ({size} MB): no network ({reason})",
            title=published.title, folder=str(file.parent), size=published.megabytes, reason=str(error),
        ) from error  # fmt: skip
    except OSError as error:
        raise CheckpointError(
            "{title} cannot be written to {folder}: {reason}",
            title=published.title, folder=str(file.parent), reason=str(error),
        ) from error  # fmt: skip
    finally:
        with suppress(OSError):  # moved, or never made
            draft.unlink()


def _copy(
    answer: Any,
    target: IO[bytes],
    size: int,
    progress: Callable[[float], None],
    cancelled: Callable[[], bool],
) -> str:
    """Copy what arrives, at most what is expected, and return its sha256."""
    digest = hashlib.sha256()
    arrived = 0
    while arrived <= size and (chunk := answer.read(_CHUNK)):
        if cancelled():
            raise CheckpointError("the download was cancelled")
        target.write(chunk)
        digest.update(chunk)
        arrived += len(chunk)
        progress(min(1.0, arrived / size))
    return digest.hexdigest()
