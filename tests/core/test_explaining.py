"""Arrangements: what stands side by side equals maps asked for one by one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core import run_start, sources
from core.attribution import attribute
from core.messages import (
    AlbumOpened,
    Assess,
    Assessed,
    Cancel,
    Event,
    Explain,
    Explanation,
    Failed,
    OpenAlbum,
    OpenCheckpoint,
    OwnPicture,
    Play,
    SetStrengths,
    Setup,
)
from core.methods import METHODS, STEM
from core.network import ResidualNetwork
from core.settings import NetworkSettings, lane
from core.snapshot import snapshot
from tests.core.by_hand import Bench, run_settings, tiny_dataset, use_tiny_dataset


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_dataset(monkeypatch)


def paused() -> Bench:
    bench = Bench()
    bench.engine.submit(Setup(run_settings(), play=False))
    bench.ticks(most=3)
    return bench


def asked(bench: Bench, request: Explain) -> Explanation:
    bench.engine.submit(request)
    bench.ticks(lambda: _whole(bench.events, request) is not None or bool(bench.of(Failed)))
    answer = _whole(bench.events, request)
    assert answer is not None, bench.of(Failed)
    return answer


def _whole(events: list[Event], request: Explain) -> Explanation | None:
    return next(
        (e for e in events if isinstance(e, Explanation) and e.request == request.id and e.done), None
    )


def network(bench: Bench, lane: int, shortcut: float | None = None) -> ResidualNetwork:
    assert bench.engine.run is not None
    copy = snapshot(bench.engine.run.lanes[lane].network)
    if shortcut is not None:
        copy.set_strengths((shortcut,) * 8, copy.branches)
    return copy


def picture(bench: Bench, number: int) -> torch.Tensor:
    assert bench.engine.run is not None
    batches = bench.engine.run.batches
    return batches.normalised(batches.held_out[number][None])[0]


def test_a_switch_is_on_off_and_their_difference() -> None:
    bench = paused()
    bench.engine.submit(SetStrengths(0, shortcuts=(1, 0, 1, 0.5, 1, 1, 1, 0)))
    answer = asked(bench, Explain(3, "input_x_gradient", target=2, arrangement="switch"))
    assert answer.frames == 3
    assert [(each.name, each.role) for each in answer.networks] == [
        ("A", "on"), ("A", "off"), ("A", "difference"), ("B", "on"), ("B", "off"), ("B", "difference"),
    ]  # fmt: skip
    on, off = (
        attribute(network(bench, 0, strength), picture(bench, 3), "input_x_gradient", 2).attribution
        for strength in (1.0, 0.0)
    )
    assert np.array_equal(answer.networks[0].attribution, on)
    assert np.array_equal(answer.networks[1].attribution, off)
    assert np.array_equal(answer.networks[2].attribution, on - off)
    assert answer.networks[0].shortcuts == (1,) * 8
    assert answer.networks[2].probabilities.size == 0
    assert not np.array_equal(on, off)


def test_this_and_not_that_is_a_difference_of_two_classes() -> None:
    bench = paused()
    answer = asked(bench, Explain(1, "saliency", target=4, against=7, arrangement="targets"))
    first, second, difference = answer.networks[:3]
    assert (first.target, second.target, first.role, second.role) == (4, 7, "target", "against")
    x = picture(bench, 1)[None].clone().requires_grad_()
    logits = network(bench, 0)(x)[0]
    (expected,) = torch.autograd.grad(logits[4] - logits[7], x)
    assert difference.attribution is not None
    assert np.allclose(difference.attribution, expected[0].numpy(), rtol=1e-4, atol=1e-7)


def test_without_a_second_class_the_runner_up_is_taken() -> None:
    bench = paused()
    answer = asked(bench, Explain(1, "saliency", arrangement="targets"))
    for of_lane in (answer.networks[:3], answer.networks[3:]):
        best = np.argsort(-of_lane[0].probabilities)
        assert (of_lane[0].target, of_lane[1].target) == (best[0], best[1])


def test_a_filmstrip_goes_from_the_stem_to_the_last_block() -> None:
    bench = paused()
    answer = asked(bench, Explain(0, "grad_cam", target=1, arrangement="filmstrip"))
    assert [each.block for each in answer.networks[:9]] == [STEM, *range(8)]
    for each in (answer.networks[0], answer.networks[4], answer.networks[8]):
        alone = attribute(network(bench, 0), picture(bench, 0), "grad_cam", 1, (("block", each.block or 0),))
        if each.block is not None:
            assert np.array_equal(each.attribution, alone.attribution)


def test_a_filmstrip_of_a_method_without_blocks_is_refused() -> None:
    bench = paused()
    request = Explain(0, "saliency", arrangement="filmstrip")
    bench.engine.submit(request)
    bench.ticks(lambda: bool(bench.of(Failed)))
    assert bench.of(Failed)[0].request == request.id  # type: ignore[attr-defined]


def test_a_block_that_one_network_lacks_is_shown_of_the_other() -> None:
    bench = Bench()
    depths = (lane("A", NetworkSettings(18, width=4)), lane("B", NetworkSettings(20, width=4)))
    bench.engine.submit(Setup(run_settings(lanes=depths), play=False))
    bench.ticks(most=3)
    answer = asked(bench, Explain(0, "grad_cam", target=1, parameters=(("block", 8),)))
    without, alone = answer.networks[0], attribute(network(bench, 1), picture(bench, 0), "grad_cam", 1)
    assert without.attribution is None
    assert without.reason is not None
    assert "7" in str(without.reason)
    assert np.array_equal(answer.networks[1].attribution, alone.attribution)


def test_a_block_that_every_network_lacks_is_refused() -> None:
    bench = paused()
    bench.engine.submit(Explain(0, "grad_cam", target=1, parameters=(("block", 8),)))
    bench.ticks(lambda: bool(bench.of(Failed)))
    assert "7" in str(bench.of(Failed)[0].notice)  # type: ignore[attr-defined]
    assert not bench.of(Explanation)


def test_several_methods_stand_side_by_side_each_with_its_parameters() -> None:
    bench = paused()
    names = ("saliency", "integrated_gradients", "occlusion")
    request = Explain(
        2, "integrated_gradients", target=0, arrangement="methods", methods=names, parameters=(("steps", 7),)
    )
    answer = asked(bench, request)
    assert [each.method for each in answer.networks[:3]] == list(names)
    assert dict(answer.networks[1].parameters) == {"steps": 7}
    for each in answer.networks[:3]:
        alone = attribute(network(bench, 0), picture(bench, 2), each.method, 0, each.parameters)
        assert np.array_equal(each.attribution, alone.attribution)


def test_seven_methods_are_too_many() -> None:
    bench = paused()
    bench.engine.submit(Explain(2, "saliency", arrangement="methods", methods=tuple(METHODS)[:7]))
    bench.ticks(lambda: bool(bench.of(Failed)))


def test_a_map_made_before_costs_nothing_and_training_makes_it_anew() -> None:
    bench = paused()
    request = Explain(2, "integrated_gradients", target=0)
    first = asked(bench, request)
    again = asked(bench, Explain(2, "integrated_gradients", target=0))
    assert first.networks[0].seconds > 0
    assert again.networks[0].seconds == 0
    assert again.networks[0].attribution is first.networks[0].attribution
    others = (
        Explain(2, "integrated_gradients", target=1),
        Explain(3, "integrated_gradients", target=0),
        Explain(2, "integrated_gradients", target=0, parameters=(("steps", 8),)),
        Explain(OwnPicture("x", np.zeros((8, 8, 3), np.uint8)), "integrated_gradients", target=0),
    )
    assert all(asked(bench, other).networks[0].seconds > 0 for other in others)
    bench.engine.submit(SetStrengths(0, shortcuts=(0.0,) * 8))
    toggled = asked(bench, Explain(2, "integrated_gradients", target=0))
    assert toggled.networks[0].seconds > 0
    assert toggled.networks[1].seconds == 0
    bench.engine.submit(Play())
    bench.ticks(bench.finished)
    trained = asked(bench, Explain(2, "integrated_gradients", target=0))
    assert trained.networks[1].seconds > 0
    assert not np.array_equal(trained.networks[1].attribution, first.networks[1].attribution)


def test_asked_by_hand_maps_come_one_by_one_and_a_refresh_comes_whole() -> None:
    bench = paused()
    request = Explain(3, "saliency", arrangement="switch")
    asked(bench, request)
    counts = [len(each.networks) for each in bench.of(Explanation)]  # type: ignore[attr-defined]
    assert counts == [1, 2, 3, 4, 5, 6]
    bench.events.clear()
    asked(bench, Explain(4, "saliency", arrangement="switch", automatic=True))
    assert len(bench.of(Explanation)) == 1


def test_methods_that_are_right_for_no_network_are_named() -> None:
    from core.settings import NetworkSettings, twins

    bench = Bench()
    tanh = twins(NetworkSettings(width=4, activation="tanh"))
    bench.engine.submit(Setup(run_settings(lanes=tanh), play=False))
    answer = asked(bench, Explain(0, "saliency"))
    named = dict(answer.unsuitable)
    assert "guided_backprop" in named
    assert "saliency" not in named


def test_a_check_of_trust_is_answered_beside_training_and_names_the_map() -> None:
    bench = Bench()
    bench.engine.submit(Setup(run_settings(steps=400)))
    bench.ticks(lambda: bench.engine.run is not None and bench.engine.run.step >= 2)
    request = Assess("deletion", 3, "saliency", 2, network=1)
    bench.engine.submit(request)
    bench.ticks(lambda: any(each.done for each in bench.of(Assessed)))  # type: ignore[attr-defined]
    last = bench.of(Assessed)[-1]
    assert isinstance(last, Assessed)
    assert (last.request, last.name, last.method, last.target) == (request.id, "B", "saliency", 2)
    assert last.value is not None
    assert last.curve.shape == last.shares.shape == last.control.shape
    assert not bench.of(Failed)


def test_a_check_of_a_network_that_is_not_there_fails_with_its_request() -> None:
    bench = paused()
    request = Assess("deletion", 3, "saliency", 2, network=7)
    bench.engine.submit(request)
    bench.ticks(lambda: bool(bench.of(Failed)))
    assert bench.of(Failed)[0].request == request.id  # type: ignore[attr-defined]


def test_another_runs_picture_of_the_same_number_gets_a_map_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = paused()
    question = {"picture": 3, "method": "saliency", "target": 1, "source": sources.PRETRAINED}
    bench.engine.submit(OpenCheckpoint("pretrained", "reference"))
    first = asked(bench, Explain(**question))  # type: ignore[arg-type]
    other = tiny_dataset("cifar10")
    other = replace(other, held_out_images=255 - other.held_out_images)
    monkeypatch.setattr(run_start, "load_dataset", lambda name, **values: other)
    bench.engine.submit(Setup(run_settings(dataset="cifar10"), play=False))
    second = asked(bench, Explain(**question))  # type: ignore[arg-type]
    assert not np.array_equal(second.picture, first.picture)
    assert second.networks[0].seconds > 0
    assert not np.array_equal(second.networks[0].attribution, first.networks[0].attribution)


def test_a_step_that_was_given_up_leaves_maps_as_they_were() -> None:
    bench = paused()
    first = asked(bench, Explain(3, "saliency", target=1))
    bench.engine.submit(Play())
    bench.ticks(most=1)
    assert bench.engine.run is not None
    assert not bench.engine.run.between_steps  # lane A has prepared the step, lane B has not
    bench.engine._on_fault(RuntimeError("injected"))
    bench.events.clear()
    second = asked(bench, Explain(3, "saliency", target=1))
    assert np.array_equal(second.networks[0].attribution, first.networks[0].attribution)
    assert np.array_equal(
        second.networks[0].attribution,
        attribute(network(bench, 0), picture(bench, 3), "saliency", 1).attribution,
    )


def test_a_fault_is_told_to_everybody_who_waits() -> None:
    bench = paused()
    asked(bench, Explain(3, "saliency"))
    slow = Explain(3, "shapley_value_sampling", parameters=(("samples", 1000),))
    check = Assess("deletion", 3, "saliency", 2)
    for request in (slow, check):
        bench.engine.submit(request)
    bench.ticks(most=2)
    bench.engine._on_fault(torch.OutOfMemoryError("injected"))
    assert [each.request for each in bench.of(Failed)] == [slow.id, check.id]  # type: ignore[attr-defined]


def test_an_album_is_opened_while_a_map_takes_long(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    bench = paused()
    asked(bench, Explain(3, "saliency"))
    slow = Explain(3, "shapley_value_sampling", parameters=(("samples", 1000),))
    for request in (slow, OpenAlbum((str(tmp_path),))):
        bench.engine.submit(request)
    bench.ticks(lambda: bool(bench.of(AlbumOpened)))
    assert _whole(bench.events, slow) is None


def test_a_check_amid_a_step_is_of_whole_steps_and_can_be_cancelled_before() -> None:
    bench = paused()
    asked(bench, Explain(3, "saliency"))
    bench.engine.submit(Play())
    bench.ticks(most=1)
    run = bench.engine.run
    assert run is not None
    assert not run.between_steps
    check, unwanted = (Assess("infidelity", 3, "saliency", 1) for _ in range(2))
    for request in (check, unwanted, Cancel(unwanted.id)):
        bench.engine.submit(request)
    bench.ticks(lambda: any(each.done for each in bench.of(Assessed)))  # type: ignore[attr-defined]
    bench.ticks(bench.finished)
    found = [each for each in bench.of(Assessed) if each.done]  # type: ignore[attr-defined]
    assert [each.request for each in found] == [check.id]  # type: ignore[attr-defined]
    assert found[0].step == 1  # type: ignore[attr-defined]
