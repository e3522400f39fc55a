"""Pages, filters, orders and figures against brute force; albums judged beside training."""

import math
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from core import evaluation
from core.checkpoint import load
from core.judgement import calibration_error, confidence_bins, confusion
from core.judging import Judging
from core.messages import (
    BROUGHT,
    HELD_OUT,
    AlbumOpened,
    BrowsePictures,
    Cancel,
    Evaluation,
    Event,
    Failed,
    JudgeAll,
    Judged,
    OpenAlbum,
    OpenCheckpoint,
    PictureFilter,
    PictureOrder,
    PicturePage,
    Play,
    Progress,
    RunStarted,
    SaveCheckpoint,
    SetStrengths,
    Setup,
)
from core.pictures import load_picture
from core.predictions import Predictions, chosen
from core.settings import lane, twins
from core.sources import PRETRAINED
from core.thumbnails import GREY, thumbnail
from core.transform import prepare
from tests.core.by_hand import NETWORK, Bench, run_settings, tiny_dataset, trained, use_tiny_dataset

CLASSES = 4
PICTURES = 60


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_dataset(monkeypatch)


# ---- filters and orders ---------------------------------------------------------------------


def random_table(seed: int, networks: int) -> tuple[Predictions, NDArray[np.int64], list[list[list[float]]]]:
    """A table with unknown pictures, networks without finite numbers, pictures without a class."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(-1, CLASSES, PICTURES)
    logits = generator.normal(0, 2, (networks, PICTURES, CLASSES)).astype(np.float32)
    logits[generator.random((networks, PICTURES)) < 0.1, 0] = np.nan
    logits[generator.random((networks, PICTURES)) < 0.05, 1] = np.inf
    if networks > 2:
        logits[2] = np.nan  # a diverged lane
    table = Predictions(networks, PICTURES, 7, "weights")
    judged = np.flatnonzero(generator.random(PICTURES) < 0.8)
    for part in np.array_split(judged, 3):
        table.put(part, list(logits[:, part]), labels[part])
    known = [
        [row.tolist() if picture in judged else [] for picture, row in enumerate(rows)] for rows in logits
    ]
    return table, labels, known


def said(logits: list[float], label: int) -> tuple[int, float, float] | None:
    """Class, its probability and the loss, or None where nothing is known; in plain Python."""
    if not logits or not all(math.isfinite(each) for each in logits):
        return None
    total = sum(math.exp(each) for each in logits)
    best = max(range(len(logits)), key=lambda number: logits[number])
    loss = math.log(total) - logits[label] if label >= 0 else math.nan
    return best, math.exp(logits[best]) / total, loss


def brute_force(
    asked: BrowsePictures, labels: NDArray[np.int64], known: list[list[list[float]]]
) -> list[int]:
    passing, keys = [], {}
    for picture, label in enumerate(labels.tolist()):
        words = [said(rows[picture], label) for rows in known]
        heard = [each for each in words if each is not None]
        right = [each[0] == label for each in heard]
        kind = {
            "all": True,
            "wrong": label >= 0 and not all(right),
            "correct": label >= 0 and bool(right) and all(right),
            "confident": any(each[1] >= 0.9 for each in heard),
            "disagree": len({each[0] for each in heard}) > 1,
        }[asked.kind]
        chosen_ones = words if asked.network is None else words[asked.network : asked.network + 1]
        about = [each for each in chosen_ones if each is not None]
        least, most = asked.sure
        cell = (asked.predicted is None and asked.sure == (0.0, 1.0)) or any(
            asked.predicted in (None, each[0]) and least <= each[1] <= most for each in about
        )
        if kind and cell and (not asked.labels or label in asked.labels):
            passing.append(picture)
            values = [-each[2] if asked.order == "loss" else each[1] for each in about]
            values = [each for each in values if math.isfinite(each)]
            keys[picture] = sum(values) / len(values) if values else math.inf
    return passing if asked.order == "order" else sorted(passing, key=lambda picture: keys[picture])


@pytest.mark.parametrize("networks", [1, 2, 4])
@pytest.mark.parametrize("kind", get_args(PictureFilter))
def test_filters_and_orders_equal_brute_force(kind: PictureFilter, networks: int) -> None:
    seen = set()
    for seed in range(4):
        table, labels, known = random_table(seed, networks)
        for order in get_args(PictureOrder):
            for more in (
                {}, {"network": 0}, {"network": networks - 1, "predicted": 1}, {"predicted": 2, "sure": (0.3, 0.7)},
                {"sure": (0.9, 1.0)}, {"labels": (0, 3)}, {"labels": (1,), "predicted": 2, "network": 0},
                {"network": networks}, {"labels": (-1,)},
            ):  # fmt: skip
                asked = BrowsePictures(kind, order=order, **more)  # type: ignore[arg-type]
                expected = brute_force(asked, labels, known)
                assert chosen(asked, labels, labels, table).tolist() == expected, (asked, seed)
                seen.add(len(expected))
    assert len(seen) > 4 or (networks == 1 and kind == "disagree" and seen == {0})


def test_without_predictions_only_the_class_chooses() -> None:
    labels = np.array([0, 1, 2, 1])
    assert chosen(BrowsePictures(labels=(1,), order="loss"), labels, labels, None).tolist() == [1, 3]
    for asked in (
        BrowsePictures("wrong"), BrowsePictures(predicted=1), BrowsePictures(sure=(0.0, 0.5)),
    ):  # fmt: skip
        assert chosen(asked, labels, labels, None).tolist() == []


def test_losses_and_confidences_are_those_of_torch() -> None:
    logits = torch.randn(20, CLASSES, generator=torch.Generator().manual_seed(0)) * 30
    labels = torch.arange(20) % CLASSES
    table = Predictions(1, 20, None, "weights")
    table.put(np.arange(20), [logits.numpy()], labels.numpy())
    losses = torch.nn.functional.cross_entropy(logits.double(), labels, reduction="none")
    np.testing.assert_allclose(table.losses[0], losses.numpy(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(table.confidence[0], logits.double().softmax(1).max(1).values.numpy())
    assert table.predicted[0].tolist() == logits.argmax(1).tolist()


# ---- figures --------------------------------------------------------------------------------


def test_a_confusion_matrix_by_hand() -> None:
    labels = np.array([0, 0, 1, 2, 2, -1, 1])
    predicted = np.array([0, 2, 1, 2, 0, 1, -1])
    assert confusion(labels, predicted, 3).tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]


def test_calibration_by_hand() -> None:
    """Bins are open below and closed above, as in Guo et al. 2017."""
    confidence = np.array([0.1, 0.3, 0.30001, 0.35, 0.9, 0.95, 1.0])
    right = np.array([True, False, True, False, True, True, False])
    bins = confidence_bins(confidence, right)
    assert bins[:, 0].tolist() == [1, 0, 1, 2, 0, 0, 0, 0, 1, 2]
    assert bins[3].tolist() == pytest.approx([2, 0.325005, 0.5])
    assert bins[9].tolist() == pytest.approx([2, 0.975, 0.5])
    assert np.isnan(bins[1, 1:]).all()
    gaps = (0.9 + 0.3 + 2 * 0.174995 + 0.1 + 2 * 0.475) / 7
    assert calibration_error(bins) == pytest.approx(gaps)
    assert math.isnan(calibration_error(confidence_bins(np.zeros(0), np.zeros(0, bool))))


def test_calibration_equals_a_loop_over_pictures() -> None:
    generator = np.random.default_rng(1)
    confidence, right = generator.random(500), generator.random(500) < 0.6
    expected = 0.0
    for number in range(10):
        inside = [i for i in range(500) if number / 10 < confidence[i] <= (number + 1) / 10]
        expected += abs(sum(right[i] for i in inside) - sum(confidence[i] for i in inside)) / 500
    assert calibration_error(confidence_bins(confidence, right)) == pytest.approx(expected)


# ---- the held-out pictures ------------------------------------------------------------------


def pages(bench: Bench, request: int) -> list[PicturePage]:
    return [event for event in bench.events if isinstance(event, PicturePage) and event.request == request]


def judged(bench: Bench) -> list[Judged]:
    return [event for event in bench.events if isinstance(event, Judged)]


def ask(bench: Bench, command: BrowsePictures) -> PicturePage:
    """Return the first page that comes."""
    bench.engine.submit(command)
    bench.ticks(lambda: bool(pages(bench, command.id)))
    return pages(bench, command.id)[0]


def settle(bench: Bench) -> None:
    """Tick until there is nothing left to be done."""
    deadline = time.monotonic() + 30
    while bench.engine._answers.are_due or bench.engine._inbox or not bench.engine._queue.empty():
        bench.engine.tick(0)
        assert time.monotonic() < deadline


def ended(bench: Bench, request: int) -> bool:
    return any(
        isinstance(event, Progress) and event.request == request and event.fraction == 1
        for event in bench.events
    )


@pytest.fixture
def some_known(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A finished run whose held-out figures use 10 of 32 pictures."""
    monkeypatch.setattr(evaluation, "MOST_EVALUATED", 10)
    bench = trained(run_settings(), evaluate=True)
    settle(bench)
    return bench


