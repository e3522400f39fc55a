"""The shock card follows each toggle: the right losses, figures as they come, a sentence that adds up."""

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from core.findings import Shock
from core.messages import LaneInfo, LaneSlice, RunStarted, Shocked, TrainingSlice
from core.settings import NetworkSettings, RunSettings, lane
from gui.shock_card import MOST_CARDS, ShockCard
from gui.shock_record import MOMENTS, RecentLosses, ToggleRecord, verdict
from gui.theme import DARK, LIGHT

BATCH = NetworkSettings()
BARE = NetworkSettings(norm="none")


def run_of(*networks: NetworkSettings) -> RunStarted:
    lanes = tuple(lane("ABCD"[n], network) for n, network in enumerate(networks))
    infos = tuple(LaneInfo(one.name, one.network, 0, (1,) * 8, ((1, 1, 1),) * 8) for one in lanes)
    return RunStarted(RunSettings(lanes=lanes), infos, ("a", "b"), 1000, 100, 100, 100, None)


def steps_of(run: RunStarted, first: int, count: int, *, diverged_at: int | None = None) -> TrainingSlice:
    """Losses that say their step and lane: 1000 · lane + step."""
    ones = (1.0,) * 8
    table = np.ones((count, 8))
    lanes = tuple(
        LaneSlice(
            1000.0 * number + np.arange(first, first + count), np.ones(count), table, table, 0.1, ones, ones,
            diverged_at=diverged_at if number == 0 else None,
        )
        for number in range(len(run.lanes))
    )  # fmt: skip
    return TrainingSlice(first, count, lanes, (), 1.0, 0)


def shock(steps: int, accuracy: float, fresh: float) -> Shock:
    return Shock(steps, 1.25, accuracy, 0.75, fresh)


@pytest.fixture
def panel(qtbot: QtBot) -> ShockCard:
    made = ShockCard()
    qtbot.addWidget(made)
    made.resize(420, 420)
    made.show()
    return made


def row(panel: ShockCard, moment: int, card: int = 0) -> list[str]:
    panel.refresh_now()
    return [cell.text() for cell in panel.cards[card].cells[moment]]


def test_without_a_toggle_it_says_what_will_come(panel: ShockCard) -> None:
    assert panel._empty.isVisible()
    panel.start_run(run_of(BATCH))
    panel.refresh_now()
    assert panel._empty.isVisible()
    assert panel.cards == ()


def test_the_title_says_what_where_and_when(panel: ShockCard) -> None:
    panel.start_run(run_of(BATCH, BATCH))
    panel.add_toggle(1204, 1, "shortcut (all) cut")
    panel.refresh_now()
    assert panel.cards[0].title.text() == "shortcut (all) cut · lane B · step 1,204"
    assert not panel._empty.isVisible()


def test_training_losses_are_the_raw_ones_of_their_steps(panel: ShockCard) -> None:
    run = run_of(BATCH, BATCH)
    panel.start_run(run)
    panel.add_slice(steps_of(run, 1, 60))
    panel.add_slice(steps_of(run, 61, 5))
    panel.add_toggle(61, 1, "cut")  # heard of after the slice that has it
    assert [row(panel, moment)[0] for moment in MOMENTS] == ["1060", "1061", "…", "…"]
    panel.add_slice(steps_of(run, 66, 5))
    assert not panel.dirty  # nothing to paint anew
    panel.add_slice(steps_of(run, 71, 64))
    assert panel.dirty
    assert [row(panel, moment)[0] for moment in MOMENTS] == ["1060", "1061", "1071", "1111"]


def test_a_toggle_at_the_first_step_has_no_loss_before_it(panel: ShockCard) -> None:
    run = run_of(BATCH)
    panel.start_run(run)
    panel.add_slice(steps_of(run, 1, 20))
    panel.add_toggle(1, 0, "cut")
    assert row(panel, -1)[0] == "…"
    assert row(panel, 0)[0] == "1"


def test_figures_fill_in_as_they_come_and_losses_are_in_the_hover(panel: ShockCard) -> None:
    panel.start_run(run_of(BATCH))
    panel.on_shocked(Shocked(5, 0, shock(-1, 0.846, 0.842)))  # before the toggle is known to be in force
    assert row(panel, -1)[1:] == ["84.6 %", "84.2 %"]
    assert row(panel, 10)[1:] == ["…", "…"]
    assert "strengths changed" in panel.cards[0].title.text()
    panel.add_toggle(5, 0, "cut")
    panel.on_shocked(Shocked(5, 0, shock(10, 0.5, 0.6)))
    assert row(panel, 10)[1:] == ["50.0 %", "60.0 %"]
    cells = panel.cards[0].cells[10]
    assert cells[1].toolTip() == "held-out loss 1.25"
    assert cells[2].toolTip() == "held-out loss 0.75"
    assert cells[1].share == pytest.approx(0.5)
    assert panel.cards[0].title.text() == "cut · lane A · step 5"


def test_newest_first_and_no_more_than_a_few(panel: ShockCard) -> None:
    panel.start_run(run_of(BATCH, BATCH))
    for number in range(12):
        panel.add_toggle(100 * (number + 1), number % 2, f"toggle {number}")
        panel.on_shocked(Shocked(100 * (number + 1), number % 2, shock(10, 0.5, 0.5)))
    assert [record.step for record in panel.records] == [1200 - 100 * n for n in range(MOST_CARDS)]
    panel.refresh_now()
    assert panel.cards[0].title.text().startswith("toggle 11")


