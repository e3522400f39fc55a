"""What the degradation chart says in words: as measured, nothing more."""

import math
from collections.abc import Mapping, Sequence

from PySide6.QtCore import QCoreApplication

from core.degradation import Band, DepthPoint, Shortcuts
from gui.degradation_series import Recipe, oddities
from gui.network_words import number
from gui.wording import plain, whole


def spread_words(band: Band, *, error: bool) -> str:
    """The median of a band, with the range of its seeds."""
    median, low, high = figures(band, error=error)
    if not math.isfinite(median):
        return _tr("diverged")
    said = spoken(median, error=error)
    if len(band.points) - band.diverged > 1:
        words = _tr("{median} ({count} seeds: {low} to {high})")
        said = words.format(
            median=said, count=len(band.points) - band.diverged,
            low=spoken(low, error=error), high=spoken(high, error=error),
        )  # fmt: skip
    return said + (_tr(", {count} diverged").format(count=band.diverged) if band.diverged else "")


def figures(band: Band, *, error: bool) -> tuple[float, float, float]:
    """Median, lowest and highest of what is shown."""
    if error:
        return band.median_error, band.low_error, band.high_error
    return band.median_loss, band.low_loss, band.high_loss


def spoken(value: float, *, error: bool) -> str:
    """A loss, or an error in per cent."""
    return f"{100 * value:.1f} %" if error and math.isfinite(value) else number(value)


def kind_words(kind: Shortcuts) -> str:
    """What a network has of shortcuts."""
    return {"with": _tr("with shortcuts"), "plain": _tr("plain"), "mixed": _tr("mixed")}[kind]


def verdict_words(series: Mapping[Shortcuts, Sequence[Band]], *, error: bool) -> list[str]:
    """From the shallowest to the deepest network of either kind."""
    said = []
    for kind in ("with", "plain"):
        bands = series[kind]
        if len(bands) == 1:
            words = _tr("{kind}, {depth} layers: {value}")
            said.append(
                words.format(
                    kind=kind_words(kind), depth=bands[0].depth, value=spread_words(bands[0], error=error)
                )
            )
        elif bands:
            words = _tr("{kind}: from {shallow} ({low} layers) to {deep} ({high} layers{lost})")
            last = bands[-1]
            lost = _tr(", {count} of {all} diverged") if last.diverged else ""
            said.append(
                words.format(
                    kind=kind_words(kind),
                    low=bands[0].depth,
                    high=last.depth,
                    shallow=spoken(figures(bands[0], error=error)[0], error=error),
                    deep=spoken(figures(last, error=error)[0], error=error),
                    lost=lost.format(count=last.diverged, all=len(last.points)),
                )
            )
    return said


def caution(points: Sequence[DepthPoint]) -> str:
    """What keeps the curve from proving much."""
    seeds = {point.seed for point in points}
    if len(seeds) == 1:
        return _tr("one seed only: more of them make a band")
    return ""


def recipe_words(recipe: Recipe) -> str:
    """A recipe in a line: what is the same for all points."""
    settings = recipe.settings
    parts = [
        settings.dataset,
        _tr("{side} px").format(side=settings.image_size),
        _tr("width {width}").format(width=recipe.width),
        _tr("batch {batch}").format(batch=settings.batch_size),
        _tr("{steps} steps").format(steps=whole(recipe.steps)),
        _tr("rate {rate}").format(rate=plain(recipe.learning_rate)),
    ]
    return " · ".join([*parts, *(f"{name.replace('_', ' ')} {value}" for name, value in oddities(recipe))])


def _tr(text: str) -> str:
    return QCoreApplication.translate("Degradation", text)