def lane_logits(bench: Bench) -> list[torch.Tensor]:
    """What the lanes say of all held-out pictures, by plain forward passes."""
    run = bench.engine.run
    assert run is not None
    dataset = tiny_dataset()
    x = torch.from_numpy(dataset.held_out_images).float() / 255
    x = ((x - 0.5) / 0.25).expand(-1, 3, -1, -1)
    found = []
    for each in run.lanes:
        each.network.eval()
        with torch.inference_mode():
            found.append(each.network(x).clone())
        each.network.train()
    return found


def test_at_first_what_was_evaluated_is_known_of_all_held_out_pictures(some_known: Bench) -> None:
    page = ask(some_known, BrowsePictures(count=100))
    assert (page.matching, page.judged, page.total, page.album) == (32, 10, 32, HELD_OUT)
    assert (page.predicted[:, :10] >= 0).all()
    assert (page.predicted[:, 10:] == -1).all()
    assert page.losses is not None
    assert np.isnan(page.losses[:, 10:]).all()
    last = ask(some_known, BrowsePictures(count=100, order="loss"))
    assert last.indices[10:].tolist() == list(range(10, 32))
    assert sorted(last.indices[:10].tolist()) == list(range(10))
    (figures,) = {event.judged for event in judged(some_known)}
    assert figures == 10


