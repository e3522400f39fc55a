"""A stand-in for a CUDA graph on a CPU: the operations that a computation calls, recorded and called again.

As with a graph, a replay runs no Python of the computation: numbers it was recorded with stay, and results
come into the same places in memory.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _Recorder(TorchDispatchMode):
    """Keeps every operation, and what it wrote over as that was before."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, dict[str, Any], Any]] = []
        self.before: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        for each in _written(function, args, kwargs):
            self.before.setdefault(id(each), (each, each.clone()))
        result = function(*args, **kwargs)
        self.calls.append((function, args, kwargs, result))
        return result


def _written(function: Any, args: Any, kwargs: dict[str, Any]) -> Iterator[Tensor]:
    named = dict(zip((each.name for each in function._schema.arguments), args, strict=False)) | kwargs
    for argument in function._schema.arguments:
        # batch norm does not say that it moves the running statistics
        if (argument.alias_info and argument.alias_info.is_write) or argument.name.startswith("running_"):
            yield from (each for each in tree_leaves(named.get(argument.name)) if isinstance(each, Tensor))


class Tape:
    """Stands in for `core.captured.Captured`."""

    made: ClassVar[list["Tape"]] = []
    replayed = 0

    def __init__(
        self,
        compute: Callable[..., list[Tensor] | None],
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor] = (),
    ) -> None:
        Tape.made.append(self)
        self._inputs = [each.clone() for each in inputs]
        self._outputs = [torch.zeros_like(each) for each in outputs]
        with _Recorder() as recorder:
            self._result = compute(*self._inputs, *self._outputs)
        self._calls = recorder.calls
        with torch.no_grad():  # a graph that is recorded computes nothing
            for tensor, before in recorder.before.values():
                tensor.copy_(before)

    @property
    def operations(self) -> set[str]:
        """Names of all that was called."""
        return {str(function) for function, *_ in self._calls}

    def replay(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor] = ()) -> list[Tensor] | None:
        Tape.replayed += 1
        for own, given in zip(self._inputs, inputs, strict=True):
            own.copy_(given)
        with torch.no_grad():
            for function, args, kwargs, result in self._calls:
                again = tree_leaves(function(*args, **kwargs))
                for new, kept in zip(again, tree_leaves(result), strict=True):
                    if isinstance(new, Tensor) and new.data_ptr() != kept.data_ptr():
                        kept.copy_(new)
        for given, own in zip(outputs, self._outputs, strict=True):
            given.copy_(own)
        return self._result
