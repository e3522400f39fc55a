"""Folders of twenty thousand files with pipes, sockets, loops of links and odd names among them."""

import itertools
import os
import socket
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from core.datasets import DatasetCancelledError
from tests.core.test_album import (
    find,
    test_a_folder_without_permission_is_listed,
    test_a_search_stops_when_asked,
    test_twenty_thousand_files_are_found_within_a_second_and_given_up_at_once,
    test_two_thousand_files_among_odd_things_give_the_right_counts,
)
from tests.core.test_datasets import load, test_what_cannot_be_read_is_listed_and_never_hangs
from tests.core.test_pictures import raw_png

__all__ = [
    "test_a_folder_without_permission_is_listed",
    "test_a_search_stops_when_asked",
    "test_twenty_thousand_files_are_found_within_a_second_and_given_up_at_once",
    "test_two_thousand_files_among_odd_things_give_the_right_counts",
    "test_what_cannot_be_read_is_listed_and_never_hangs",
]
pytestmark = [pytest.mark.gate, pytest.mark.timeout(120)]
NAMES = ("plain", "ordner 图 ü", "two\nlines", "n" * 200, "-rf")


@pytest.fixture
def tree(tmp_path: Path) -> Callable[[int], Path]:
    """Make a folder of five class folders, and an empty one, with so many pictures and odd things among them."""

    def make(count: int) -> Path:
        root = tmp_path / "tree"
        for number in range(count):
            folder = root / NAMES[number % 5] / f"deeper{number % 3}"
            if number < 15:
                folder.mkdir(parents=True, exist_ok=True)
            grey = bytes((0, number % 256, number // 256 % 256, number // 65536, 0, 1, 2, 3, 4))
            (folder / f"{number}.png").write_bytes(raw_png(2, 3, 8, 0, zlib.compress(grey, 1)))
        (root / "empty").mkdir()
        for name in NAMES:
            os.mkfifo(root / name / "pipe.png")
            (root / name / "loop").symlink_to(root)
            (root / name / "self.png").symlink_to("self.png")
            (root / name / "nothing.png").write_bytes(b"")
        with socket.socket(socket.AF_UNIX) as plug:
            here = os.getcwd()
            os.chdir(root / "plain")  # a socket's path must be short
            plug.bind("plug.png")
            os.chdir(here)
        return root

    return make


def test_a_data_set_of_twenty_thousand_files_is_read_whole_and_given_up_at_once(
    tree: Callable[[int], Path],
) -> None:
    root = tree(20_000)
    began = time.monotonic()
    dataset = load(root)
    assert time.monotonic() - began < 60
    assert len(dataset.labels) + len(dataset.held_out_labels) == 20_000
    assert len(dataset.class_names) == 5
    assert "empty" in str(dataset.notice)
    for after in (1, 50, 5000):
        asked: list[float] = []

        def cancelled(asked: list[float] = asked, after: int = after) -> bool:
            asked.append(time.monotonic())
            return len(asked) > after

        with pytest.raises(DatasetCancelledError):
            load(root, cancelled=cancelled)
        assert time.monotonic() - asked[-1] < 0.2
        assert max((b - a for a, b in itertools.pairwise(asked)), default=0) < 0.5


def test_an_album_of_the_same_folder_has_the_same_pictures(tree: Callable[[int], Path]) -> None:
    root = tree(3000)
    album = find(root)
    assert len(album.paths) == 3000
