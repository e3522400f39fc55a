"""Data sets: the embedded one, CIFAR from a fabricated copy, and folders good and bad."""

import hashlib
import io
import os
import pickle
import socket
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core import fashion_mnist, picture_folders
from core.dataset import measured
from core.datasets import Dataset, DatasetCancelledError, DatasetError, load_dataset
from core.fashion_mnist import FASHION_MEAN, FASHION_STD
from core.notices import Notice
from core.transform import fit

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def load(name: str | Path, **options: Any) -> Dataset:
    return load_dataset(str(name), **{"image_size": 8, "seed": 0, **options})


def check_consistent(dataset: Dataset) -> None:
    for images, labels in (
        (dataset.images, dataset.labels),
        (dataset.held_out_images, dataset.held_out_labels),
    ):
        assert images.dtype == np.uint8
        assert labels.dtype == np.int64
        assert images.shape[1] in (1, 3)
        assert len(images) == len(labels) > 0
        assert images.flags.c_contiguous
        assert images.flags.writeable
        assert 0 <= labels.min() <= labels.max() < len(dataset.class_names)


# ---- Fashion-MNIST ------------------------------------------------------------------------


def test_the_embedded_set_is_whole_and_quick() -> None:
    started = time.process_time()
    dataset = load("fashion-mnist")
    assert time.process_time() - started < 1.5
    check_consistent(dataset)
    assert dataset.images.shape == (60_000, 1, 28, 28)
    assert dataset.held_out_images.shape == (10_000, 1, 28, 28)
    assert np.bincount(dataset.labels).tolist() == [6000] * 10
    assert np.bincount(dataset.held_out_labels).tolist() == [1000] * 10
    mean, std = measured(dataset.images)
    assert mean == pytest.approx((FASHION_MEAN,) * 3, abs=1e-12)
    assert std == pytest.approx((FASHION_STD,) * 3, abs=1e-12)
    assert dataset.mean == (FASHION_MEAN,) * 3
    transform = dataset.transform(28)
    assert transform.grey
    assert transform.size == 28
    picture = np.repeat(dataset.images[0, 0][..., None], 3, axis=2)
    assert np.array_equal(fit(picture, transform), picture)


