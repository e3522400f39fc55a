"""The networks that can be asked beside the run: what they are called, how many are kept, what is said of them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core import answers, sources
from core.answers import MOST_REFERENCES
from core.checkpoint import load, to_bytes
from core.files import write_atomically
from core.messages import (
    BrowsePictures,
    Explain,
    Explanation,
    Failed,
    OpenCheckpoint,
    OwnPicture,
    PicturePage,
    References,
    Setup,
)
from core.network import ResidualNetwork, initialise
from core.settings import NetworkSettings
from core.sources import LANES, PRETRAINED, as_seen
from core.transform import CIFAR10, fit, normalise
from tests.core.by_hand import Bench, run_settings, tiny_dataset, use_tiny_dataset
from tests.core.foreign_networks import article, lived_in

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_dataset(monkeypatch)


def foreign(path: Path, _: object = None) -> Path:
    path.parent.mkdir(exist_ok=True)
    torch.save(article().state_dict(), path)
    return path


def ours(path: Path, class_names: tuple[str, ...] | None, **settings: object) -> Path:
    network = ResidualNetwork(NetworkSettings(**{"width": 4, **settings}))  # type: ignore[arg-type]
    initialise(network, seed=5)
    transform = tiny_dataset().transform(8)
    data = to_bytes(lived_in(network), transform=transform, class_names=class_names, step=3, dataset="tiny")
    write_atomically(path, data)
    return path


def bench() -> Bench:
    made = Bench()
    made.engine.submit(Setup(run_settings(), play=False))
    made.ticks(lambda: made.engine.run is not None)
    return made


def opened(made: Bench, path: Path | str) -> References:
    before = len(made.of(References))
    made.engine.submit(OpenCheckpoint(str(path), "reference"))
    made.ticks(lambda: len(made.of(References)) > before)
    last = made.of(References)[-1]
    assert isinstance(last, References)
    return last


# ---- names --------------------------------------------------------------------------------------


def test_files_of_the_same_name_stay_apart_and_one_opened_again_does_not(tmp_path: Path) -> None:
    first, second = foreign(tmp_path / "a" / "best.pt"), foreign(tmp_path / "b" / "best.pt")
    made = bench()
    assert opened(made, first).names == (LANES, "best.pt")
    both = opened(made, second)
    assert both.names == (LANES, "best.pt", "b/best.pt")
    assert both.selected == "b/best.pt"
    again = opened(made, first)
    assert again.names == (LANES, "b/best.pt", "best.pt"), "the newest comes last"
    assert again.selected == "best.pt"


@pytest.mark.parametrize("name", [LANES, PRETRAINED])
def test_no_file_can_take_the_name_of_something_else(tmp_path: Path, name: str) -> None:
    path = foreign(tmp_path / "folder" / name)
    assert sources.reference(load(path), CPU, {}).name == f"folder/{name}"


# ---- what is said of them -----------------------------------------------------------------------


def test_each_is_said_in_a_line(tmp_path: Path) -> None:
    made = bench()
    lines = opened(made, foreign(tmp_path / "article.pt")).about
    lines += opened(
        made, ours(tmp_path / "ours.safetensors", tuple("abcdefghij"), depth=20, block="pre")
    ).about[2:]
    assert [str(line) for line in lines[1:]] == [
        "ResNet-18, width 4, 10 classes · 32×32 · shorter side to 32, centre crop 32, "
        "CIFAR-10 mean and deviation · its classes have numbers for names",
        "ResNet-20, pre-activation, width 4, 10 classes · 8×8 · shorter side to 8, centre crop 8, to grey, "
        "mean 0.5, deviation 0.25",
    ]
    assert lines[0] is None


def test_the_twins_say_once_what_they_share() -> None:
    line = str(sources.about(sources.pretrained(CPU)))
    assert line.count("ResNet-18") == 1
    assert "28×28" in line
    assert "numbers" not in line


# ---- how many are kept --------------------------------------------------------------------------


def test_only_the_newest_are_kept_and_what_goes_is_said(tmp_path: Path) -> None:
    made = bench()
    paths = [foreign(tmp_path / f"{number}.pt") for number in range(MOST_REFERENCES + 1)]
    for path in paths[:-1]:
        assert opened(made, path).notice is None
    opened(made, paths[0])  # asked for again, so it is not the oldest any more
    last = opened(made, paths[-1])
    assert last.names == (LANES, "2.pt", "3.pt", "0.pt", "4.pt")
    assert len(last.about) == len(last.names)
    assert str(last.notice) == "1.pt is no longer kept: at most 4 are, beside the lanes"


def test_a_step_looked_back_at_takes_no_ones_place(tmp_path: Path) -> None:
    made = bench()
    for number in range(MOST_REFERENCES):
        opened(made, foreign(tmp_path / f"{number}.pt"))
    past = replace(sources.reference(load(tmp_path / "0.pt"), CPU, {}), name="Step 3", step=3)
    made.engine._answers.keep(past)
    last = made.of(References)[-1]
    assert isinstance(last, References)
    assert last.notice is None
    assert len(last.names) == MOST_REFERENCES + 2


def test_a_network_that_is_dropped_while_it_predicts_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "MOST_REFERENCES", 1)
    made = bench()
    opened(made, foreign(tmp_path / "first.pt"))
    made.engine.submit(BrowsePictures(source="first.pt"))
    made.engine.tick(0)
    opened(made, foreign(tmp_path / "second.pt"))
    made.ticks(lambda: not made.engine._answers.are_due)
    made.events.clear()
    made.engine.submit(again := BrowsePictures(source="first.pt"))
    made.ticks(lambda: bool(made.of(PicturePage) or made.of(Failed)))
    pages = [page for page in made.of(PicturePage) if isinstance(page, PicturePage)]
    assert all(
        page.request == again.id and page.judged == 0 and (page.predicted == -1).all() for page in pages
    )


# ---- what a network gets ------------------------------------------------------------------------


def test_an_own_picture_goes_through_the_networks_own_transform(tmp_path: Path) -> None:
    (subject,) = sources.reference(load(foreign(tmp_path / "article.pt")), CPU, {}).subjects
    pixels = np.random.default_rng(4).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    got, looks, label = as_seen(OwnPicture("own", pixels), subject, None)
    assert label is None
    np.testing.assert_array_equal(looks, fit(pixels, CIFAR10))
    np.testing.assert_array_equal(got.numpy(), normalise(looks, CIFAR10))


SAME, OTHER = tuple("abcdefghij"), tuple("klmnopqrst")


@pytest.mark.parametrize(
    ("make", "names", "label_is_known"),
    [(ours, SAME, True), (ours, None, True), (ours, OTHER, False), (foreign, None, False)],
    ids=["same names", "no names, same pictures", "other names", "no names, other pictures"],
)
def test_the_true_class_is_known_to_networks_of_the_same_classes_only(
    tmp_path: Path, make: Callable[..., Path], names: tuple[str, ...] | None, label_is_known: bool
) -> None:
    made = bench()
    opened(made, make(tmp_path / "asked", names))
    made.engine.submit(Explain(3, "saliency", source="asked"))
    made.ticks(lambda: any(answer.done for answer in made.of(Explanation)))  # type: ignore[attr-defined]
    answer = made.of(Explanation)[-1]
    assert isinstance(answer, Explanation)
    assert answer.label == (int(tiny_dataset().held_out_labels[3]) if label_is_known else None)
