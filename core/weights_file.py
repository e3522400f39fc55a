"""Opens a checkpoint file from anywhere as named tensors, or refuses it in one line.

The tensors are mapped from the file: memory is taken only for what is copied later. No code
from a file is ever run: pickles are walked first (`core.pickle_check`), and then read by
torch's weights-only unpickler, to which nothing is added.
"""

import stat
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from core.pickle_check import CheckpointError, check_pickle, spoken

MAX_BYTES = 2_000_000_000
METADATA_KEY = "skipscope"
_MAX_RECORDS = 20_000
_MAX_HEADER = 10_000_000
_MAX_SMALL_RECORD = 1_000_000  # the pickle, and whatever is not a storage; ResNet-110's is 60 kB
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
_MAX_WRAPPERS = 3
_PREFIXES = ("module.", "_orig_mod.")
_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.int32)


@dataclass(frozen=True, slots=True, eq=False)
class WeightsFile:
    """What a file holds: its tensors, Skipscope's own metadata if any, and what was left aside."""

    tensors: Mapping[str, Tensor]
    metadata: str | None
    ignored: tuple[str, ...]


def read(path: Path) -> WeightsFile:
    """Return the file's tensors; raises CheckpointError, or whatever a damaged file makes torch raise."""
    size = _size(path)
    with path.open("rb") as file:
        start = file.read(9)
    if start.startswith(b"PK\x03\x04"):
        return _read_archive(path)
    if start[8:] == b"{" and int.from_bytes(start[:8], "little") <= size - 8:
        return _read_safetensors(path, int.from_bytes(start[:8], "little"))
    if not start:
        raise CheckpointError("the file is empty")
    if start.startswith(b"\x80"):
        raise CheckpointError(
            "this is a bare pickle, as PyTorch wrote before 1.6; such files are never opened. "
            "Save model.state_dict() again with a newer PyTorch"
        )
    raise CheckpointError("this is neither a PyTorch checkpoint nor a safetensors file")


def renamed(tensors: Mapping[str, Tensor], rule: Callable[[str], str]) -> dict[str, Tensor]:
    """Return the tensors under new names; two of the same name are refused."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        new = rule(name)
        if new in found:
            raise CheckpointError("{name} is there twice", name=spoken(new))
        found[new] = tensor
    return found


def _size(path: Path) -> int:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise CheckpointError("there is no such file") from None
    except (OSError, ValueError) as error:
        raise CheckpointError("it cannot be opened: {reason}", reason=spoken(error)) from None
    if stat.S_ISDIR(status.st_mode):
        raise CheckpointError("this is a folder, not a checkpoint")
    if not stat.S_ISREG(status.st_mode):
        raise CheckpointError("this is not a regular file")
    if status.st_size > MAX_BYTES:
        raise CheckpointError(
            "the file is too large: {size} GB, at most {most} can be opened",
            size=f"{status.st_size / 1e9:.1f}",
            most=f"{MAX_BYTES / 1e9:.0f}",
        )
    return status.st_size


def _read_safetensors(path: Path, header: int) -> WeightsFile:
    if header > _MAX_HEADER:
        raise CheckpointError("its header is too large for a network's")
    with safe_open(path, framework="pt", device="cpu") as file:
        names = list(file.keys())
        if len(names) > _MAX_RECORDS:
            raise CheckpointError("it holds {count} tensors, too many for a network", count=len(names))
        metadata = (file.metadata() or {}).get(METADATA_KEY)
        tensors = {name: file.get_tensor(name) for name in names}
    return _weights_file(tensors, metadata, [])


def _read_archive(path: Path) -> WeightsFile:
    _check_archive(path)
    content: Any = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    ignored: list[str] = []
    if not isinstance(content, dict):
        raise CheckpointError(
            "it holds a {kind}, not a state dict of named tensors", kind=type(content).__name__
        )
    for _ in range(_MAX_WRAPPERS):  # bounded, since a table may hold itself
        wrapper = next((key for key in _WRAPPERS if isinstance(content.get(key), dict)), None)
        if wrapper is not None:
            ignored.extend(str(key) for key in content if key != wrapper)
            content = content[wrapper]
    return _weights_file(content, None, ignored)


def _check_archive(path: Path) -> None:
    """Refuse an archive that PyTorch would not have written, or that says more than it holds."""
    with zipfile.ZipFile(path) as archive:
        records = {info.filename: info for info in archive.infolist()}
        if len(records) != len(archive.infolist()) or len(records) > _MAX_RECORDS:
            raise CheckpointError("it is damaged: its list of records is not one that PyTorch writes")
        root = next(iter(records), "").partition("/")[0]
        if f"{root}/constants.pkl" in records or any(name.startswith(f"{root}/code/") for name in records):
            raise CheckpointError(
                "this is a TorchScript program, which is never run; save model.state_dict() instead"
            )
        if f"{root}/data.pkl" not in records or not all(name.startswith(f"{root}/") for name in records):
            raise CheckpointError("this is a zip archive, but not a PyTorch checkpoint")
        storages = {}
        for name, info in records.items():
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                raise CheckpointError("its records are compressed, which PyTorch does not do")
            if name.startswith(f"{root}/data/"):
                storages[name.removeprefix(f"{root}/data/")] = info.file_size
            elif info.file_size > _MAX_SMALL_RECORD:
                raise CheckpointError("{name} is too large for a network's", name=spoken(name))
        check_pickle(archive.read(f"{root}/data.pkl"), storages)


def _weights_file(content: Mapping[Any, Any], metadata: str | None, ignored: list[str]) -> WeightsFile:
    tensors: dict[str, Tensor] = {}
    for name, value in content.items():
        if isinstance(name, str) and isinstance(value, Tensor):
            _check_tensor(name, value)
            tensors[name] = value.detach()
        else:
            ignored.append(str(name))
    if not tensors:
        found = ", ".join(spoken(name) for name in ignored[:5]) or "nothing"
        raise CheckpointError("it holds no named tensors, but {found}", found=found)
    return WeightsFile(renamed(tensors, _without_prefixes), metadata, tuple(ignored))


def _check_tensor(name: str, tensor: Tensor) -> None:
    plain = type(tensor) in (Tensor, nn.Parameter) and tensor.layout == torch.strided
    if not plain or tensor.is_quantized or tensor.is_nested or tensor.device.type != "cpu":
        raise CheckpointError("{name} is not a plain dense tensor", name=spoken(name))
    if tensor.dtype not in _DTYPES:
        kind = str(tensor.dtype).removeprefix("torch.")
        raise CheckpointError("{name} has numbers of type {kind}", name=spoken(name), kind=kind)
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise CheckpointError("{name} declares more numbers than the file holds", name=spoken(name))


def _without_prefixes(name: str) -> str:
    while prefix := next((prefix for prefix in _PREFIXES if name.startswith(prefix)), None):
        name = name.removeprefix(prefix)
    return name