def test_judging_all_predicts_every_picture_as_a_plain_forward_pass(some_known: Bench) -> None:
    first = ask(some_known, BrowsePictures("wrong", count=100))
    some_known.events.clear()
    command = JudgeAll()
    some_known.engine.submit(command)
    some_known.ticks(lambda: ended(some_known, command.id))
    settle(some_known)
    (page,) = pages(some_known, first.request)[-1:]  # the page asked for last comes again
    logits = lane_logits(some_known)
    truth = tiny_dataset().held_out_labels
    predicted = np.stack([each.argmax(1).numpy() for each in logits])
    wrong = np.flatnonzero((predicted != truth).any(0))
    assert page.indices.tolist() == wrong.tolist()
    assert len(wrong) > first.matching
    assert np.array_equal(page.predicted, predicted[:, wrong])
    losses = [
        torch.nn.functional.cross_entropy(each, torch.from_numpy(truth), reduction="none") for each in logits
    ]
    assert page.losses is not None
    np.testing.assert_allclose(page.losses, np.stack(losses)[:, wrong], rtol=1e-4, atol=1e-5)
    assert (page.judged, page.step) == (32, 6)

    figures = judged(some_known)[-1]
    assert (figures.request, figures.judged, figures.total, figures.names) == (command.id, 32, 32, ("A", "B"))
    for network in range(2):
        matrix = np.zeros((10, 10), int)
        np.add.at(matrix, (truth, predicted[network]), 1)
        assert np.array_equal(figures.confusion[network], matrix)
        assert figures.bins[network, :, 0].sum() == 32
        assert figures.calibration_errors[network] == pytest.approx(calibration_error(figures.bins[network]))
    for array in (page.predicted, page.pixels, figures.confusion, figures.bins):
        assert not array.flags.writeable
    cell = ask(some_known, BrowsePictures(labels=(int(truth[0]),), predicted=int(predicted[0, 0]), network=0))
    assert cell.matching == figures.confusion[0, truth[0], predicted[0, 0]]


