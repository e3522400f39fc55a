"""One lane: a network, its momentum, a training step, and what the probes read in it.

A step computes loss and gradients with one `autograd.grad` call that also returns the gradient at
every block's output; norms are taken fused (`torch._foreach_norm`), the update is torch's fused
SGD kernel on prebuilt lists. There is no Python work per parameter, and readings stay on the
device until `take_readings`, which makes the blocks' norms of the tensors'. On a CUDA device the
steps between samples are one captured graph, captured anew after every toggle.
"""

import logging
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from core.captured import Captured, can_capture
from core.device import autocast, is_out_of_memory
from core.messages import BlockSamples, readonly
from core.network import BatchNorm, ResidualBlock, ResidualNetwork, initialise
from core.settings import LaneSettings, RunSettings

FLAT = 0.1  # of its steepest slope: there an activation counts as saturated
SAMPLE_EVERY = 20  # steps between readings that cost a pass over the activations
CAPACITY = 64  # steps of readings kept on the device
# Squares of float32 gradients below this vanish in a float32 sum, so such norms are taken again in float64.
TINY = 1e-16

log = logging.getLogger("skipscope")


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """What the probes read in consecutive steps of one lane."""

    losses: NDArray[np.float64]  # (steps,)
    accuracies: NDArray[np.float64]  # (steps,)
    gradient_norms: NDArray[np.float64]  # (steps, blocks)
    output_gradients: NDArray[np.float64]  # (steps, blocks)


