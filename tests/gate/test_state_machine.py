"""Random commands in random order: the engine answers each, forgets none and stays consistent."""

import random
from pathlib import Path

import pytest

from core.messages import Evaluate, Evaluation, SetStrengths, Setup
from tests.core.by_hand import Bench, run_settings, use_tiny_dataset
from tests.gate.cases import batches
from tests.gate.random_walk import Material, Walk, make_material

WALKS, COMMANDS, BATCH = 200, 30, 25


@pytest.fixture
def material(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Material:
    use_tiny_dataset(monkeypatch)
    (tmp_path / "material").mkdir()
    return make_material(tmp_path / "material")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("first", "count"), batches(3, WALKS, BATCH))
def test_thirty_random_commands_leave_engine_and_model_in_agreement(
    first: int, count: int, material: Material, tmp_path: Path
) -> None:
    for number in range(first, first + count):
        place = tmp_path / f"walk{number}"
        place.mkdir()
        walk = Walk(random.Random(number), material, place)
        try:
            walk.go(COMMANDS)
        except Exception as error:
            raise AssertionError(f"walk {number}: {error}\n{walk.words()}") from error
        finally:
            walk.bench.engine.close()


def test_figures_that_were_asked_for_come_though_a_toggle_comes_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_tiny_dataset(monkeypatch)
    bench = Bench(evaluate=True)
    bench.engine.submit(Setup(run_settings(), play=False))
    asked = Evaluate()
    bench.engine.submit(asked)
    bench.engine.submit(SetStrengths(0, (0.0,) * 8))
    bench.ticks(lambda: not bench.engine.is_busy and bool(bench.of(Evaluation)))
    assert [event.request for event in bench.of(Evaluation)] == [asked.id]  # type: ignore[attr-defined]