def test_a_damaged_embedded_set_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion_mnist, "_embedded", [])  # not the copy in memory
    whole = fashion_mnist.asset("data", "fashion-mnist", "t10k-labels-idx1-ubyte.gz").read_bytes()
    monkeypatch.setattr(fashion_mnist, "asset", lambda *parts: tmp_path / parts[-1])
    for content in (b"", b"no gzip", whole[:200], whole):
        (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(content)
        with pytest.raises(DatasetError, match="install Skipscope again"):
            load("fashion-mnist")


@pytest.mark.parametrize("name", ["mnist", "", "/no/such/folder", "a\0b", "~nobody-here/x"])
def test_an_unknown_name_is_said(name: str) -> None:
    with pytest.raises(DatasetError, match="there is no data set or folder"):
        load(name)


# ---- CIFAR --------------------------------------------------------------------------------


def batch(count: int, seed: int) -> bytes:
    generator = np.random.default_rng(seed)
    rows = generator.integers(0, 256, (count, 3072), dtype=np.uint8)
    return pickle.dumps({"data": rows, "labels": [number % 10 for number in range(count)]})


def fabricate(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write a small CIFAR-10 that torchvision takes for the real one, packed too; return its class."""
    kind = pytest.importorskip("torchvision.datasets").CIFAR10
    files = {f"data_batch_{number}": batch(20, number) for number in range(1, 6)}
    files |= {"test_batch": batch(10, 9), "batches.meta": pickle.dumps({"label_names": list(LETTERS[:10])})}
    place = folder / kind.base_folder
    place.mkdir(parents=True)
    for name, content in files.items():
        (place / name).write_bytes(content)
    digests = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    monkeypatch.setattr(kind, "train_list", [[name, digests[name]] for name in files if "data" in name])
    monkeypatch.setattr(kind, "test_list", [["test_batch", digests["test_batch"]]])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": digests["batches.meta"]})
    packed = folder / "served.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(place, kind.base_folder)
    serve(kind, packed, monkeypatch)
    return kind


def serve(kind: Any, packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kind, "tgz_md5", hashlib.md5(packed.read_bytes()).hexdigest())
    monkeypatch.setattr(kind, "url", packed.as_uri())


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where data sets are looked for."""
    monkeypatch.setenv("SKIPSCOPE_DATASETS", str(tmp_path / "store"))
    return tmp_path / "store"


def test_cifar_that_is_not_here_says_how_to_get_it(store: Path) -> None:
    with pytest.raises(DatasetError, match="CIFAR-100 is not on this machine: choose Download") as caught:
        load("cifar100")
    assert str(store) in str(caught.value)


def test_cifar_without_a_network_says_so(store: Path) -> None:
    with pytest.raises(DatasetError, match=r"cannot be downloaded from https.*is there a network\?"):
        load("cifar10", download=True)
    assert list(store.iterdir()) == []


def test_a_local_copy_of_cifar_is_read(
    own_data_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fabricate(own_data_folder / "datasets", monkeypatch)
    dataset = load("cifar10")
    check_consistent(dataset)
    assert dataset.images.shape == (100, 3, 32, 32)
    assert dataset.held_out_images.shape == (10, 3, 32, 32)
    assert dataset.class_names == tuple(LETTERS[:10])
    first = pickle.loads(batch(20, 1))["data"][0].reshape(3, 32, 32)
    assert np.array_equal(dataset.images[0], first)
    pixels = dataset.images / 255
    assert dataset.mean == pytest.approx(pixels.mean((0, 2, 3)))
    assert dataset.std == pytest.approx(pixels.std((0, 2, 3)))
    assert not dataset.transform(32).grey


@pytest.mark.parametrize("position", range(7))
def test_a_flipped_byte_in_cifar_is_refused_before_unpickling(
    position: int, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = fabricate(store, monkeypatch)
    monkeypatch.setattr(pickle, "load", lambda *_, **__: pytest.fail("unpickled"))
    path = sorted((store / kind.base_folder).iterdir())[position]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="is damaged; download it again"):
        load("cifar10")


def test_a_download_replaces_a_damaged_copy_and_reports(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = fabricate(store, monkeypatch)
    (store / kind.base_folder / "test_batch").write_bytes(b"broken")
    said: list[tuple[str, float | None]] = []
    dataset = load("cifar10", download=True, progress=lambda what, share: said.append((str(what), share)))
    check_consistent(dataset)
    assert ("downloading CIFAR-10 (170 MB)", 1.0) in said
    assert sorted(path.name for path in store.iterdir()) == [kind.base_folder, "served.tar.gz"]


def test_a_broken_off_or_cancelled_download_leaves_nothing_and_can_be_tried_again(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = fabricate(store / "away", monkeypatch)
    whole = kind.url
    cut = store / "away" / "cut.tar.gz"
    cut.write_bytes((store / "away" / "served.tar.gz").read_bytes()[:-100])
    monkeypatch.setattr(kind, "url", cut.as_uri())
    with pytest.raises(DatasetError, match="arrived incomplete or changed"):
        load("cifar10", download=True)
    monkeypatch.setattr(kind, "url", whole)
    for patience in range(1, 7):
        answers = iter([False] * patience)
        with pytest.raises(DatasetCancelledError):
            load("cifar10", download=True, cancelled=lambda left=answers: next(left, True))
        assert not (store / kind.base_folder).exists()
        assert not list(store.glob("*.part"))
    check_consistent(load("cifar10", download=True))


def attack(name: str, **traits: Any) -> Callable[[tarfile.TarFile], None]:
    def add(archive: tarfile.TarFile) -> None:
        member = tarfile.TarInfo(name)
        for trait, value in traits.items():
            setattr(member, trait, value)
        content = b"" if traits else b"evil"
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))

    return add


@pytest.mark.parametrize(
    "add",
    [
        attack("../evil"),
        attack("cifar-10-batches-py/../../evil"),
        attack("cifar-10-batches-py/out", type=tarfile.SYMTYPE, linkname="../../.."),
        attack("cifar-10-batches-py/out", type=tarfile.SYMTYPE, linkname="/etc"),
        attack("cifar-10-batches-py/out", type=tarfile.LNKTYPE, linkname="../../evil"),
        attack("cifar-10-batches-py/fifo", type=tarfile.FIFOTYPE),
    ],
    ids=["up", "through", "link", "absolute link", "hard link", "fifo"],
)
def test_an_archive_that_reaches_outside_is_refused(
    add: Callable[[tarfile.TarFile], None], store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kind = fabricate(tmp_path / "away", monkeypatch)
    packed = tmp_path / "evil.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        add(archive)
    serve(kind, packed, monkeypatch)
    with pytest.raises(DatasetError, match="CIFAR-10 cannot be put into"):
        load("cifar10", download=True)
    assert not list(tmp_path.rglob("evil"))
    assert not (store / kind.base_folder).exists()


def test_an_archive_beside_is_unpacked_without_a_network(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = fabricate(store / "away", monkeypatch)
    os.replace(store / "away" / "served.tar.gz", store / kind.filename)
    check_consistent(load("cifar10"))


# ---- folders ------------------------------------------------------------------------------


def paint(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "PNG")


def make_folder(root: Path, counts: dict[str, int], salt: int = 0) -> Path:
    for row, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            paint(root / name / f"{number}.png", salt + 1000 * row + number)
    return root


def pictures(images: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in images}


def test_a_folder_is_split_once_and_the_halves_do_not_overlap(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "set", {"b": 60, "a": 40, ".hidden": 5})
    (folder / "readme.txt").write_text("hello")
    (folder / "a" / ".hidden.png").write_bytes(b"x")
    (folder / "a" / "notes.txt").write_bytes(b"x")
    dataset = load(folder)
    check_consistent(dataset)
    assert dataset.class_names == ("a", "b")
    assert dataset.images.shape[1:] == (3, 8, 8)
    train, held_out = pictures(dataset.images), pictures(dataset.held_out_images)
    assert len(train) + len(held_out) == 100
    assert not train & held_out
    assert 10 <= len(held_out) <= 30
    assert str(dataset.notice) == f"{len(train)} to train, {len(held_out)} held out, split by seed 0"
    again = load(folder)
    assert np.array_equal(again.images, dataset.images)
    assert np.array_equal(again.held_out_labels, dataset.held_out_labels)
    assert pictures(load(folder, seed=1).held_out_images) != held_out
    pixels = dataset.images / 255
    assert dataset.mean == pytest.approx(pixels.mean((0, 2, 3)))
    assert dataset.std == pytest.approx(pixels.std((0, 2, 3)))


def test_labels_and_pixels_belong_together(tmp_path: Path) -> None:
    for row, name in enumerate(("dark", "light")):
        for number in range(6):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.new("RGB", (20, 30), (200 * row + number,) * 3).save(tmp_path / name / f"{number}.png")
    dataset = load(tmp_path, image_size=16)
    for images, labels in (
        (dataset.images, dataset.labels),
        (dataset.held_out_images, dataset.held_out_labels),
    ):
        assert np.array_equal(images.mean((1, 2, 3)) >= 200, labels == 1)
    assert not np.array_equal(dataset.labels, np.sort(dataset.labels))


def test_added_files_move_no_picture_across(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, {"a": 30, "b": 30})
    before = load(folder)
    make_folder(folder, {"a": 45, "b": 45})
    after = load(folder)
    assert pictures(before.images) < pictures(after.images)
    assert pictures(before.held_out_images) < pictures(after.held_out_images)


def test_the_split_does_not_depend_on_where_the_folder_lies(tmp_path: Path) -> None:
    one, two = (load(make_folder(tmp_path / name, {"a": 20, "b": 20})) for name in ("one", "two"))
    assert np.array_equal(one.images, two.images)


@pytest.mark.parametrize("count", [2, 3])
def test_small_classes_have_a_picture_on_each_side(tmp_path: Path, count: int) -> None:
    for seed in range(10):
        dataset = load(make_folder(tmp_path, dict.fromkeys("abc", count)), seed=seed)
        assert set(dataset.labels) == set(dataset.held_out_labels) == {0, 1, 2}


@pytest.mark.parametrize("other", ["test", "val"])
def test_a_given_split_is_kept(tmp_path: Path, other: str) -> None:
    make_folder(tmp_path / "train", {"a": 5, "b": 4})
    make_folder(tmp_path / other, {"a": 2, "b": 1}, salt=50_000)
    dataset = load(tmp_path)
    check_consistent(dataset)
    assert dataset.class_names == ("a", "b")
    assert sorted(dataset.labels) == [0] * 5 + [1] * 4
    assert sorted(dataset.held_out_labels) == [0, 0, 1]
    assert str(dataset.notice) == f"9 to train, 3 held out, as in the folders train and {other}"


def test_a_class_to_test_on_only_is_refused(tmp_path: Path) -> None:
    make_folder(tmp_path / "train", {"a": 5, "b": 4})
    make_folder(tmp_path / "test", {"a": 2, "zebra": 1})
    with pytest.raises(DatasetError, match="zebra has pictures to test on, but none to train on"):
        load(tmp_path)


def test_what_cannot_be_read_is_listed_and_never_hangs(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "ordner 图", {"ä ö": 8, "two\nlines": 8, "empty": 0})
    paint(folder / "ä ö" / "deeper" / "new\nline.png", 70)
    paint(folder / "ä ö" / ("n" * 240 + ".png"), 80)
    os.mkfifo(folder / "ä ö" / "fifo.png")
    (folder / "ä ö" / "nothing.png").write_bytes(b"")
    (folder / "ä ö" / "text.png").write_bytes(b"hello")
    (folder / "ä ö" / "dangling.png").symlink_to("nowhere")
    (folder / "ä ö" / "self.png").symlink_to("self.png")
    (folder / "ä ö" / "loop").symlink_to(folder)
    (folder / "ä ö" / "twin.png").symlink_to("0.png")
    os.link(folder / "ä ö" / "1.png", folder / "two\nlines" / "stolen.png")
    with socket.socket(socket.AF_UNIX) as plug:
        here = os.getcwd()
        os.chdir(folder / "ä ö")  # a socket's path must be short
        plug.bind("plug.png")
        os.chdir(here)
        started = time.perf_counter()
        dataset = load(folder)
    assert time.perf_counter() - started < 2
    check_consistent(dataset)
    assert dataset.class_names == ("two�lines", "ä ö")
    train, held_out = pictures(dataset.images), pictures(dataset.held_out_images)
    assert len(train) + len(held_out) == len(dataset.labels) + len(dataset.held_out_labels) == 18
    assert not train & held_out
    said = str(dataset.notice)
    assert "class folders without a picture, left out: empty" in said
    assert "6 could not be read: dangling.png, fifo.png, nothing.png, …" in said
    assert "3 links to what was there already, left out" in said


def test_a_half_broken_class_is_used_and_a_broken_one_left_out(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, {"a": 6, "b": 6, "c": 4})
    for number in range(3):
        (folder / "b" / f"{number}.png").write_bytes(b"\x89PNG broken")
    for path in (folder / "c").iterdir():
        path.write_bytes(b"")
    dataset = load(folder)
    assert dataset.class_names == ("a", "b")
    assert len(dataset.labels) + len(dataset.held_out_labels) == 9
    assert "left out: c" in str(dataset.notice)
    assert "7 could not be read: 0.png, 1.png, 2.png, …" in str(dataset.notice)


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ({}, "at least two class folders with pictures, not 0"),
        ({"a": 9}, "at least two class folders with pictures, not 1"),
        ({"a": 9, "b": 0}, "at least two class folders with pictures, not 1"),
        ({"a": 2, "b": 1}, "has too few pictures: 2 to train on, 1 held out"),
    ],
)
def test_a_folder_that_is_no_data_set_is_refused(counts: dict[str, int], reason: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=reason):
        load(make_folder(tmp_path, counts))


def test_a_folder_too_large_for_memory_is_refused_with_the_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_folders, "MAX_FOLDER_BYTES", 1000)
    with pytest.raises(DatasetError, match=r"20 pictures of 8 × 8 need 0\.0 GB of memory"):
        load(make_folder(tmp_path, {"a": 10, "b": 10}))


def test_loading_a_folder_reports_and_stops_when_asked(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, {"a": 30, "b": 30})
    said: list[tuple[Notice, float | None]] = []
    load(folder, progress=lambda what, share: said.append((what, share)))
    assert str(said[-1][0]) == f"reading 60 pictures from {folder.name}"
    assert [share for _, share in said if share is not None] == pytest.approx([1 / 3, 2 / 3, 1])
    asked = []

    def cancelled() -> bool:
        asked.append(time.perf_counter())
        return len(asked) > 90

    with pytest.raises(DatasetCancelledError):
        load(folder, cancelled=cancelled)
    assert len(asked) == 91
    assert max(np.diff(asked)) < 0.2
