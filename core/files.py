"""Writes a file so that, whenever the power fails, either the old or the new one is there. No torch."""

import hashlib
import os
import secrets
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> str:
    """Write `data` to `path` by way of a file beside it; return its sha256.

    Raises OSError; the old file is then still there and nothing else is left behind, unless only the folder
    could not be synced: then the new file is there already.
    """
    draft = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return hashlib.sha256(data).hexdigest()


def sync_folder(folder: Path) -> None:
    """Make the new name durable too; Windows can neither open a folder nor needs to."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
