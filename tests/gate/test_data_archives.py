"""Data-set archives and downloads: damaged, cut or hostile ones are refused before anything is unpickled."""

import pickle
from pathlib import Path

import pytest

from core import cifar
from core.datasets import DatasetError
from tests.core.test_datasets import (
    fabricate,
    load,
    store,
    test_a_broken_off_or_cancelled_download_leaves_nothing_and_can_be_tried_again,
    test_a_damaged_embedded_set_is_said,
    test_a_flipped_byte_in_cifar_is_refused_before_unpickling,
    test_an_archive_that_reaches_outside_is_refused,
)
from tests.core.test_imagenet import (
    published,
    site,
    test_a_damaged_file_in_the_cache_is_refused_and_replaced_when_asked,
    test_a_download_that_arrives_damaged_is_thrown_away,
)

__all__ = [
    "published",
    "site",
    "store",
    "test_a_broken_off_or_cancelled_download_leaves_nothing_and_can_be_tried_again",
    "test_a_damaged_embedded_set_is_said",
    "test_a_damaged_file_in_the_cache_is_refused_and_replaced_when_asked",
    "test_a_download_that_arrives_damaged_is_thrown_away",
    "test_a_flipped_byte_in_cifar_is_refused_before_unpickling",
    "test_an_archive_that_reaches_outside_is_refused",
]
pytestmark = pytest.mark.gate


@pytest.mark.parametrize("position", range(7))
def test_our_sums_hold_without_torchvisions(
    position: int, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = fabricate(store, monkeypatch)
    monkeypatch.setattr(kind, "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    monkeypatch.setattr(pickle, "load", lambda *_, **__: pytest.fail("unpickled"))
    path = sorted((store / kind.base_folder).iterdir())[position]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="is damaged; download it again"):
        load("cifar10")


@pytest.mark.parametrize("position", range(1, 7))  # before them it reads the names of the classes
def test_torchvisions_sums_hold_without_ours(
    position: int, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = fabricate(store, monkeypatch)
    monkeypatch.setattr(cifar, "_is_intact", lambda kind, root: True)
    monkeypatch.setattr(pickle, "load", lambda *_, **__: pytest.fail("unpickled"))
    path = sorted((store / kind.base_folder).iterdir())[position]
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(DatasetError, match="is damaged; download it again"):
        load("cifar10")
