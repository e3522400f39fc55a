"""Norms in float64: squares of float32 numbers below 1e-22 would vanish in a float32 sum."""

import torch
from torch import Tensor

from core.findings import FloatArray
from core.messages import readonly


def norm(tensor: Tensor) -> Tensor:
    """Return the L2 norm, a float64 scalar."""
    return torch.linalg.vector_norm(_where_float64_is(tensor), dtype=torch.float64)


def norm_of_all(tensors: list[Tensor]) -> Tensor:
    """Return the L2 norm over several tensors together (none: 0), a float64 scalar."""
    total = torch.zeros((), dtype=torch.float64)
    for tensor in tensors:
        total = total + norm(tensor).cpu().square()
    return total.sqrt()


def rms(tensor: Tensor) -> Tensor:
    """Return the root of the mean square, a float64 scalar."""
    return norm(tensor) / tensor.numel() ** 0.5


def wide(tensor: Tensor) -> Tensor:
    """Return the tensor in float64."""
    return _where_float64_is(tensor).double()


def numbers(scalars: list[Tensor]) -> FloatArray:
    """Copy scalars off the device."""
    found: FloatArray = torch.stack(scalars).double().cpu().numpy().copy()
    readonly(found)
    return found


def _where_float64_is(tensor: Tensor) -> Tensor:
    tensor = tensor.detach()
    return tensor.cpu() if tensor.device.type == "mps" else tensor
