"""The docks of instruments and runs in the window: what they ask goes out, what is found reaches them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from core.findings import GradientSplit, Shock
from core.lessons import load_lesson
from core.messages import (
    Analyse,
    Analysed,
    Branch,
    EngineState,
    LookBack,
    LookedBack,
    Resume,
    SetLearningRate,
    SetStrengths,
    Setup,
    Shocked,
    StateChanged,
)
from core.records import RunRecord
from core.settings import NetworkSettings, RunSettings, twins
from core.setup_text import setup_text
from gui.shock_card import ShockCard
from tests.gui.fake_window import READY, Make, run_started, running, training_slice

INSTRUMENTS = ("shock", "health", "lesions", "paths", "slow", "degradation", "runs", "deeds")


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_every_instrument_opens_and_takes_events(make_window: Make, name: str) -> None:
    window, _ = make_window()
    running(window)
    window.show_panel(name)
    assert window.docks.panel(name).isVisibleTo(window)
    window.on_event(training_slice(2, 3))
    window.paint_everything()
    for appearance in ("dark", "light"):
        window.set_appearance(appearance)


@pytest.mark.parametrize(
    ("name", "instrument"), [("lesions", "lesions"), ("paths", "paths"), ("slow", "slow_motion")]
)
def test_an_instrument_asks_the_engine(make_window: Make, name: str, instrument: str) -> None:
    window, bridge = make_window()
    running(window)
    window.show_panel(name)
    window.docks.panel(name).analyse_requested.emit(Analyse(instrument))  # type: ignore[attr-defined, arg-type]
    assert [command.instrument for command in bridge.of(Analyse)] == [instrument]  # type: ignore[union-attr]


def test_the_gradients_two_ways_are_asked_for_and_drawn_until_switched_off(make_window: Make) -> None:
    window, bridge = make_window()
    running(window)
    window.instruments.show_split(True)
    assert [command.instrument for command in bridge.of(Analyse)] == ["split"]  # type: ignore[union-attr]
    ones = np.ones(8)
    found = Analysed(1, "split", 0, "A", 1, GradientSplit(ones, 2 * ones, 0 * ones, 2.2 * ones, ones))
    window.on_event(found)
    assert 0 in window.network._splits
    window.instruments.show_split(False)
    window.on_event(found)
    assert not window.network._splits


def test_a_toggle_gets_its_shock_card_though_nobody_has_looked(make_window: Make) -> None:
    window, bridge = make_window()
    running(window)
    window.network.toggle_all()
    (sent,) = bridge.of(SetStrengths)
    window.on_event(training_slice(2, applied=(sent.id,), shortcuts=((0.0,) * 8, (0.0,) * 8)))
    window.on_event(Shocked(2, 0, Shock(0, 2.3, 0.123, 2.2, 0.145)))
    window.show_panel("shock")
    window.paint_everything()
    panel = window.docks.panel("shock")
    assert isinstance(panel, ShockCard)
    texts = [label.text() for label in panel.findChildren(QLabel)]
    assert any("12.3" in text for text in texts), texts
    assert any("cut" in text for text in texts), texts


def test_toggles_and_rates_can_be_undone(make_window: Make) -> None:
    window, bridge = make_window()
    running(window)
    window.network.select(0, 3)
    window.network.toggle_selected()
    window.undoing.rates.set_rate(0.01)
    undo = window.undoing.deeds.undo_action(window)
    undo.trigger()
    undo.trigger()
    strengths = [command.shortcuts for command in bridge.of(SetStrengths)]  # type: ignore[union-attr]
    assert strengths == [(1, 1, 1, 0, 1, 1, 1, 1), (1,) * 8]
    rates = [command.learning_rate for command in bridge.of(SetLearningRate)]  # type: ignore[union-attr]
    assert rates[0] == 0.01
    assert set(rates[1:]) == {0.05}


def test_the_time_machine_looks_back_and_branches(make_window: Make, tmp_path: Path) -> None:
    window, bridge = make_window()
    window.on_event(READY)
    window.on_event(replace(run_started(), directory=tmp_path))
    window.on_event(StateChanged(EngineState.RUNNING))
    window.on_event(training_slice(1, 40))
    machine = window.curves.time_machine
    machine.step_chosen.emit(17)
    (asked,) = bridge.of(LookBack)
    assert asked.step == 17  # type: ignore[union-attr]
    cut = (0.0,) * 8
    window.on_event(LookedBack(15, (cut, cut), ((1.0,) * 8,) * 2, asked.id))
    window.network.toggle_all()  # of the past: nothing to be changed
    assert bridge.of(SetStrengths) == []
    assert "15" in window.network.accessible_summary()
    window.on_event(LookedBack(None))
    window.network.toggle_all()
    assert len(bridge.of(SetStrengths)) == 1
    machine.branch_requested.emit(15, (cut, cut), None)
    (branch,) = bridge.of(Branch)
    assert (branch.step, branch.shortcuts) == (15, (cut, cut))  # type: ignore[union-attr]


def test_a_lesson_is_veiled_until_guessed_and_brings_its_script(make_window: Make) -> None:
    window, bridge = make_window()
    running(window)
    lesson = load_lesson("shock")
    window.lessons.open("shock")
    sent = bridge.of(Setup)[-1]
    assert sent.script == lesson.script  # type: ignore[union-attr]
    window.on_event(run_started("shock", lesson.settings))
    window.on_event(training_slice(1, lanes=1))
    assert {veil.parent() for veil in window.lessons.veils} == {
        window.network,
        window.curves,
        window.docks.panel("shock"),
    }
    window.lessons.strip.choose(0)
    assert not window.lessons.veils


def test_one_key_opens_lesson_after_lesson(make_window: Make) -> None:
    window, bridge = make_window()
    running(window)
    window.lessons.open_next()
    assert bridge.of(Setup)[-1].lesson == "twins"  # type: ignore[union-attr]
    window.on_event(run_started("paths", load_lesson("paths").settings))
    window.lessons.open_next()
    assert bridge.of(Setup)[-1].lesson == "twins"  # type: ignore[union-attr]
    window.on_event(run_started("twins"))
    window.lessons.open_next()
    assert bridge.of(Setup)[-1].lesson == "vanishing-relu"  # type: ignore[union-attr]


def test_a_run_folder_is_resumed_and_a_setup_text_begun(
    make_window: Make, tmp_path: Path, qtbot: QtBot
) -> None:
    window, bridge = make_window()
    running(window)
    settings = RunSettings(lanes=twins(NetworkSettings(depth=20)), seed=7)
    record = RunRecord.create(tmp_path / "run", settings)
    record.close()
    window.opening.open_path(str(tmp_path / "run"))
    (resume,) = bridge.of(Resume)
    assert resume.directory == tmp_path / "run"  # type: ignore[union-attr]
    (tmp_path / "mine.toml").write_text(setup_text(settings))
    window.opening.open_path(str(tmp_path / "mine.toml"))
    assert bridge.of(Setup)[-1].settings == settings  # type: ignore[union-attr]
    (tmp_path / "bad.toml").write_text("lanes = 3\n")
    before = len(bridge.of(Setup))
    window.opening.open_path(str(tmp_path / "bad.toml"))
    assert len(bridge.of(Setup)) == before
    assert "not a set-up" in window.banner.text()


def test_a_resumed_run_shows_the_steps_before(make_window: Make, tmp_path: Path, qtbot: QtBot) -> None:
    settings = RunSettings(lanes=twins(NetworkSettings()))
    record = RunRecord.create(tmp_path / "run", settings)
    record.append_steps(1, training_slice(1, 30).lanes)
    record.close()
    window, _ = make_window()
    window.on_event(READY)
    window.on_event(replace(run_started(), directory=tmp_path / "run", done=30))
    window.on_event(training_slice(31, 5))
    qtbot.waitUntil(lambda: window.curves.history.last_step == 35, timeout=10_000)
    assert window.curves.history.first_step == 1


def test_the_run_is_exported_from_the_menu(make_window: Make, tmp_path: Path, qtbot: QtBot) -> None:
    settings = RunSettings(lanes=twins(NetworkSettings()))
    record = RunRecord.create(tmp_path / "run", settings)
    record.append_steps(1, training_slice(1, 3).lanes)
    record.close()
    window, _ = make_window()
    window.on_event(READY)
    window.exporting.csv()
    assert "not recorded" in window.banner.text()
    window.on_event(replace(run_started(), directory=tmp_path / "run", done=3))
    from core.export_csv import run_csv
    from core.stored_run import read_run

    out = tmp_path / "out.csv"
    thread = window.exporting.write(out, lambda path: void(run_csv(read_run(tmp_path / "run"), path)))
    thread.join(10)
    qtbot.waitUntil(lambda: "out.csv" in window.banner.text())
    assert len(out.read_text().splitlines()) == 4


def void(_: object) -> None:
    return None