def test_of_too_many_cards_those_overtaken_at_once_go_first(panel: ShockCard) -> None:
    panel.start_run(run_of(BATCH))
    panel.add_toggle(10, 0, "kept")
    panel.on_shocked(Shocked(10, 0, shock(10, 0.5, 0.5)))
    for step in range(50, 70):  # a dragged strength
        panel.add_toggle(step, 0, "dragged")
    steps = [record.step for record in panel.records]
    assert len(steps) == MOST_CARDS
    assert steps[0] == 69
    assert steps[-1] == 10


def test_a_newer_toggle_of_the_lane_ends_the_wait(panel: ShockCard) -> None:
    panel.start_run(run_of(BATCH, BATCH))
    for step, where in ((10, 0), (12, 1), (14, 0)):
        panel.add_toggle(step, where, "cut")
    panel.refresh_now()
    texts = [[cell.text() for cell in card.cells[50]] for card in panel.cards]
    assert texts == [["…"] * 3, ["…"] * 3, ["–"] * 3]
    assert "toggled again before that, at step 14" in panel.cards[2].cells[50][1].toolTip()


def test_divergence_ends_the_wait(panel: ShockCard) -> None:
    run = run_of(BATCH)
    panel.start_run(run)
    panel.add_toggle(5, 0, "cut")
    panel.add_slice(steps_of(run, 1, 8, diverged_at=8))
    assert row(panel, 10) == ["–"] * 3
    assert "diverged at step 8" in panel.cards[0].cells[10][0].toolTip()


def test_several_toggles_at_one_step_are_one_card(panel: ShockCard) -> None:
    panel.start_run(run_of(BATCH))
    for before, now in ((0.8, 0.6), (0.6, 0.4)):
        panel.on_shocked(Shocked(9, 0, shock(-1, before, before)))
        panel.on_shocked(Shocked(9, 0, shock(0, now, now)))
    panel.add_toggle(9, 0, "shortcut 1.0 cut")
    panel.add_toggle(9, 0, "shortcut 1.1 cut")
    assert row(panel, -1)[1] == "80.0 %"
    assert row(panel, 0)[1] == "40.0 %"
    assert panel.cards[0].title.text().startswith("shortcut 1.0 cut; shortcut 1.1 cut")
    assert len(panel.cards) == 1


def test_without_batch_norm_there_are_no_fresh_statistics(panel: ShockCard) -> None:
    panel.start_run(run_of(BARE))
    panel.on_shocked(Shocked(9, 0, shock(-1, 0.8, 0.8)))
    panel.on_shocked(Shocked(9, 0, shock(0, 0.3, 0.3)))
    assert row(panel, 0)[1:] == ["30.0 %", "–"]
    assert panel.cards[0].sentence.text() == "Held-out accuracy fell from 80.0 % to 30.0 %."


@pytest.mark.parametrize(
    ("before", "now", "fresh", "sentence"),
    [
        (0.846, 0.1, 0.142, "Held-out accuracy fell from 84.6 % to 10.0 %; with fresh batch statistics it is "
         "14.2 %: 4.2 of the 74.6 points lost are stale statistics."),
        (0.8, 0.3, 0.85, "Held-out accuracy fell from 80.0 % to 30.0 %; with fresh batch statistics it is "
         "85.0 %: all of the 50.0 points lost are stale statistics."),
        (0.8, 0.3, 0.25, "Held-out accuracy fell from 80.0 % to 30.0 %; with fresh batch statistics it is "
         "25.0 %: none of the 50.0 points lost is due to stale statistics."),
        (0.1, 0.8, 0.82, "Held-out accuracy rose from 10.0 % to 80.0 %; with fresh batch statistics it is 82.0 %."),
        (0.5, 0.5, 0.5, "Held-out accuracy stayed at 50.0 %; with fresh batch statistics it is 50.0 %."),
    ],
)  # fmt: skip
def test_the_sentence_is_made_of_the_numbers(before: float, now: float, fresh: float, sentence: str) -> None:
    record = ToggleRecord(1, 0)
    record.add_reading(shock(-1, before, 0.9))
    assert verdict(record, has_batch_norm=True) == ""
    record.add_reading(shock(0, now, fresh))
    assert verdict(record, has_batch_norm=True) == sentence


def test_a_long_title_keeps_what_was_done(panel: ShockCard) -> None:
    panel.start_run(run_of(BATCH))
    text = "shortcut " + ", ".join(f"{stage}.{n}" for stage in (1, 2, 3) for n in range(18)) + " set to 0.5"
    panel.add_toggle(9, 0, text)
    panel.refresh_now()
    title = panel.cards[0].title
    assert len(title.text()) < 110
    assert title.text().startswith("shortcut 1.0, 1.1,")
    assert "3.17 set to 0.5 · lane A · step 9" in title.text()
    assert title.toolTip() == text


def test_recent_losses_forget_the_old_ones() -> None:
    losses = RecentLosses()
    for first in range(1, 20001, 50):
        losses.add(first, np.arange(first, first + 50, dtype=float))
    assert losses.at(20000) == 20000
    assert losses.at(19700) == 19700
    assert losses.at(20001) is None
    assert losses.at(100) is None
    assert len(losses._parts) < 20


def test_a_new_run_forgets_and_both_themes_draw(panel: ShockCard) -> None:
    panel.start_run(run_of(BATCH))
    panel.add_toggle(9, 0, "cut")
    panel.on_shocked(Shocked(9, 0, shock(0, float("nan"), 0.5)))
    for theme in (DARK, LIGHT):
        panel.set_theme(theme)
        panel.grab()
    panel.add_toggle(9, 7, "of no lane")
    panel.start_run(run_of(BATCH))
    assert panel.records == ()
    assert panel._empty.isVisible()
