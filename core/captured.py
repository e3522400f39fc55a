"""A computation on a CUDA device, recorded once as a CUDA graph and launched whole from then on.

A step of a small network is hundreds of kernels, each shorter than its launch from Python.
Source: torch.cuda.CUDAGraph.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Compute = Callable[..., list[Tensor] | None]


class Captured:
    """`compute(*inputs, *outputs)` on tensors of its own, which keep their places in memory."""

    def __init__(self, compute: Compute, inputs: Sequence[Tensor], outputs: Sequence[Tensor] = ()) -> None:
        """Record it for tensors like these; raises RuntimeError where something in it cannot be recorded.

        Nothing is computed here. What the libraries set up at first use must be there: compute once before.
        """
        self._inputs = [each.clone() for each in inputs]
        self._outputs = [torch.zeros_like(each) for each in outputs]
        self._graph = torch.cuda.CUDAGraph()
        # the stream is put back by hand: where a recording fails, `graph` leaves its own in place (torch 2.14.1);
        # thread_local: by default any other thread's call to CUDA would break the recording
        with (
            torch.cuda.stream(torch.cuda.current_stream()),
            torch.cuda.graph(self._graph, capture_error_mode="thread_local"),
        ):
            self._result = compute(*self._inputs, *self._outputs)

    def replay(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor] = ()) -> list[Tensor] | None:
        """Compute on these inputs into these outputs; what is returned is overwritten by the next replay."""
        for own, given in zip(self._inputs, inputs, strict=True):
            own.copy_(given)
        self._graph.replay()
        for given, own in zip(outputs, self._outputs, strict=True):
            given.copy_(own)
        return self._result


def can_capture(device: torch.device) -> bool:
    """Whether a device has such graphs."""
    return device.type == "cuda"
