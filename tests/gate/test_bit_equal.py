"""Runs resumed, repeated and asked beside training: bit for bit what they would have been."""

import random

import pytest
import torch

from core.messages import Play, SetStrengths, Setup, StepOnce, TrainingSlice
from core.network import ResidualNetwork
from core.settings import twins
from tests.core.by_hand import NETWORK, Bench, run_settings
from tests.core.test_engine import (
    test_a_cut_lane_equals_its_plain_twin_bit_for_bit,
    test_reset_repeats_the_run_bit_for_bit,
    test_the_same_seed_gives_the_same_run_bit_for_bit,
    test_training_while_explaining_is_bit_equal_to_training_alone,
)
from tests.core.test_resume import (
    test_a_replay_is_identical_commands_included,
    test_a_resumed_run_begins_at_its_last_checkpoint_after_a_crash,
    test_sixty_steps_are_thirty_and_thirty_resumed,
    tiny,
)
from tests.gui.test_refcounts import test_references_of_none_and_true_do_not_drift

__all__ = [
    "test_a_cut_lane_equals_its_plain_twin_bit_for_bit",
    "test_a_replay_is_identical_commands_included",
    "test_a_resumed_run_begins_at_its_last_checkpoint_after_a_crash",
    "test_references_of_none_and_true_do_not_drift",
    "test_reset_repeats_the_run_bit_for_bit",
    "test_sixty_steps_are_thirty_and_thirty_resumed",
    "test_the_same_seed_gives_the_same_run_bit_for_bit",
    "test_training_while_explaining_is_bit_equal_to_training_alone",
    "tiny",
]
pytestmark = [pytest.mark.gate, pytest.mark.timeout(120)]


def test_five_hundred_toggles_are_acknowledged_and_the_network_is_what_its_strengths_say() -> None:
    """After each, the lane computes what a network made afresh with its weights and strengths computes."""
    chance = random.Random(0)
    bench = Bench()
    bench.engine.submit(Setup(run_settings(lanes=twins(NETWORK, 0.001), steps=10_000), play=False))
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    asked: list[int] = []
    for number in range(500):
        lane = chance.randrange(2)
        shortcuts = tuple(chance.choice((0.0, 1.0, 0.25)) for _ in range(8))
        branches = tuple(1.0 if not shortcut else chance.choice((0.0, 1.0)) for shortcut in shortcuts)
        command = SetStrengths(lane, shortcuts, branches)
        asked.append(command.id)
        bench.engine.submit(command)
        bench.engine.submit(chance.choice((StepOnce, StepOnce, Play))())
        bench.engine.tick(0)
        while bench.engine.run is None or not bench.engine.run.between_steps:
            bench.engine.tick(0)
        if number % 10 == 0:
            live = bench.engine.run.lanes[lane].network
            fresh = ResidualNetwork(live.settings)
            fresh.load_state_dict(live.state_dict())
            fresh.set_strengths(shortcuts, branches)
            live.eval()
            with torch.no_grad():
                made = fresh.eval()(x)
                assert torch.isfinite(made).all()
                assert torch.equal(made, live(x))
            live.train()
    bench.engine.submit(StepOnce())
    bench.ticks(lambda: bench.engine.state.value == "paused", most=50)
    slices = bench.of(TrainingSlice)
    applied = [command for event in slices for command in event.applied]  # type: ignore[attr-defined]
    assert applied == asked
    assert all(torch.isfinite(torch.tensor(part.losses)).all() for e in slices for part in e.lanes)  # type: ignore[attr-defined]
