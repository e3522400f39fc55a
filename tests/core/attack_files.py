"""Hostile checkpoints, each with a word of the refusal it must meet; and a script that opens them.

Run as a script with the folder as argument: prints one JSON object with verdict, seconds and memory.
"""

import io
import json
import os
import pickle
import struct
import sys
import time
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

CANARY = "canary"


class Stored:
    """A storage reference as torch.save writes it."""

    def __init__(
        self, key: object = "0", numel: object = 16, kind: object = None, word: str = "storage"
    ) -> None:
        self.reference = (word, kind or torch.FloatStorage, key, "cpu", numel)


class Call:
    """Pickled as a call of `function`."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


class Writer(pickle.Pickler):
    def persistent_id(self, thing: object) -> object:
        return thing.reference if isinstance(thing, Stored) else None


def tensor(stored: Stored, offset: object = 0, size: object = (16,), stride: object = (1,)) -> Call:
    return Call(torch._utils._rebuild_tensor_v2, stored, offset, size, stride, False, OrderedDict())


def pickled(content: object) -> bytes:
    target = io.BytesIO()
    Writer(target, protocol=2).dump(content)
    return target.getvalue()


def archive(
    path: Path, content: object, compress: bool = False, storage: bytes = bytes(64), **extra: bytes
) -> None:
    """Write a zip as torch.save would; `content` is pickled unless it is bytes already."""
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("archive/data.pkl", content if isinstance(content, bytes) else pickled(content))
        file.writestr("archive/byteorder", "little")
        file.writestr("archive/version", "3\n")
        file.writestr("archive/data/0", storage)
        for name, data in extra.items():
            file.writestr(f"archive/{name}", data)


def write_all(folder: Path) -> dict[str, str]:
    """Write every file; returns a fragment of the message each must be refused with."""
    touch = f"touch {folder / CANARY}"
    source = f"open({str(folder / CANARY)!r}, 'w').close()"
    refused: dict[str, str] = {}

    def attack(name: str, content: object, fragment: str, **options: Any) -> None:
        archive(folder / name, content, **options)
        refused[name] = fragment

    weights = "more than weights"
    attack("system.pt", {"fc.weight": Call(os.system, touch)}, weights)
    attack("exec.pt", {"fc.weight": Call(exec, source)}, weights)
    attack("import.pt", {"fc.weight": Call(__import__, "os")}, weights)
    attack("getattr.pt", Call(getattr, Call(__import__, "os"), "system"), weights)
    attack("hub.pt", Call(torch.hub.load, "nobody/nothing", "model"), weights)
    attack("module.pt", b"\x80\x02ctorch.nn.modules.linear\nLinear\n)\x81.", weights)
    attack("bytearray.pt", {"a": Call(bytearray, 10**10)}, weights)
    attack("tensor-call.pt", {"a": Call(torch.FloatTensor, 10**6, 10**4)}, weights)
    attack(
        "quantised.pt",
        {"a": Call(torch._utils._rebuild_qtensor, Stored(), 0, (4,), (2**40,), (), False, OrderedDict())},
        weights,
    )
    attack("persistent.pt", {"a": tensor(Stored(word="module"))}, weights)
    attack("persistent-path.pt", {"a": tensor(Stored("../../../etc/passwd"))}, "data is missing")
    attack("huge-stride.pt", {"a": tensor(Stored(), 0, (2, 2), (2**40, 1))}, "beyond its data")
    attack("huge-offset.pt", {"a": tensor(Stored(), 2**40)}, "beyond its data")
    attack("repeated.pt", {"a": tensor(Stored(), 0, (10**5, 10**5), (0, 0))}, "beyond its data")
    attack("negative-stride.pt", {"a": tensor(Stored(), 8, (4,), (-1,))}, "at least 0")
    attack("negative-offset.pt", {"a": tensor(Stored(), -8)}, "at least 0")
    attack("negative-storage.pt", {"a": tensor(Stored(numel=-16))}, "at least 0")
    attack("short-storage.pt", {"a": tensor(Stored(numel=17), 0, (17,))}, "68 bytes declared, 64")
    attack(
        "ten-gigabytes.pt", {"a": tensor(Stored(numel=2_500_000_000), 0, (2_500_000_000,))}, "data is missing"
    )
    attack("deep-lists.pt", b"\x80\x02" + b"]" * 10_000 + b"a" * 9_999 + b".", "not a state dict")
    attack("deep-key.pt", b"\x80\x02})" + b"\x85" * 10_000 + b"K\x01s.", "keys are not names")
    attack("hash-for-ever.pt", b"\x80\x02})" + b"q\x00h\x00\x86" * 60 + b"K\x01s.", "keys are not names")
    attack("holds-itself.pt", b"\x80\x02}q\x00X\x03\x00\x00\x00neth\x00s.", "no named tensors")
    attack("bomb.pt", {"a": tensor(Stored())}, "compressed", compress=True, storage=bytes(50_000_000))
    attack(
        "script.pt", {}, "TorchScript", **{"constants.pkl": b"\x80\x02).", "code/main.py": source.encode()}
    )

    inner = folder / "system.pt"
    with zipfile.ZipFile(folder / "nested.pt", "w") as file:
        file.write(inner, "archive/inner.pt")
    (folder / "bare.pt").write_bytes(pickled(Call(os.system, touch)))
    header = json.dumps(
        {"a": {"dtype": "F32", "shape": [2_500_000_000], "data_offsets": [0, 10**10]}}
    ).encode()
    (folder / "long.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(64))
    (folder / "header.safetensors").write_bytes(struct.pack("<Q", 2**40) + b"{" + bytes(1000))
    refused |= {
        "nested.pt": "not a PyTorch checkpoint",
        "bare.pt": "bare pickle",
        "long.safetensors": "damaged",
        "header.safetensors": "neither",
    }
    return refused


def main(folder: Path) -> None:
    import resource

    from core.checkpoint import CheckpointError, load

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    verdicts, seconds = {}, {}
    for path in sorted(folder.iterdir()):
        start = time.perf_counter()
        try:
            load(path)
            verdicts[path.name] = "loaded"
        except CheckpointError as error:
            verdicts[path.name] = str(error)
        seconds[path.name] = time.perf_counter() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps({"verdicts": verdicts, "seconds": seconds, "grown_mb": grown / 1024}))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
