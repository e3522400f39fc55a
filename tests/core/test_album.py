"""Albums of files: what is found in folders of every kind, thumbnails, and the loader's thread."""

import io
import os
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.album import Album, AlbumCancelledError, AlbumError, find_pictures
from core.album_search import AlbumSearch
from core.messages import OpenAlbum
from core.opened_album import OpenedAlbum
from core.picture_loader import Loaded, PictureLoader
from core.pictures import load_picture
from core.thumbnails import GREY, SIDE, PixelStore, thumbnail
from core.transform import Transform, fit

TRANSFORM = Transform(28, None, (0.5,) * 3, (0.25,) * 3)


def png(width: int = 3, height: int = 2, value: int = 0) -> bytes:
    with io.BytesIO() as file:
        Image.new("RGB", (width, height), (value, 10, 200)).save(file, "PNG")
        return file.getvalue()


def find(*paths: Path | str) -> Album:
    return find_pictures([str(path) for path in paths], lambda count: None, lambda: False)


def names(album: Album) -> list[str]:
    return [os.path.basename(path) for path in album.paths]


def make_tree(root: Path, count: int) -> dict[str, int]:
    """Write `count` pictures into nested folders among odd things; return what must be left out."""
    content = png()
    folders = [root / "cats", root / "cats" / "more ü 图", root / "dogs\nand", root / "a b" / "c" / "d"]
    for folder in folders:
        folder.mkdir(parents=True)
    for number in range(count - 2):
        (folders[number % 4] / f"p{number}.png").write_bytes(content)
    (folders[0] / ("n" * 246 + ".png")).write_bytes(content)
    (folders[1] / "new\nline.JPG").write_bytes(content)
    (folders[0] / ".hidden.png").write_bytes(content)
    (root / ".hidden").mkdir()
    (root / ".hidden" / "p.png").write_bytes(content)
    (folders[2] / "nothing.png").write_bytes(b"")
    (folders[2] / "notes.txt").write_text("hello")
    (folders[3] / "loop").symlink_to(root)
    (folders[3] / "twin.png").symlink_to(folders[0] / "p0.png")
    (folders[3] / "dangling.png").symlink_to("nowhere")
    (folders[3] / "self.png").symlink_to("self.png")
    os.mkfifo(folders[0] / "fifo.png")
    with socket.socket(socket.AF_UNIX) as plug:
        here = os.getcwd()
        os.chdir(folders[0])  # a socket's path must be short
        plug.bind("plug.png")
        os.chdir(here)
    return {"empty": 1, "others": 1, "links": 2, "unreadable": 2, "odd": 2}


def check_tree(root: Path, count: int, seconds: float) -> None:
    left_out = make_tree(root, count)
    began = time.perf_counter()
    album = find(root)
    assert time.perf_counter() - began < seconds
    assert len(album.paths) == len(set(album.paths)) == count
    assert all(os.path.isfile(path) for path in album.paths)
    said = str(album.notice)
    assert said.startswith("left out: ")
    for part in (
        f"{left_out['unreadable']} could not be read: ", f"{left_out['empty']} empty files",
        f"{left_out['odd']} that are no files", f"{left_out['links']} links to what was there already",
        f"{left_out['others']} other files",
    ):  # fmt: skip
        assert part in said
    assert "\n" not in album.title
    assert "dangling.png" in said
    assert (album.labels(("Dogs\nand", "CATS")) == 1).sum() == sum(
        Path(path).parent.name == "cats" for path in album.paths
    )


def cancelled_within(root: Path) -> float:
    """Return how long a search goes on after it was given up amid its work."""
    search = AlbumSearch(OpenAlbum((str(root),)))
    deadline = time.monotonic() + 10
    while not search.found and time.monotonic() < deadline:
        time.sleep(0.0005)
    search.cancel()
    began = time.perf_counter()
    search.thread.join(10)
    assert search.album is None or search.failed is None
    return time.perf_counter() - began


# ---- which files ----------------------------------------------------------------------------


def test_two_thousand_files_among_odd_things_give_the_right_counts(tmp_path: Path) -> None:
    check_tree(tmp_path / "tree", 2_000, 2.0)
    assert cancelled_within(tmp_path / "tree") < 0.2