@pytest.mark.parametrize("order", get_args(PictureOrder))
def test_pages_in_turn_hold_every_matching_picture_once(some_known: Bench, order: PictureOrder) -> None:
    whole = ask(some_known, BrowsePictures("wrong", count=100, order=order))
    parts = [
        ask(some_known, BrowsePictures("wrong", offset=offset, count=3, order=order))
        for offset in range(0, whole.matching + 3, 3)
    ]
    assert [number for part in parts for number in part.indices.tolist()] == whole.indices.tolist()
    assert len(set(whole.indices.tolist())) == whole.matching > 3
    assert ask(some_known, BrowsePictures(offset=-5, count=-1)).indices.tolist() == []


def test_judging_beside_training_changes_no_bit_and_is_of_the_step_it_began() -> None:
    alone = trained(run_settings(steps=40))
    bench = Bench()
    bench.engine.submit(Setup(run_settings(steps=40)))
    bench.ticks(lambda: bench.engine.run is not None and bench.engine.run.step >= 3)
    command = JudgeAll()
    bench.engine.submit(command)
    bench.ticks(lambda: ended(bench, command.id))
    step = judged(bench)[-1].step
    assert step is not None
    assert 3 <= step < 40
    bench.ticks(bench.finished)
    assert bench.losses() == alone.losses()
    assert bench.losses(1) == alone.losses(1)


def test_a_later_evaluation_takes_the_place_of_older_predictions(some_known: Bench) -> None:
    command = JudgeAll()
    some_known.engine.submit(command)
    some_known.ticks(lambda: ended(some_known, command.id))
    assert ask(some_known, BrowsePictures()).judged == 32
    some_known.engine.submit(Play())
    some_known.engine.tick(0)
    some_known.ticks(some_known.finished)
    settle(some_known)
    page = ask(some_known, BrowsePictures())
    assert (page.judged, page.step) == (10, 12)