class Lane:
    """Trains one network. All tensors live on `device`; only the engine's thread may call this."""

    def __init__(self, settings: LaneSettings, run: RunSettings, device: torch.device) -> None:
        self.name = settings.name
        self.learning_rate = settings.learning_rate
        self.device = device
        self._batch_size = run.batch_size
        self.diverged_at: int | None = None
        self._samples: BlockSamples | None = None
        self._sampled: tuple[int, Tensor] | None = None  # a newer one, still on the device: (step, columns)
        self._momentum_factor = run.momentum
        self._weight_decay = run.weight_decay
        self._precision = run.precision
        self._captures = can_capture(device)
        self.network = ResidualNetwork(settings.network)
        initialise(self.network, run.seed)
        self.network.to(device, memory_format=self.network.memory_format)  # type: ignore[call-overload]
        self.network.train()
        self.momentum = {name: torch.zeros_like(p) for name, p in self.network.named_parameters()}
        norms = {n: m for n, m in self.network.named_modules() if isinstance(m, BatchNorm)}
        for norm in norms.values():
            norm.counts = False
        self._norm_weights = [f"{name}.weight" for name in norms]
        buffers = list(self.network.buffers())
        # batch statistics, and how many batches they are of, live and as before the step
        self._statistics = _side_by_side([each for each in buffers if each.is_floating_point()], device)
        self._batches = _side_by_side([each for each in buffers if not each.is_floating_point()], device)
        self._kept = [part.clone() for part in (self._statistics, self._batches)]
        self._gradients: list[Tensor] | None = None  # of a step that is prepared and not taken
        self._number = 0  # of that step
        self._blocks = self.network.blocks
        self._outputs: list[Tensor] = []
        self._sums: list[list[Tensor]] = []
        for block in self._blocks:
            block.probe = self._on_block
        # float64 where the device has it: norms below 1e-22 would underflow in float32
        self._wide = torch.float32 if device.type == "mps" else torch.float64
        # loss, accuracy, a norm for each tensor of a branch that is in use, one for each block's output
        width = 2 + len(list(self.network.parameters())) + len(self._blocks)
        self._readings = torch.zeros(CAPACITY, width, dtype=self._wide, device=device)
        self._filled = 0
        self.set_strengths(settings.shortcuts, settings.branches)

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return len(self._blocks)

    def load(self, state: dict[str, Tensor], momentum: dict[str, Tensor] | None = None) -> None:
        """Take weights and statistics (and momentum) in place of the present ones."""
        self.network.load_state_dict(state)
        for name, buffer in self.momentum.items():
            found = (momentum or {}).get(name)
            buffer.zero_() if found is None else buffer.copy_(found)
        self.set_strengths()  # what is left out has no momentum

    def set_strengths(
        self, shortcuts: tuple[float, ...] | None = None, branches: tuple[float, ...] | None = None
    ) -> None:
        """Set strengths from the next step on; take the readings before. What is left out loses its momentum."""
        if self._filled:
            raise RuntimeError("readings of other strengths have not been taken")
        self._captured: Captured | None = None
        self._is_warm = False  # a step has been done with these strengths: it can be captured
        self.network.set_strengths(shortcuts, branches)
        self.shortcuts, self.branches = self.network.shortcuts, self.network.branches
        unused = self.network.unused_parameters()
        for name in unused:
            self.momentum[name].zero_()
        used = [(name, p) for name, p in self.network.named_parameters() if name not in unused]
        self._parameters: list[Tensor] = [parameter for _, parameter in used]
        self._buffers = [self.momentum[name] for name, _ in used]
        self._find_branches([name for name, _ in used])
        moved = [weight not in unused for weight in self._norm_weights]
        self._moved = torch.tensor(moved, dtype=torch.int64, device=self.device)

    @property
    def samples(self) -> BlockSamples | None:
        """The newest sample; it is copied off the device when it is asked for, not in its step."""
        if self._sampled is not None:
            number, columns = self._sampled
            table = columns.to("cpu", torch.float64, copy=True).numpy()
            self._samples = BlockSamples(
                number, *(readonly(np.ascontiguousarray(column)) for column in table.T)
            )
            self._sampled = None
        return self._samples

    def parameters_in_use(self) -> int:
        """Count of the parameters that take part under the present strengths."""
        return sum(parameter.numel() for parameter in self._parameters)

    def step(self, number: int, pictures: Tensor, labels: Tensor, learning_rate: float) -> None:
        """Train on one batch, (N, 3, H, W) and (N,), and keep the readings."""
        self.prepare(number, pictures, labels)
        self.take(learning_rate)

    def prepare(self, number: int, pictures: Tensor, labels: Tensor) -> None:
        """Compute loss, gradients and readings of a step; weights and momentum stay as they are until `take`."""
        self._remember()
        self._batches.add_(self._moved)
        self._number = number
        try:
            self._gradients = self._compute(number, pictures, labels)
        except BaseException as error:
            self._sums = []
            if is_out_of_memory(error):  # a graph keeps a step's memory to itself
                self._captured, self._captures = None, False
            raise
        finally:
            self._outputs.clear()  # after a fault too: they hold the whole graph

    def take(self, learning_rate: float) -> None:
        """Move the weights along the gradients that `prepare` found; nothing if the loss was not finite."""
        gradients, self._gradients = self._gradients, None
        if gradients is None:
            return
        with torch.no_grad():
            torch._fused_sgd_(
                self._parameters, gradients, self._buffers,
                weight_decay=self._weight_decay, momentum=self._momentum_factor, lr=learning_rate,
                dampening=0.0, nesterov=False, maximize=False, is_first_step=False,
            )  # fmt: skip
        if self._sums:
            self._take_samples(self._number, learning_rate)

    @torch.no_grad()
    def give_up(self, number: int) -> None:
        """Be as before `prepare` of this step, if that was begun and not taken."""
        self._gradients, self._sums = None, []
        if self._number != number:
            return
        self._number = 0
        for kept, live in zip(self._kept, (self._statistics, self._batches), strict=True):
            live.copy_(kept)
        if self.diverged_at == number:
            self.diverged_at = None

    @torch.no_grad()
    def _remember(self) -> None:
        """Keep the batch statistics, which the forward pass moves."""
        for kept, live in zip(self._kept, (self._statistics, self._batches), strict=True):
            kept.copy_(live)

    def _compute(self, number: int, pictures: Tensor, labels: Tensor) -> list[Tensor] | None:
        """Return the gradients, and keep the step's readings; None if the loss is known not to be finite."""
        self._sampling = number % SAMPLE_EVERY == 1
        self._sums = []
        given, kept = (pictures, labels), (self._readings[self._filled], self._vectors[self._filled])
        self._filled += 1
        if self._captures and self._captured is None and self._is_warm and not self._sampling:
            self._capture(given, kept)
        if self._captured is not None and not self._sampling:
            return self._captured.replay(given, kept)
        gradients = self._forward_and_back(*given, *kept)
        self._is_warm = True
        if gradients is None:
            self.diverged_at = number
            self._sums = []
        return gradients

    def _capture(self, given: tuple[Tensor, ...], kept: tuple[Tensor, ...]) -> None:
        """Capture a step of the present strengths; where that fails, do without from now on."""
        try:
            self._captured = Captured(self._forward_and_back, given, kept)
        except RuntimeError as error:  # short memory among others: the step itself will say so if it matters
            self._captures = False
            # the end of a broken recording raises too, and hides what broke it
            log.warning("lane %s trains without a CUDA graph: %s", self.name, error.__context__ or error)
        finally:
            self._outputs.clear()

    def _forward_and_back(
        self, pictures: Tensor, labels: Tensor, row: Tensor, vectors: Tensor
    ) -> list[Tensor] | None:
        """Return a gradient for each parameter in use; readings go to `row` and `vectors`."""
        with autocast(self.device, self._precision):
            logits = self.network(pictures)
            loss = F.cross_entropy(logits, labels)
        with torch.no_grad():
            row[0] = loss
            row[1] = (logits.argmax(1) == labels).sum()
        if self.device.type == "cpu" and not math.isfinite(row[0].item()):
            row[2:] = math.nan
            vectors.fill_(math.nan)
            return None
        wanted = self._parameters + self._outputs
        # materialize_grads: a block with both strengths 0 cuts everything before it off
        gradients = list(torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True))
        count = len(self._parameters)
        self._read_norms(row, vectors, gradients[:count], gradients[count:])
        return gradients[:count]

    def take_readings(self) -> Readings:
        """Copy the readings since the last call off the device; empties the store."""
        table, vectors = (
            part[: self._filled].detach().to("cpu", torch.float64, copy=True).numpy()
            for part in (self._readings, self._vectors)
        )
        steps, self._filled = self._filled, 0
        table[:, 1] /= self._batch_size
        outputs = 2 + len(self._tensor_owners)
        squares = np.zeros((self.blocks, steps))
        np.add.at(squares, self._tensor_owners, np.square(table[:, 2:outputs]).T)
        if len(self._vector_owners):
            sums = np.add.reduceat(np.square(vectors), self._vector_starts, axis=1)
            np.add.at(squares, self._vector_owners, sums.T)
        columns = (table[:, 0], table[:, 1], np.sqrt(squares).T, table[:, outputs : outputs + self.blocks])
        return Readings(*(readonly(np.ascontiguousarray(column)) for column in columns))

    def keep_readings(self, steps: int) -> None:
        """Drop the readings after the first `steps`."""
        self._filled = min(self._filled, steps)

    def release(self) -> None:
        """Break the cycle of lane and network, so that both go at once."""
        for block in self._blocks:
            block.probe = None
        self._outputs.clear()
        self._captured = None

    @property
    def is_captured(self) -> bool:
        """Whether steps of the present strengths are a CUDA graph by now."""
        return self._captured is not None

    @property
    def is_full(self) -> bool:
        """Whether the readings must be taken before another step."""
        return self._filled == CAPACITY

    def _find_branches(self, names: list[str]) -> None:
        """Remember which of the used parameters belong to which block's residual branch."""
        index = {
            name: module.index
            for name, module in self.network.named_modules()
            if isinstance(module, ResidualBlock)
        }
        tensors: list[tuple[int, int]] = []  # place among the parameters, and block
        vectors: list[tuple[int, int]] = []
        for place, name in enumerate(names):
            block, _, rest = name.partition(".conv") if ".conv" in name else name.partition(".bn")
            if block in index and rest:
                (vectors if self._parameters[place].dim() == 1 else tensors).append((place, index[block]))
        self._branch_places = [place for place, _ in tensors + vectors]
        owners = [block for _, block in tensors + vectors]
        self._branch_index = torch.tensor(owners, dtype=torch.int64, device=self.device)
        self._tensors = len(tensors)
        self._tensor_owners, self._vector_owners = np.split(np.array(owners, np.intp), [len(tensors)])
        sizes = [self._parameters[place].numel() for place, _ in vectors]
        self._vector_starts = np.cumsum([0, *sizes[:-1]])
        self._vectors = torch.zeros(CAPACITY, sum(sizes), device=self.device)

    @torch.no_grad()
    def _read_norms(
        self, row: Tensor, vectors: Tensor, gradients: list[Tensor], outputs: list[Tensor]
    ) -> None:
        own = [gradients[place] for place in self._branch_places]
        norms = self._norms(own[: self._tensors], outputs)
        row[2 : 2 + len(norms)] = norms
        if len(own) > self._tensors:  # as they are: 32 norms of a few numbers each take longer than one copy
            torch.cat(own[self._tensors :], out=vectors)

    def _branch_norms(self, tensors: list[Tensor]) -> Tensor:
        """Norm over each block's residual branch of tensors that go with the parameters, (blocks,)."""
        squares = torch.zeros(self.blocks, dtype=self._wide, device=self.device)
        branches = [tensors[place] for place in self._branch_places]
        if branches:
            norms = torch.stack(torch._foreach_norm(branches))
            squares.index_add_(0, self._branch_index, norms.to(self._wide).square())
        return squares.sqrt_()

    def _norms(self, *groups: list[Tensor]) -> Tensor:
        """Norms of all tensors, fused by groups of one type; on a CPU in float64 only where float32 would not do."""
        if self.device.type == "cpu":
            norms = _norms_as(torch.float32, groups)
            if TINY < norms.min().item() <= norms.max().item() < math.inf:
                return norms
        return _norms_as(self._wide, groups)

    def _on_block(self, index: int, x: Tensor, branch: Tensor | None, y: Tensor) -> None:
        if not self.network.training:
            return
        self._outputs.append(y)
        if self._sampling:
            with torch.no_grad():
                x, y, branch = x.float(), y.float(), None if branch is None else branch.float()
                ratio = x.new_zeros(()) if branch is None else branch.norm() / x.norm()
                # not by `amax`, which takes 20 times as long over 16 channels that lie last
                dead = (y.abs().sum((0, 2, 3)) == 0).float().mean()
                deviation = x.new_zeros(()) if branch is None else branch.std()
                self._sums.append([ratio, y.mean(), y.std(), dead, self._flat_share(y), deviation])

    def _flat_share(self, y: Tensor) -> Tensor:
        """Share of outputs where a saturating activation's slope is below FLAT of its steepest."""
        if self.network.settings.block != "post":
            return y.new_full((), math.nan)  # a block's output is a sum then, not an activation
        match self.network.settings.activation:
            case "tanh":
                return (1 - y * y < FLAT).float().mean()
            case "sigmoid":
                return (4 * y * (1 - y) < FLAT).float().mean()
            case _:
                return y.new_zeros(())

    @torch.no_grad()
    def _take_samples(self, number: int, learning_rate: float) -> None:
        seen = torch.stack([torch.stack(row) for row in self._sums])
        weights = self._branch_norms(self._parameters)
        # SGD with momentum moves the weights by the rate times what is in the buffers
        updates = learning_rate * self._branch_norms(self._buffers) / weights
        gammas = [
            block.bn2.weight.abs().mean()
            if isinstance(block.bn2, torch.nn.BatchNorm2d)
            else seen.new_full((), math.nan)
            for block in self._blocks
        ]
        self._sums = []
        self._sampled = number, torch.column_stack((seen, weights, updates, torch.stack(gammas)))


def _norms_as(dtype: torch.dtype, groups: tuple[list[Tensor], ...]) -> Tensor:
    # several types in one call are not fused
    return torch.stack([norm for group in groups if group for norm in torch._foreach_norm(group, 2, dtype)])


def _side_by_side(tensors: list[Tensor], device: torch.device) -> Tensor:
    """Return one buffer with these tensors' values; they become views of it."""
    buffer = torch.cat([each.reshape(-1) for each in tensors]) if tensors else torch.empty(0, device=device)
    start = 0
    for each in tensors:
        each.data = buffer[start : start + each.numel()].view(each.shape)
        start += each.numel()
    return buffer


def scheduled(base: float, schedule: str, step: int, steps: int) -> float:
    """Learning rate of a step, counted from 1; the half cosine ends at the planned length."""
    if schedule == "cosine":
        return base * 0.5 * (1 + math.cos(math.pi * min((step - 1) / max(steps, 1), 1.0)))
    return base
