"""Thousands of damaged checkpoints, pictures, settings and texts: nothing but our own error comes out."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from core.checkpoint import CheckpointError, load, to_bytes
from core.records import RecordError, RunRecord, read_run
from core.transform import CIFAR10
from tests.core.test_checkpoint import mutated, our_network
from tests.core.test_records import SETTINGS, lane_slice

ROOT = Path(__file__).parents[2]
CHECKPOINTS = {"ours.safetensors": 2500, "foreign.safetensors": 2500, "foreign.pt": 2000}


def checkpoint_bytes(name: str, folder: Path) -> tuple[bytes, list[range]]:
    """Return a small file and where its structure lies."""
    network = our_network(width=1)
    if name == "ours.safetensors":
        data = to_bytes(network, transform=CIFAR10, class_names=None, step=1, dataset=None)
    elif name == "foreign.safetensors":
        data = safetensors.torch.save(network.state_dict())
    else:
        torch.save(network.state_dict(), folder / name)
        data = (folder / name).read_bytes()
        return data, [range(data.rindex(b"PK\x01\x02") - 4000, len(data)), range(9000)]
    return data, [range(8 + int.from_bytes(data[:8], "little")), range(200)]


@pytest.mark.timeout(170)
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_damaged_checkpoint_opens_or_is_refused_in_one_line_within_two_seconds(
    name: str, scale: Callable[[int, int], int], tmp_path: Path
) -> None:
    chance = random.Random(name)
    path = tmp_path / name
    data, hot = checkpoint_bytes(name, tmp_path)
    count = scale(60, CHECKPOINTS[name])
    said: list[str] = []
    for _ in range(count):
        path.write_bytes(mutated(data, chance, hot))
        began = time.perf_counter()
        try:
            load(path).network()
        except CheckpointError as error:
            said.append(str(error))
        assert time.perf_counter() - began < 2
    assert not any(sign in line for line in said for sign in "\n\x1b")
    assert count / 20 < len(said) < count * 19 / 20, "nothing opens, or nothing is refused"


PICTURES = """
import io, json, random, resource, sys, time
from PIL import Image
from core.pictures import PictureError, picture_from_bytes
from tests.core.test_pictures import encode, mutated

kind, count, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
chance = random.Random(kind)
sources = [encode(Image.effect_noise((40, 30), 60).convert(mode), kind) for mode in ("RGB", "L")]
sources.append(encode(Image.effect_noise((40, 30), 60).convert("P"), kind) if kind in ("PNG", "GIF", "BMP", "TIFF")
               else encode(Image.effect_noise((300, 200), 60).convert("RGB"), kind))
picture_from_bytes(sources[0], "first")  # what is imported late counts for nothing
pages = int(open("/proc/self/statm").read().split()[0]) if sys.platform == "linux" else 0
if pages:
    room = pages * resource.getpagesize() + limit
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
resource.setrlimit(resource.RLIMIT_CPU, (150, 150))
opened, slowest = 0, 0.0
for number in range(count):
    data = mutated(chance.choice(sources), chance)
    began = time.process_time()
    try:
        picture_from_bytes(data, str(number))
        opened += 1
    except PictureError as error:
        assert "\\n" not in str(error), error
    slowest = max(slowest, time.process_time() - began)
print(json.dumps({"opened": opened, "slowest": slowest}))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="memory is limited with `resource`")
@pytest.mark.timeout(170)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_a_damaged_picture_takes_little_time_and_memory(kind: str, scale: Callable[[int, int], int]) -> None:
    """In a process that gets 400 MB more and no more: there, a crash or an allocation of gigabytes is seen."""
    count = scale(20, 500)
    done = subprocess.run(
        [sys.executable, "-c", PICTURES, kind, str(count), str(400 * 2**20)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["slowest"] < 1
    assert 0 < found["opened"] < count


# ---- a checkpoint that the app wrote ------------------------------------------------------


def test_every_flipped_bit_of_a_recorded_checkpoint_is_noticed(
    scale: Callable[[int, int], int], tmp_path: Path
) -> None:
    """Neither file format detects one: the sum in the journal does."""
    content = to_bytes(our_network(width=1), transform=CIFAR10, class_names=None, step=1, dataset=None)
    record = RunRecord.create(tmp_path / "run", SETTINGS)
    record.append_steps(1, (lane_slice([1.0]),))
    record.append_checkpoint(1, "last", {"A": content})
    assert record.close()
    run = read_run(tmp_path / "run")
    path = tmp_path / "run" / "checkpoints" / run.checkpoints[0].file
    chance = random.Random(5)
    for _ in range(scale(20, 200)):
        damaged = bytearray(content)
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(RecordError, match="damaged"):
            run.open_checkpoint(1, "A")
    path.write_bytes(content)
    assert run.open_checkpoint(1, "A") == content