def test_a_toggle_amid_judging_begins_it_again(some_known: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.judging.LARGEST_PIECE", 2)
    command = JudgeAll()
    some_known.engine.submit(command)
    some_known.ticks(lambda: some_known.engine._answers._browsing._predictions.under_way is not None)
    some_known.engine.submit(SetStrengths(0, shortcuts=(0.0,) * 8))
    some_known.ticks(lambda: ended(some_known, command.id))
    page = ask(some_known, BrowsePictures(count=100))
    assert page.judged == 32
    assert page.predicted.tolist() == [each.argmax(1).tolist() for each in lane_logits(some_known)]


def test_cancelling_ends_it_and_keeps_what_was_found(
    some_known: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.judging.LARGEST_PIECE", 2)
    command = JudgeAll()
    some_known.engine.submit(command)
    some_known.ticks(lambda: some_known.engine._answers._browsing._predictions.under_way is not None)
    some_known.engine.submit(Cancel(command.id))
    some_known.engine.submit(Cancel(command.id))
    some_known.ticks(lambda: ended(some_known, command.id))
    settle(some_known)
    assert 10 <= ask(some_known, BrowsePictures()).judged < 32
    replies = [event for event in judged(some_known) if event.request == command.id]
    assert len(replies) == 1


def test_a_fault_in_predicting_fails_its_request_alone(
    some_known: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Judging) -> bool:
        raise RuntimeError("injected")

    monkeypatch.setattr(Judging, "do_piece", broken)
    command = JudgeAll()
    some_known.engine.submit(command)
    settle(some_known)
    failed = [event for event in some_known.events if isinstance(event, Failed)]
    assert [event.request for event in failed] == [command.id]
    assert "injected" in str(failed[0].notice)
    assert ended(some_known, command.id)


def test_a_diverged_lane_is_left_out_of_filters_and_figures() -> None:
    lanes = (lane("A", NETWORK), lane("B", replace(NETWORK, norm="none"), learning_rate=1e6))
    bench = trained(run_settings(lanes=lanes, steps=20), evaluate=True)
    settle(bench)
    page = ask(bench, BrowsePictures(count=100))
    assert (page.predicted[1] == -1).all()
    assert np.isnan(page.confidence[1]).all()
    wrong = ask(bench, BrowsePictures("wrong", count=100))
    assert wrong.indices.tolist() == np.flatnonzero(page.predicted[0] != page.labels).tolist()
    figures = judged(bench)[-1]
    assert figures.confusion[0].sum() == 32
    assert figures.confusion[1].sum() == 0
    assert math.isnan(figures.calibration_errors[1])


@pytest.mark.parametrize("command", [
    JudgeAll(source="nobody"), JudgeAll(album=BROUGHT), BrowsePictures(), JudgeAll(),
])  # fmt: skip
def test_what_cannot_be_asked_is_said(command: BrowsePictures | JudgeAll) -> None:
    bench = Bench()
    if not isinstance(command, BrowsePictures) and command != JudgeAll(id=command.id):
        bench.engine.submit(Setup(run_settings(), play=False))
    bench.engine.submit(command)
    bench.ticks(lambda: bool(bench.of(Failed)))
    assert bench.of(Failed)[0].request == command.id  # type: ignore[attr-defined]
    assert not bench.of(PicturePage)


# ---- references -----------------------------------------------------------------------------


def test_a_reference_answers_twice_and_its_figures_follow(some_known: Bench, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    some_known.engine.submit(SaveCheckpoint(1, path))
    some_known.engine.submit(OpenCheckpoint(str(path), "reference"))
    command = BrowsePictures(source=path.name, count=100)
    first = ask(some_known, command)
    assert (first.predicted == -1).all()
    assert first.step is None
    settle(some_known)
    answers = pages(some_known, command.id)
    assert len(answers) == 2
    expected = lane_logits(some_known)[1].argmax(1).numpy()
    assert answers[1].predicted.tolist() == [[*expected[:10].tolist(), *[-1] * 22]]
    figures = judged(some_known)[-1]
    assert (figures.source, figures.judged, figures.request) == (path.name, 10, None)
    some_known.engine.submit(Setup(run_settings(), play=False))  # other held-out pictures, for all it knows
    some_known.ticks(lambda: len(some_known.of(RunStarted)) == 2)
    assert (ask(some_known, BrowsePictures(source=path.name)).predicted == -1).all()


def test_a_reference_of_other_classes_is_asked_only_by_hand(some_known: Bench, tmp_path: Path) -> None:
    few = replace(NETWORK, classes=3)
    other = trained(run_settings(lanes=twins(few), dataset=str(class_folders(tmp_path / "set"))))
    path = tmp_path / "few.safetensors"
    other.engine.submit(SaveCheckpoint(0, path))
    other.ticks(lambda: path.exists())
    some_known.engine.submit(OpenCheckpoint(str(path), "reference"))
    before = len(judged(some_known))
    command = BrowsePictures(source=path.name, count=100)
    assert (ask(some_known, command).predicted == -1).all()
    settle(some_known)
    assert len(pages(some_known, command.id)) == 1
    everything = JudgeAll(path.name)
    some_known.engine.submit(everything)
    settle(some_known)
    assert (pages(some_known, command.id)[-1].predicted >= 0).all()
    assert ask(some_known, BrowsePictures("correct", source=path.name)).matching == 0
    assert ask(some_known, BrowsePictures("wrong", source=path.name)).matching == 0
    (reply,) = judged(some_known)[before:]
    assert (reply.request, reply.judged, reply.confusion.sum()) == (everything.id, 0, 0)


def class_folders(root: Path) -> Path:
    """Three classes of 12 pictures, as large as the tiny data set's."""
    generator = np.random.default_rng(3)
    for name in ("A", "b", "c"):
        (root / name).mkdir(parents=True)
        for number in range(12):
            pixels = generator.integers(0, 256, (12, 9 + number, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


# ---- brought pictures -----------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = class_folders(tmp_path / "brought")
    (root / "c" / "broken.png").write_bytes(b"\x89PNG broken")
    return root


@pytest.fixture
def opened(some_known: Bench, folder: Path) -> Bench:
    some_known.engine.submit(OpenAlbum((str(folder),)))
    some_known.ticks(lambda: bool(some_known.of(AlbumOpened)))
    some_known.events.clear()
    return some_known


def expected_logits(bench: Bench, paths: tuple[str, ...]) -> list[NDArray[np.float32]]:
    run = bench.engine.run
    assert run is not None
    transform = run.dataset.transform(8)
    x = torch.from_numpy(np.stack([prepare(load_picture(path).pixels, transform) for path in paths]))
    found = []
    for each in run.lanes:
        each.network.eval()
        with torch.inference_mode():
            found.append(each.network(x).numpy().copy())
        each.network.train()
    return found


def test_an_album_is_opened_and_told(some_known: Bench, folder: Path) -> None:
    (folder / "notes.txt").write_text("x")
    command = OpenAlbum((str(folder),))
    some_known.engine.submit(command)
    some_known.ticks(lambda: bool(some_known.of(AlbumOpened)))
    (album,) = (event for event in some_known.events if isinstance(event, AlbumOpened))
    assert (album.request, album.title, album.pictures) == (command.id, "brought", 37)
    assert str(album.notice) == "left out: 1 other files"
    assert ended(some_known, command.id)
    some_known.engine.submit(nothing := OpenAlbum((str(folder / "no such"),)))
    some_known.ticks(lambda: bool(some_known.of(Failed)))
    assert some_known.of(Failed)[0].request == nothing.id  # type: ignore[attr-defined]
    assert ask(some_known, BrowsePictures(album=BROUGHT)).matching == 37  # the album is as it was


def test_a_page_comes_grey_then_with_thumbnails_and_predictions(opened: Bench) -> None:
    command = BrowsePictures(album=BROUGHT, count=20, offset=20)
    first = ask(opened, command)
    assert first.matching == first.total == 37
    assert first.pixels.shape == (17, 128, 128, 3)
    assert (first.pixels == GREY).all()
    assert (first.predicted == -1).all()
    settle(opened)
    last = pages(opened, command.id)[-1]
    assert last.unreadable == tuple(Path(path).name == "broken.png" for path in last.paths)
    assert sum(last.unreadable) == 1
    readable = [row for row in range(17) if not last.unreadable[row]]
    for row in readable:
        assert np.array_equal(last.pixels[row], thumbnail(load_picture(last.paths[row]).pixels))
    logits = expected_logits(opened, tuple(last.paths[row] for row in readable))
    assert np.array_equal(last.predicted[:, readable], np.stack([rows.argmax(1) for rows in logits]))
    assert last.class_names == tuple("abcdefghij")
    assert last.labels.tolist() == [("A", "b", "c").index(Path(path).parent.name) for path in last.paths]
    assert (last.judged, last.total, last.step) == (16, 36, 6)


def test_judging_all_brought_pictures_gives_figures_by_their_folders(opened: Bench) -> None:
    command = JudgeAll(album=BROUGHT)
    opened.engine.submit(command)
    opened.ticks(lambda: ended(opened, command.id))
    figures = judged(opened)[-1]
    assert (figures.request, figures.album, figures.judged, figures.total) == (command.id, BROUGHT, 36, 36)
    page = ask(opened, BrowsePictures(album=BROUGHT, count=100, order="loss", network=0))
    readable = tuple(path for path in page.paths if Path(path).name != "broken.png")
    labels = np.array([("A", "b", "c").index(Path(path).parent.name) for path in readable])
    for network, logits in enumerate(expected_logits(opened, readable)):
        matrix = np.zeros((10, 10), int)
        np.add.at(matrix, (labels, logits.argmax(1)), 1)
        assert np.array_equal(figures.confusion[network], matrix)
    assert page.losses is not None
    assert Path(page.paths[-1]).name == "broken.png"
    assert all(a >= b for a, b in pairwise(page.losses[0, :-1].tolist()))


def test_predictions_of_brought_pictures_follow_the_lanes(opened: Bench) -> None:
    command = BrowsePictures(album=BROUGHT, count=50)
    ask(opened, command)
    settle(opened)
    opened.engine.submit(SetStrengths(1, shortcuts=(1.0,) * 8))
    settle(opened)
    again = BrowsePictures(album=BROUGHT, count=50)
    ask(opened, again)
    settle(opened)
    last = pages(opened, again.id)[-1]
    rows = [row for row in range(37) if not last.unreadable[row]]
    logits = expected_logits(opened, tuple(last.paths[row] for row in rows))
    assert np.array_equal(last.predicted[:, rows], np.stack([each.argmax(1) for each in logits]))


def test_a_newer_page_drops_the_older_ones_work(opened: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def slow(path: str) -> object:
        read.append(path)
        time.sleep(0.01)
        return load_picture(path)

    monkeypatch.setattr("core.picture_loader.load_picture", slow)
    old, new = BrowsePictures(album=BROUGHT, count=30), BrowsePictures(album=BROUGHT, count=3, offset=33)
    opened.engine.submit(old)
    opened.ticks(lambda: bool(read))
    opened.engine.submit(new)
    opened.ticks(lambda: bool(pages(opened, new.id)))
    settle(opened)
    assert len(pages(opened, old.id)) <= 2
    assert (pages(opened, new.id)[-1].predicted >= 0).any(0).sum() >= 2
    assert len(set(read)) < 15
    assert len(read) <= len(set(read)) + 3  # hardly a file is read twice


def test_a_reference_is_asked_without_any_run(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    teacher = trained(run_settings())
    teacher.engine.submit(SaveCheckpoint(0, path))
    teacher.ticks(lambda: path.exists())
    bench = Bench()
    bench.engine.submit(OpenAlbum((str(folder / "A"), str(folder / "b"))))
    bench.ticks(lambda: bool(bench.of(AlbumOpened)))
    lanes = ask(bench, BrowsePictures(album=BROUGHT))
    assert (lanes.class_names, lanes.predicted.shape) == ((), (1, 24))
    settle(bench)
    bench.engine.submit(OpenCheckpoint(str(path), "reference"))
    command = BrowsePictures(source=path.name, album=BROUGHT)
    ask(bench, command)
    settle(bench)
    last = pages(bench, command.id)[-1]
    opened = load(path)
    pixels = [load_picture(each).pixels for each in last.paths]
    x = torch.from_numpy(np.stack([prepare(each, opened.transform) for each in pixels]))
    with torch.inference_mode():
        expected = opened.network()(x).argmax(1)
    assert last.predicted.tolist() == [expected.tolist()]
    assert judged(bench)[-1].judged == 24  # the page holds the whole album


def test_a_new_run_keeps_the_album_and_forgets_what_the_old_lanes_said(opened: Bench) -> None:
    ask(opened, BrowsePictures(album=BROUGHT, count=50))
    settle(opened)
    opened.engine.submit(JudgeAll(album=BROUGHT))
    opened.engine.submit(Setup(run_settings(), play=False))
    opened.ticks(lambda: bool(opened.of(RunStarted)))
    settle(opened)
    page = ask(opened, BrowsePictures(album=BROUGHT, count=50))
    assert page.matching == 37
    assert page.judged == 0
    assert (page.pixels != GREY).any()  # thumbnails are kept


def test_giving_up_a_search_is_answered_at_once(some_known: Bench, folder: Path) -> None:
    some_known.engine.submit(command := OpenAlbum((str(folder),)))
    some_known.engine.submit(Cancel(command.id))
    some_known.engine.tick(0)
    (failed,) = some_known.of(Failed)
    assert failed.request == command.id  # type: ignore[attr-defined]
    settle(some_known)
    assert not some_known.of(AlbumOpened)


def test_a_newer_search_takes_the_place_of_an_older(some_known: Bench, folder: Path) -> None:
    some_known.engine.submit(OpenAlbum((str(folder),)))
    some_known.engine.submit(new := OpenAlbum((str(folder / "A"),)))
    settle(some_known)
    answers: list[Event] = [event for event in some_known.events if isinstance(event, AlbumOpened | Failed)]
    assert [event.request for event in answers] == [new.id]  # type: ignore[union-attr]


def test_judging_brought_pictures_beside_training_changes_no_bit(folder: Path) -> None:
    alone = trained(run_settings(steps=60))
    bench = Bench()
    bench.engine.submit(OpenAlbum((str(folder),)))
    bench.ticks(lambda: bool(bench.of(AlbumOpened)))
    bench.engine.submit(Setup(run_settings(steps=60)))
    bench.engine.submit(command := JudgeAll(album=BROUGHT))
    bench.engine.submit(BrowsePictures(album=BROUGHT))
    bench.ticks(bench.finished)
    bench.ticks(lambda: ended(bench, command.id))
    assert judged(bench)[-1].judged == 36
    assert bench.losses() == alone.losses()


def test_the_stores_stay_within_their_bounds(opened: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    album = opened.engine._answers._browsing._albums.opened
    assert album is not None
    monkeypatch.setattr(album.thumbnails, "_most_bytes", 10 * 128 * 128 * 3)
    monkeypatch.setattr(album.fitted, "_most_bytes", 5 * 8 * 8 * 3)
    for offset in range(0, 40, 8):
        ask(opened, BrowsePictures(album=BROUGHT, count=8, offset=offset))
        settle(opened)
        assert album.thumbnails.bytes <= 10 * 128 * 128 * 3
        assert album.fitted.bytes <= 5 * 8 * 8 * 3
    command = JudgeAll(album=BROUGHT)
    opened.engine.submit(command)
    opened.ticks(lambda: ended(opened, command.id))
    assert judged(opened)[-1].judged == 36


def test_the_embedded_twins_judge_held_out_pictures_in_their_own_way(some_known: Bench) -> None:
    some_known.engine.submit(OpenCheckpoint("pretrained", "reference"))
    command = BrowsePictures(source=PRETRAINED, count=100)
    ask(some_known, command)
    settle(some_known)
    page = pages(some_known, command.id)[-1]
    assert page.predicted.shape == (2, 32)
    assert (page.predicted[:, :10] >= 0).all()
    assert ask(some_known, BrowsePictures("correct", source=PRETRAINED)).matching == 0  # other classes
    assert ask(some_known, BrowsePictures("confident", source=PRETRAINED, count=100)).matching <= 10


def test_evaluations_are_followed_by_figures(some_known: Bench) -> None:
    kinds = [type(event) for event in some_known.events if isinstance(event, Evaluation | Judged)]
    assert kinds == [Evaluation, Judged] * (len(kinds) // 2)
    assert kinds
