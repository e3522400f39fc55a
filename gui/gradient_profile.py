"""The norm of every block's gradient against its relative depth, all lanes, on a log axis."""

from collections.abc import Sequence

import numpy as np
from PySide6.QtWidgets import QWidget

from core.history import Cell, Reading, RunHistory
from core.messages import BlockSamples, FloatArray, LaneInfo, TrainingSlice
from core.verdict import Regime, Verdict, judge
from gui.depth_plot import DepthPlot, depths
from gui.network_words import number
from gui.profile_quantity import ProfileQuantity, gains, products, profile_values, whole_product
from gui.wording import whole


class GradientProfile(DepthPlot):
    """Latest gradients of all lanes in one of five quantities, and what each lane's profile amounts to."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.quantity = ProfileQuantity.NORM
        self._history = RunHistory(())
        self._samples: list[BlockSamples | None] = []
        self.title.setToolTip(
            self.tr(
                "The first block's value divided by the last block's: above 100 the gradient is called "
                "exploding towards the input, below 0.001 vanishing, healthy between. ∏ gain: the product of "
                "the gains from the last block's output to the first's. ▼: zero. ×: not finite."
            )
        )

    def start(self, history: RunHistory, infos: Sequence[LaneInfo]) -> None:
        """Begin a run."""
        self._history, self._samples = history, [None] * len(infos)
        self.start_lanes(infos)

    def add_slice(self, part: TrainingSlice) -> None:
        """Keep the sampled weights: ‖∂L/∂W‖ / ‖W‖ needs them, and the history does not hold them."""
        for lane, share in enumerate(part.lanes[: len(self._samples)]):
            if share.samples is not None:
                self._samples[lane] = share.samples

    @property
    def reading(self) -> Reading:
        """The reading of the engine that is shown, or behind what is shown."""
        return self.quantity.reading

    @reading.setter
    def reading(self, reading: Reading) -> None:
        plain = reading == "gradient_norms"
        self.quantity = ProfileQuantity.NORM if plain else ProfileQuantity.OUTPUT

    def draw(self) -> None:
        """Show the latest values."""
        values = [self._values(lane) for lane in range(len(self._infos))]
        is_gain = self.quantity is ProfileQuantity.GAIN
        dots = (
            [gains(self._norms(lane, "output_gradients")) for lane in range(len(values))] if is_gain else None
        )
        self.show_values(values, dots, also=(1.0,) if is_gain else ())
        self.show_guide(1.0 if is_gain else None)  # passed on unchanged
        judged = [self._judged(lane) for lane in range(len(values))]
        places = [depths(len(part))[~np.isfinite(part)] for part in judged]
        self.show_lost([(float(place), self.top()) for part in places for place in part])
        self.set_title(self._heading([judge(part) if len(part) else None for part in judged]))

    def words(self, lane: int, depth: float) -> str:
        """What one lane shows at a relative depth."""
        values = self._values(lane)
        if len(values) == 0:
            return "–"
        block = self.block_at(lane, depth)
        name = self.block_name(lane, depth)
        if self.quantity is ProfileQuantity.GAIN:
            return self._gain_words(lane, block, name)
        text = self.tr("block {block}: {norm}").format(block=name, norm=number(float(values[block])))
        samples = self._samples[lane]
        if self.quantity is ProfileQuantity.RELATIVE and samples is not None:
            text += self.tr(" (‖W‖ of step {step})").format(step=whole(samples.step))
        return text

    def table(self) -> tuple[list[str], list[list[Cell]]]:
        """Head and rows of what is shown."""
        rows: list[list[Cell]] = []
        is_gain = self.quantity is ProfileQuantity.GAIN
        for lane, info in enumerate(self._infos):
            values = self._values(lane)
            each = gains(self._norms(lane, "output_gradients"))
            for block, (depth, value) in enumerate(zip(depths(len(values)), values, strict=True)):
                row: list[Cell] = [info.name, info.network.blocks[block].name, float(depth), float(value)]
                rows.append([*row, float(each[block])] if is_gain else row)
        head = ["lane", "block", "relative depth"]
        if is_gain:
            return [*head, "product of the later blocks' gains", "gain"], rows
        return [*head, self.reading if self.quantity is ProfileQuantity.NORM else str(self.quantity)], rows

    # ---- inside ---------------------------------------------------------------------------

    def _norms(self, lane: int, reading: Reading) -> FloatArray:
        return self._history.profile(lane, reading)[1]

    def _values(self, lane: int) -> FloatArray:
        norms = self._norms(lane, self.reading)
        return profile_values(self.quantity, norms, self._infos[lane], self._samples[lane])

    def _judged(self, lane: int) -> FloatArray:
        """What the verdict is on: for gains the output gradients, whose ratio is the product of the gains."""
        is_gain = self.quantity is ProfileQuantity.GAIN
        return self._norms(lane, "output_gradients") if is_gain else self._values(lane)

    def _gain_words(self, lane: int, block: int, name: str) -> str:
        at_output = self._norms(lane, "output_gradients")
        gain, product = float(gains(at_output)[block]), float(products(at_output)[block])
        if block == 0:
            return self.tr("block {block}: ∏ gain of the later blocks {product}").format(
                block=name, product=number(product)
            )
        return self.tr("block {block}: gain {gain}, ∏ gain of the later blocks {product}").format(
            block=name, gain=number(gain), product=number(product)
        )

    def _heading(self, verdicts: Sequence[Verdict | None]) -> str:
        title = self.tr("<b>Gradient profile</b>")
        said = [
            self._lane_words(lane, self._verdict(lane, verdict))
            for lane, verdict in enumerate(verdicts)
            if verdict is not None
        ]
        if not said:
            return title
        lead = (
            self.tr("∏ gain (line), gain (symbols):")
            if self.quantity is ProfileQuantity.GAIN
            else self.tr("first/last:")
        )
        return title + " " + lead + " " + "&nbsp; ".join(said)

    def _verdict(self, lane: int, verdict: Verdict) -> str:
        """What a profile amounts to, and the product of its gains where the ratio is another number."""
        text = self._regime(verdict)
        if self.quantity in (ProfileQuantity.OUTPUT, ProfileQuantity.GAIN):
            return text
        product = whole_product(self._norms(lane, "output_gradients"))
        return self.tr("{verdict}, ∏ gain {product}").format(verdict=text, product=number(product, 2))

    def _regime(self, verdict: Verdict) -> str:
        ratio = number(verdict.ratio, 2)
        match verdict.regime:
            case Regime.NON_FINITE:
                return self.tr("{count} non-finite").format(count=verdict.non_finite)
            case Regime.ZERO:
                return self.tr("both 0")
            case Regime.VANISHING:
                return self.tr("{ratio} vanishing").format(ratio=ratio)
            case Regime.EXPLODING:
                return self.tr("{ratio} exploding").format(ratio=ratio)
            case Regime.HEALTHY:
                return self.tr("{ratio} healthy").format(ratio=ratio)
