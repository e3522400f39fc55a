"""Hostile checkpoints: each net alone holds what the other would let through, and nothing of a file runs."""

from pathlib import Path

import pytest

from core import weights_file
from core.checkpoint import CheckpointError, load
from tests.core.attack_files import CANARY, write_all
from tests.core.test_checkpoint import (
    test_a_named_pipe_is_refused_instead_of_waited_for,
    test_hostile_files_are_refused_quickly_in_little_memory_and_nothing_runs,
)

__all__ = [
    "test_a_named_pipe_is_refused_instead_of_waited_for",
    "test_hostile_files_are_refused_quickly_in_little_memory_and_nothing_runs",
]
pytestmark = [pytest.mark.gate, pytest.mark.timeout(120)]

# what runs code; the others take memory or time, which only the walk through the pickle prevents
CODE = (
    "system.pt",
    "exec.pt",
    "import.pt",
    "getattr.pt",
    "hub.pt",
    "module.pt",
    "script.pt",
    "nested.pt",
    "bare.pt",
)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    folder = tmp_path / "hostile"
    folder.mkdir()
    write_all(folder)
    return folder


@pytest.mark.parametrize("name", CODE)
def test_torchs_own_net_holds_without_ours(name: str, hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the walk through the pickle wrong somewhere, the weights-only unpickler would still refuse."""
    monkeypatch.delenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", raising=False)
    monkeypatch.setattr(weights_file, "check_pickle", lambda data, records: None)
    with pytest.raises(CheckpointError):
        load(hostile / name)
    assert not (hostile / CANARY).exists()


@pytest.mark.parametrize("name", CODE)
def test_our_own_net_holds_without_torchs(name: str, hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(*_: object, **__: object) -> None:
        raise AssertionError("torch was asked to unpickle this")

    monkeypatch.setattr(weights_file.torch, "load", reached)
    with pytest.raises(CheckpointError) as caught:
        load(hostile / name)
    assert not isinstance(caught.value.__cause__, AssertionError)
    assert not (hostile / CANARY).exists()
