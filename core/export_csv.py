"""A recorded run as a table: one row per step, a million of them without holding them all. No torch."""

import contextlib
import csv
import io
import math
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.exports import parts, written_in_parts
from core.journal import StoredLane
from core.settings import LaneSettings
from core.stored_run import RunFacts

Cell: TypeAlias = float | str
READINGS = ("loss", "accuracy", "learning rate", "held-out loss", "held-out accuracy")


def run_csv(run: RunFacts, path: Path) -> int:
    """Write a run as comma-separated values; return the number of rows. Raises SkipscopeError.

    Columns: step, then for each lane its READINGS and, block by block, the gradient norm ("A gradient
    2.0") and the norm of the gradient at the block's output ("A output gradient 2.0"). Numbers are
    written as Python writes them, whatever the locale; what was not read, or was NaN, is an empty cell.
    A step that was evaluated but not trained (0) has a row too.
    """
    count = 0
    with contextlib.closing(_rows(run)) as rows, written_in_parts(path) as file:
        text = io.TextIOWrapper(
            file, encoding="utf-8", errors="backslashreplace", newline="", write_through=True
        )
        table = csv.writer(text, lineterminator="\n")
        table.writerow(_header(run.settings.lanes))
        for part in rows:
            table.writerows(part)
            count += len(part)
        text.detach()  # or it would close the file
    return count


def _header(lanes: Sequence[LaneSettings]) -> list[str]:
    names = ["step"]
    for lane in lanes:
        blocks = [block.name for block in lane.network.blocks]
        names += [f"{lane.name} {reading}" for reading in READINGS]
        names += [f"{lane.name} gradient {block}" for block in blocks]
        names += [f"{lane.name} output gradient {block}" for block in blocks]
    return names


def _rows(run: RunFacts) -> Generator[list[list[Cell]], None, None]:
    blocks = [lane.network.block_count for lane in run.settings.lanes]
    for lanes, evaluations in parts(run):
        held_out = {row.step: row.figures for row in evaluations}  # of two at one step the later
        trained = [_cells(lane) for lane in lanes]
        rows: list[list[Cell]] = []
        for step in sorted({*held_out, *(step for cells in trained for step in cells)}):
            row: list[Cell] = [step]
            for number, cells in enumerate(trained):
                readings, norms = cells.get(step) or ([""] * 3, [""] * (2 * blocks[number]))
                figures = held_out[step][number] if step in held_out else ()
                row += readings
                row += [_cell(value) for value in figures] or ["", ""]
                row += norms
            rows.append(row)
        yield rows


def _cells(lane: StoredLane) -> dict[int, tuple[list[Cell], list[Cell]]]:
    """Return by step: loss, accuracy and learning rate; norms block by block."""
    readings = zip(lane.losses.tolist(), lane.accuracies.tolist(), lane.learning_rates.tolist(), strict=True)
    norms = zip(_shortest(lane.gradient_norms), _shortest(lane.output_gradients), strict=True)
    return {
        step: ([_cell(value) for value in three], [*branch, *output])
        for step, three, (branch, output) in zip(lane.steps.tolist(), readings, norms, strict=True)
    }


def _cell(value: float) -> Cell:
    return "" if math.isnan(value) else value


def _shortest(norms: NDArray[np.float32]) -> list[list[Cell]]:
    """Write single-precision numbers with as many digits as they have."""
    return [["" if text == "nan" else text for text in row] for row in norms.astype("U").tolist()]
