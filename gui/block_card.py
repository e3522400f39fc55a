"""The block card: what is known of the chosen block, and its two strengths."""

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QFormLayout, QGridLayout, QLabel, QPushButton, QSlider, QVBoxLayout, QWidget

from core.messages import RunStarted, TrainingSlice
from gui.lane_state import LaneState, RunState, Strengths, switched, with_strength
from gui.network_ink import scaled
from gui.network_words import branch_parameters, number, shortcut_kind
from gui.panel import Panel
from gui.theme import Theme
from gui.wording import whole

_STEPS = 20  # a slider moves in twentieths


@dataclass(frozen=True, slots=True)
class _Strength:
    """One strength's slider, its value in words, and the button that cuts or restores."""

    slider: QSlider
    value: QLabel
    button: QPushButton


class BlockCard(Panel):
    """Shows one block: shapes, parameters, readings; sets its shortcut and branch strength.

    Signals: `strengths_requested` (lane, shortcuts, branches), as in the network panel.
    """

    strengths_requested = Signal(int, object, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._run = RunState()
        self._shown = (0, 0)
        self._title = QLabel()
        self._title.setFont(scaled(self.font(), 1.15, bold=True))
        self._note = QLabel()
        self._note.setWordWrap(True)
        self._body = QWidget()
        self._empty = QLabel(self.tr("No run yet."))
        self._values: dict[str, QLabel] = {}
        self._form = QFormLayout()
        self._make_rows()
        self._shortcut = self._make_strength(self.tr("Shortcut strength"))
        self._branch = self._make_strength(self.tr("Branch strength"))
        self._shortcut.slider.valueChanged.connect(self._on_shortcut_moved)
        self._branch.slider.valueChanged.connect(self._on_branch_moved)
        self._shortcut.button.clicked.connect(self._on_shortcut_clicked)
        self._branch.button.clicked.connect(self._on_branch_clicked)
        self._layout()
        self.setMinimumWidth(230)
        self.setAccessibleName(self.tr("Block"))
        self.refresh()

    # ---- construction ---------------------------------------------------------------------

    def _make_rows(self) -> None:
        rows = (
            ("shape", self.tr("Channels"), self.tr("Channels in and out, and the size of the output.")),
            ("parameters", self.tr("Parameters"), self.tr("Numbers learnt here, projection included.")),
            ("shortcut", self.tr("Shortcut"), self.tr("What goes around the residual branch.")),
            ("norm", self.tr("Gradient norm"), self.tr("L2 norm over the residual branch's parameters.")),
            ("rms", self.tr("per parameter"), self.tr(
                "The gradient norm divided by the root of the number of the branch's parameters, so that "
                "blocks of different width can be compared.")),
            ("output", self.tr("Output gradient"), self.tr("L2 norm of ∂L/∂y at the block's output.")),
            ("gain", self.tr("Gain"), self.tr(
                "Output gradient divided by the next block's: what the next block does to the gradient on "
                "its way back. Below 1 it shrinks, above 1 it grows.")),
            ("ratio", self.tr("‖F(x)‖ / ‖x‖"), self.tr("How much the branch adds to its input.")),
            ("output_mean", self.tr("Output"), self.tr("Mean ± deviation of the block's output.")),
            ("dead", self.tr("Dead units"), self.tr("Share of channels that are zero on the whole batch.")),
        )  # fmt: skip
        for key, label, explain in rows:
            name, value = QLabel(label), QLabel()
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            value.setAlignment(Qt.AlignmentFlag.AlignRight)
            value.setAccessibleName(label)
            for widget in (name, value):
                widget.setToolTip(explain)
            self._values[key] = value
            self._form.addRow(name, value)

    def _make_strength(self, name: str) -> _Strength:
        slider = QSlider(Qt.Orientation.Horizontal)
        slider.setRange(0, _STEPS)
        slider.setPageStep(_STEPS // 4)
        slider.setAccessibleName(name)
        return _Strength(slider, QLabel(), QPushButton())

    def _layout(self) -> None:
        strengths = QGridLayout()
        rows = ((self.tr("Shortcut strength"), self._shortcut), (self.tr("Branch strength"), self._branch))
        for row, (text, strength) in enumerate(rows):
            label = QLabel(text)
            label.setBuddy(strength.slider)
            strengths.addWidget(label, 2 * row, 0)
            strengths.addWidget(strength.value, 2 * row, 1, Qt.AlignmentFlag.AlignRight)
            strengths.addWidget(strength.slider, 2 * row + 1, 0)
            strengths.addWidget(strength.button, 2 * row + 1, 1)
        strengths.setColumnStretch(0, 1)
        self._form.setVerticalSpacing(3)
        body = QVBoxLayout(self._body)
        body.setContentsMargins(0, 0, 0, 0)
        body.addWidget(self._title)
        body.addWidget(self._note)
        body.addLayout(self._form)
        body.addLayout(strengths)
        everything = QVBoxLayout(self)
        everything.setContentsMargins(10, 8, 10, 8)
        everything.addWidget(self._empty)
        everything.addWidget(self._body)
        everything.addStretch(1)

    # ---- data in --------------------------------------------------------------------------

    def start_run(self, event: RunStarted) -> None:
        """Show a new run's block."""
        self._run.start(event)
        if not self._run.has(*self._shown):
            self._shown = (0, 0)
        self.refresh_now()

    def add_slice(self, event: TrainingSlice) -> None:
        """Keep a slice's last readings and strengths."""
        self._run.take(event)
        self.mark_dirty()

    def mark_requested(
        self, lane: int, shortcuts: Strengths | None, branches: Strengths | None, command_id: int
    ) -> None:
        """Show strengths as requested until a slice carries the command."""
        self._run.request(lane, shortcuts, branches, command_id)
        self.refresh_now()

    def drop_request(self, command_id: int) -> None:
        """Show no longer as requested what the engine could not do."""
        self._run.drop(command_id)
        self.refresh_now()

    def show_block(self, lane: int, block: int) -> None:
        """Show another block."""
        if self._run.has(lane, block):
            self._shown = (lane, block)
            self.refresh_now()

    def clear(self) -> None:
        """Go back to the empty state."""
        self._run.clear()
        self.refresh_now()

    # ---- what is shown --------------------------------------------------------------------

    def refresh(self) -> None:
        """Write the values anew."""
        known = self._run.has(*self._shown)
        self._body.setVisible(known)
        self._empty.setVisible(not known)
        if not known:
            return
        state, index = self._run.lanes[self._shown[0]], self._shown[1]
        block = state.blocks[index]
        self._title.setText(
            self.tr("Lane {name}, block {block}").format(name=state.info.name, block=block.name)
        )
        self._note.setText(self._note_text(state, index))
        for key, text in {**self._fixed(state, index), **self._readings(state, index)}.items():
            self._values[key].setText(text)
        self._show_strength(self._shortcut, state.shortcuts[index], state.shown_shortcuts[index])
        self._show_strength(self._branch, state.branches[index], state.shown_branches[index])
        has_shortcut, has_branch = state.shown_shortcuts[index] > 0, state.shown_branches[index] > 0
        self._shortcut.button.setText(self.tr("Cut") if has_shortcut else self.tr("Restore"))
        self._branch.button.setText(self.tr("Delete") if has_branch else self.tr("Restore"))
        for widget in (
            self._shortcut.slider,
            self._shortcut.button,
            self._branch.slider,
            self._branch.button,
        ):
            widget.setEnabled(state.diverged_at is None)

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        super().set_theme(theme)
        palette = self._note.palette()
        palette.setColor(QPalette.ColorRole.WindowText, QColor(theme.muted))
        self._note.setPalette(palette)

    def text(self, key: str) -> str:
        """Return the text of one row."""
        return self._values[key].text()

    def _note_text(self, state: LaneState, index: int) -> str:
        where = self.tr("stage {stage}").format(stage=state.blocks[index].stage)
        if state.diverged_at is not None:
            return where + " · " + self.tr("diverged at step {step}").format(step=state.diverged_at)
        if not state.step:
            return where + " · " + self.tr("no step yet")
        when = self.tr("step {step}").format(step=state.step)
        if state.samples is not None:
            when += self.tr(", output sampled at {step}").format(step=state.samples.step)
        return where + " · " + when

    def _fixed(self, state: LaneState, index: int) -> dict[str, str]:
        block = state.blocks[index]
        _, height, width = state.info.block_outputs[index]
        return {
            "shape": f"{block.in_channels} → {block.out_channels}, {height}×{width}",
            "parameters": whole(state.info.parameters_per_block[index]),
            "shortcut": shortcut_kind(state.info.network, block),
        }

    def _readings(self, state: LaneState, index: int) -> dict[str, str]:
        norm = None if state.norms is None else float(state.norms[index])
        output = None if state.output_gradients is None else float(state.output_gradients[index])
        count = branch_parameters(state.info.network, state.blocks[index])
        texts = {
            "norm": number(norm),
            "rms": number(None if norm is None else norm / np.sqrt(count)),
            "output": number(output),
            "gain": number(state.gain(index)),
            "ratio": "–", "output_mean": "–", "dead": "–",
        }  # fmt: skip
        samples = state.samples
        if samples is not None:
            texts["ratio"] = number(float(samples.branch_ratios[index]))
            mean, deviation = (
                number(float(samples.means[index]), 2),
                number(float(samples.deviations[index]), 2),
            )
            texts["output_mean"] = f"{mean} ± {deviation}"
            texts["dead"] = f"{number(100 * float(samples.dead[index]), 2)} %"
        return texts

    def _show_strength(self, strength: _Strength, now: float, wanted: float) -> None:
        with QSignalBlocker(strength.slider):
            if not strength.slider.isSliderDown():
                strength.slider.setValue(round(wanted * _STEPS))
        if now == wanted:
            strength.value.setText(f"{now:.2f}")
        else:
            strength.value.setText(self.tr("{wanted} requested").format(wanted=f"{wanted:.2f}"))

    # ---- slots ----------------------------------------------------------------------------

    def _on_shortcut_moved(self, value: int) -> None:
        self._ask(shortcut=value / _STEPS)

    def _on_branch_moved(self, value: int) -> None:
        self._ask(branch=value / _STEPS)

    def _on_shortcut_clicked(self) -> None:
        lane, index = self._shown
        self._ask(shortcut=switched(self._run.lanes[lane].shown_shortcuts[index]))

    def _on_branch_clicked(self) -> None:
        lane, index = self._shown
        self._ask(branch=switched(self._run.lanes[lane].shown_branches[index]))

    def _ask(self, *, shortcut: float | None = None, branch: float | None = None) -> None:
        lane, index = self._shown
        state = self._run.lanes[lane]
        shortcuts, branches = state.shown_shortcuts, state.shown_branches
        if shortcut is not None:
            shortcuts = with_strength(shortcuts, (index,), shortcut)
        if branch is not None:
            branches = with_strength(branches, (index,), branch)
        if (shortcuts, branches) != (state.shown_shortcuts, state.shown_branches):
            self.strengths_requested.emit(lane, shortcuts, branches)
