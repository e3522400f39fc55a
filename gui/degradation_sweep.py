"""The sweep behind the degradation plot: deeper and deeper, with shortcuts and without. No Qt."""

from core.settings import NetworkSettings, RunSettings, lane

PAIRS = ((20, 56), (32, 44))  # two depths a run, each with and without: four lanes, about equally long
WIDTH = 8
IMAGE_SIZE = 14
BATCH_SIZE = 64
STEPS = 150
LEARNING_RATE = 0.05
MOST_SEEDS = 5


def sweep(seeds: int) -> list[RunSettings]:
    """Runs of the sweep, all of one seed before the next: the whole range of depths shows early."""
    return [_run(depths, seed) for seed in range(seeds) for depths in PAIRS]


def _run(depths: tuple[int, ...], seed: int) -> RunSettings:
    lanes = tuple(
        lane(
            f"{depth} {name}",
            NetworkSettings(depth=depth, width=WIDTH),
            shortcuts=strength,
            learning_rate=LEARNING_RATE,
        )
        for depth in depths
        for name, strength in (("with", 1.0), ("plain", 0.0))
    )
    return RunSettings(lanes=lanes, image_size=IMAGE_SIZE, batch_size=BATCH_SIZE, steps=STEPS, seed=seed)