@pytest.mark.gate
def test_twenty_thousand_files_are_found_within_a_second_and_given_up_at_once(tmp_path: Path) -> None:
    check_tree(tmp_path / "tree", 20_000, 1.5)
    assert cancelled_within(tmp_path / "tree") < 0.2
    tracemalloc.start()
    try:
        find(tmp_path / "tree")
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()


def test_pictures_stand_as_people_would_sort_them(tmp_path: Path) -> None:
    for name in ("p10.png", "P2.png", "p1.png"):
        (tmp_path / name).write_bytes(png())
    assert names(find(tmp_path)) == ["p1.png", "P2.png", "p10.png"]


def test_files_and_folders_together_count_each_picture_once(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    for place in ("one/a.png", "b.png", ".c.png"):
        (tmp_path / place).write_bytes(png())
    (tmp_path / "picture without a suffix").write_bytes(png())
    (tmp_path / "notes").write_text("no picture")
    album = find(*(tmp_path / name for name in (
        "one", "one/a.png", "b.png", ".c.png", "picture without a suffix", "notes", "gone.png"
    )))  # fmt: skip
    assert sorted(names(album)) == [".c.png", "a.png", "b.png", "picture without a suffix"]
    assert album.title == "one, a.png, b.png, …"
    said = str(album.notice)
    assert "1 could not be read: gone.png" in said
    assert "1 other files" in said
    assert "1 links" in said
    assert find(tmp_path / "b.png").notice is None


@pytest.mark.parametrize("paths", [(), ("/no/such/place",), ("a\0b",)])
def test_where_there_is_no_picture_that_is_said(paths: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(AlbumError, match="there is no picture in"):
        find(*paths)
    with pytest.raises(AlbumError, match="; 1 other files"):
        find(tmp_path)


def test_a_folder_without_permission_is_listed(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    if os.access(closed, os.R_OK):
        pytest.skip("this user may read everything")
    assert "1 could not be read: closed" in str(find(tmp_path).notice)


def test_a_search_stops_when_asked(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number}.png").write_bytes(png())
    counts: list[int] = []
    with pytest.raises(AlbumCancelledError):
        find_pictures([str(tmp_path)], counts.append, lambda: len(counts) == 7)
    assert counts == list(range(1, 8))


def test_labels_are_the_names_of_the_folders_in_any_case(tmp_path: Path) -> None:
    for folder in ("Cat", "DOG", "crane", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "p.png").write_bytes(png())
    album = find(tmp_path)
    by_folder = {Path(path).parent.name: row for row, path in enumerate(album.paths)}
    labels = album.labels(("dog", "crane", "cat", "Crane"))
    assert labels[by_folder["Cat"]] == 2
    assert labels[by_folder["DOG"]] == 0
    assert labels[by_folder["crane"]] == -1  # two classes have this name
    assert labels[by_folder["other"]] == -1
    assert album.labels(()).tolist() == [-1] * 4


def test_a_fault_of_the_search_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("injected")

    monkeypatch.setattr("core.album_search.find_pictures", broken)
    search = AlbumSearch(OpenAlbum((str(tmp_path),)))
    search.thread.join(10)
    assert search.is_over
    assert search.failed is not None
    assert "injected" in str(search.failed.notice)


# ---- thumbnails -----------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(300, 200), (128, 128), (28, 28), (1, 1), (1, 5000), (127, 3)])
def test_a_thumbnail_holds_the_whole_picture_in_the_middle(height: int, width: int) -> None:
    pixels = np.zeros((height, width, 3), np.uint8)
    made = thumbnail(pixels)
    assert made.shape == (SIDE, SIDE, 3)
    rows, columns = np.nonzero((made == 0).all(2))
    tall, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert (made == 0).all(2).sum() == tall * wide  # a rectangle
    assert max(tall, wide) > SIDE // 2
    assert abs(rows.min() - (SIDE - 1 - rows.max())) <= 1
    assert abs(columns.min() - (SIDE - 1 - columns.max())) <= 1
    assert (made[(made != 0).any(2)] == GREY).all()
    assert wide == pytest.approx(tall * width / height, abs=1) or min(tall, wide) == 1


def test_a_thumbnail_averages_as_the_networks_input_does() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    blocks = pixels.reshape(128, 2, 128, 2, 3).mean((1, 3))
    assert np.abs(thumbnail(pixels) - blocks).max() <= 1
    assert np.array_equal(thumbnail(pixels), fit(pixels, Transform(128, None, (0,) * 3, (1,) * 3)))


def test_a_small_picture_keeps_its_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28, 3), dtype=np.uint8)
    assert np.array_equal(thumbnail(pixels)[8:120:4, 8:120:4], pixels)


def test_a_store_stays_within_its_bound_and_keeps_what_was_used_last() -> None:
    store = PixelStore(1000)
    for number in range(50):
        store.put(number, np.zeros(100, np.uint8))
        assert store.get(0) is not None
    assert store.bytes <= 1000
    kept = [number for number in range(50) if store.get(number) is not None]
    assert kept == [0, *range(41, 50)]
    store.put(0, np.zeros(50, np.uint8))
    assert store.bytes == 950
    store.clear()
    assert store.bytes == 0
    assert store.get(0) is None


# ---- the loader -----------------------------------------------------------------------------


def wait_for(loader: PictureLoader, enough: Callable[[list[Loaded]], bool]) -> list[Loaded]:
    taken: list[Loaded] = []
    deadline = time.monotonic() + 20
    while not enough(taken):
        assert time.monotonic() < deadline
        loader.wait(0.05)
        taken += loader.take()
    return taken


@pytest.fixture
def opened(tmp_path: Path) -> OpenedAlbum:
    for number in range(6):
        (tmp_path / f"{number}.png").write_bytes(png(40, 30, number))
    (tmp_path / "6.png").write_bytes(b"\x89PNG broken")
    return OpenedAlbum(1, find(tmp_path))


def test_the_loader_reads_what_is_wanted_and_survives_what_cannot_be_read(opened: OpenedAlbum) -> None:
    loader = PictureLoader()
    loader.add([opened.wanted(picture, (TRANSFORM,), thumbnail=True) for picture in (6, 3)], for_page=False)
    taken = wait_for(loader, lambda rows: len(rows) == 2)
    for loaded in taken:
        assert opened.take(loaded)
    assert opened.unreadable.tolist() == [False] * 6 + [True]
    assert opened.readable == 6
    pixels = load_picture(opened.album.paths[3]).pixels
    assert np.array_equal(opened.thumbnails.get(3), thumbnail(pixels))
    assert np.array_equal(opened.fitted.get((3, TRANSFORM)), fit(pixels, TRANSFORM))
    everything = np.arange(7)
    assert opened.missing(everything) == [0, 1, 2, 4, 5]
    made = opened.pixels(everything)
    assert (made[[0, 6]] == GREY).all()
    assert np.array_equal(made[3], thumbnail(pixels))


def test_what_is_looked_at_goes_first_and_takes_the_place_of_what_was(
    opened: OpenedAlbum, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    order: list[str] = []

    def slow(path: str) -> object:
        order.append(os.path.basename(path))
        go.wait(10)
        return load_picture(path)

    monkeypatch.setattr("core.picture_loader.load_picture", slow)
    loader = PictureLoader()
    loader.add([opened.wanted(0)], for_page=False)
    while not order:
        time.sleep(0.001)
    loader.look_at([opened.wanted(3)])
    loader.add([opened.wanted(3, (TRANSFORM,))], for_page=True)
    loader.add([opened.wanted(1), opened.wanted(2), opened.wanted(5, (TRANSFORM,))], for_page=False)
    loader.forget(for_page=True)
    loader.look_at([opened.wanted(3), opened.wanted(4)])
    loader.add([opened.wanted(0, (TRANSFORM,))], for_page=True)
    loader.look_at([opened.wanted(4, thumbnail=True), opened.wanted(5, thumbnail=True)])
    loader.drop(opened.wanted(2, (TRANSFORM,)))
    loader.drop(opened.wanted(5))  # less than what is wanted
    go.set()
    wait_for(loader, lambda rows: len(rows) == 6)
    assert order == ["0.png", "4.png", "5.png", "0.png", "1.png", "5.png"]
    assert not loader.is_busy


def test_what_was_read_of_an_older_album_is_left_out(opened: OpenedAlbum) -> None:
    newer = OpenedAlbum(2, opened.album)
    loader = PictureLoader()
    loader.look_at([opened.wanted(0, thumbnail=True)])
    (loaded,) = wait_for(loader, bool)
    assert not newer.take(loaded)
    assert newer.thumbnails.get(0) is None
    loader.add([opened.wanted(1)], for_page=False)
    loader.forget(for_page=False)
    loader.look_at([opened.wanted(1)])
    loader.clear()
    wait_for(loader, lambda _: not loader.is_busy)
