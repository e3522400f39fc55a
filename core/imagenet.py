"""torchvision's ResNet-18 trained on ImageNet: from torch's cache, or downloaded when asked for."""

import hashlib
import http.client
import os
import re
import secrets
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlparse

import torch

from core.checkpoint import Checkpoint, CheckpointError, from_state

# Kept here too, since asking torchvision for it takes a second's import.
FILE_NAME = "resnet18-f37072fd.pth"
DOWNLOAD_BYTES = 46_830_571
_CHUNK = 1 << 18
_PATIENCE = 20  # seconds without a byte


def is_imagenet_cached() -> bool:
    """Whether `imagenet()` needs no network."""
    return (_folder() / FILE_NAME).is_file()


def imagenet(
    progress: Callable[[float], None] | None = None,
    *,
    download: bool = False,
    cancelled: Callable[[], bool] = lambda: False,
) -> Checkpoint:
    """Return ImageNet's ResNet-18 from the cache; with `download` it is fetched if not there.

    `progress` is told the share fetched, 0 to 1; `cancelled` is asked between chunks.
    """
    from torchvision.models import ResNet18_Weights

    weights = ResNet18_Weights.IMAGENET1K_V1
    file = _folder() / Path(urlparse(weights.url).path).name
    if file.is_file():
        _check_cached(file)
    elif download:
        _download(weights.url, file, progress or (lambda _: None), cancelled)
    else:
        raise CheckpointError(
            "the ImageNet weights are not in {folder}; they need to be downloaded first ({size} MB)",
            folder=str(file.parent),
            size=f"{DOWNLOAD_BYTES / 1e6:.1f}",
        )
    state = weights.get_state_dict(check_hash=True, weights_only=True, progress=False, map_location="cpu")
    return from_state(str(file), state, class_names=tuple(weights.meta["categories"]))


def _folder() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def _check_cached(file: Path) -> None:
    """torch.hub checks what it downloads, but not what it finds."""
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if not digest.startswith(_expected_digest(file)):
        raise CheckpointError(
            "the ImageNet weights in {file} are damaged; delete the file and download it again",
            file=str(file),
        )


def _download(url: str, file: Path, progress: Callable[[float], None], cancelled: Callable[[], bool]) -> None:
    draft = file.with_name(f".{secrets.token_hex(8)}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(url, timeout=_PATIENCE) as answer, draft.open("xb") as target:
            digest = _copy(answer, target, progress, cancelled)
        if not digest.startswith(_expected_digest(file)):
            raise CheckpointError("the ImageNet weights arrived damaged and were thrown away")
        os.replace(draft, file)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise CheckpointError(
            "the ImageNet weights are not in {folder} and cannot be downloaded: no network ({reason})",
            folder=str(file.parent),
            reason=str(error),
        ) from error
    except OSError as error:
        raise CheckpointError(
            "the ImageNet weights cannot be written to {folder}: {reason}",
            folder=str(file.parent),
            reason=str(error),
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def _copy(
    answer: Any, target: IO[bytes], progress: Callable[[float], None], cancelled: Callable[[], bool]
) -> str:
    """Copy what arrives and return its sha256."""
    expected = int(answer.headers.get("Content-Length") or DOWNLOAD_BYTES)
    digest = hashlib.sha256()
    arrived = 0
    while chunk := answer.read(_CHUNK):
        if cancelled():
            raise CheckpointError("the download was cancelled")
        target.write(chunk)
        digest.update(chunk)
        arrived += len(chunk)
        progress(min(1.0, arrived / expected))
    return digest.hexdigest()


def _expected_digest(file: Path) -> str:
    found = re.search(r"-([0-9a-f]{8,})\.", file.name)
    if found is None:
        raise CheckpointError("{file} does not carry its checksum in its name", file=file.name)
    return found[1]
