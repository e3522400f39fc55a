"""Finished runs as curves over depth: only runs of one recipe may share a curve. No Qt."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

from core.degradation import PUBLISHED, Band, DepthPoint, Published, Shortcuts, bands
from core.settings import NetworkSettings, RunSettings, lane

KINDS: tuple[Shortcuts, ...] = ("with", "plain", "mixed")
_LIKE = NetworkSettings().depth  # any depth: it stands for all


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that must be the same for two final losses to be set beside each other, but for depth and shortcuts."""

    settings: RunSettings  # of one lane of any depth
    steps: int  # trained

    @property
    def learning_rate(self) -> float:
        """The lane's."""
        return self.settings.lanes[0].learning_rate

    @property
    def width(self) -> int:
        """Channels of the first stage."""
        return self.settings.lanes[0].network.width


def recipes(points: Iterable[DepthPoint]) -> list[Recipe]:
    """All recipes there are, the one with most points first; those that diverged count in each they may be of."""
    settings: dict[RunSettings, list[DepthPoint]] = {}
    for point in points:
        settings.setdefault(_settings(point), []).append(point)
    found: dict[Recipe, int] = {}
    for each, members in settings.items():
        lengths = {point.steps for point in members if math.isfinite(point.loss)}
        for steps in lengths or {max(point.steps for point in members)}:
            recipe = Recipe(each, steps)
            found[recipe] = len(points_of(members, recipe))
    return sorted(found, key=lambda recipe: (-found[recipe], repr(recipe)))


def points_of(points: Iterable[DepthPoint], recipe: Recipe) -> list[DepthPoint]:
    """The points that may stand beside each other."""
    return [
        point
        for point in points
        if _settings(point) == recipe.settings
        and (point.steps == recipe.steps if math.isfinite(point.loss) else point.steps <= recipe.steps)
    ]


def series_of(points: Sequence[DepthPoint]) -> dict[Shortcuts, list[Band]]:
    """Bands of one recipe by kind, in order of depth."""
    found: dict[Shortcuts, list[Band]] = {kind: [] for kind in KINDS}
    for band in bands(points):
        found[band.shortcuts].append(band)
    return found


def oddities(recipe: Recipe) -> list[tuple[str, str]]:
    """Settings (name, value) that are not the usual ones, beside those that are always said."""
    usual = RunSettings(lanes=(lane("", NetworkSettings()),))
    said = {"lanes", "dataset", "image_size", "batch_size", "seed", "steps", "epochs", "device", "threads"}
    odd = [
        (field.name, str(getattr(recipe.settings, field.name)))
        for field in fields(RunSettings)
        if field.name not in said and getattr(recipe.settings, field.name) != getattr(usual, field.name)
    ]
    network = recipe.settings.lanes[0].network
    odd += [
        (field.name, str(getattr(network, field.name)))
        for field in fields(NetworkSettings)
        if field.name not in ("depth", "width", "classes")
        and getattr(network, field.name) != getattr(NetworkSettings(), field.name)
    ]
    return odd


def published_series() -> list[tuple[Published, ...]]:
    """The papers' figures, one tuple for each source and kind, in order of depth."""
    found: dict[tuple[str, Shortcuts], list[Published]] = {}
    for figure in PUBLISHED:
        found.setdefault((figure.source, figure.shortcuts), []).append(figure)
    return [tuple(sorted(series, key=lambda figure: figure.depth)) for series in found.values()]


def short_source(figure: Published) -> str:
    """A source without its table and recipe."""
    return figure.source.split(" (")[0].split(",")[0]


def _settings(point: DepthPoint) -> RunSettings:
    """A run without what the chart compares: depth and shortcuts."""
    own = point.recipe.lanes[0]
    like = lane("", replace(own.network, depth=_LIKE), 1.0, point.learning_rate, own.checkpoint)
    return replace(point.recipe, lanes=(like,))
