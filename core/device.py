"""Which device to compute on, with the reason in words, and how many threads."""

from contextlib import AbstractContextManager, nullcontext

import psutil
import torch

from core.notices import Notice
from core.settings import Precision, SettingsError


def available() -> tuple[str, ...]:
    """Names of the devices that can be chosen, best first."""
    names = []
    if _works(torch.cuda.is_available):
        names.append("cuda")
    if _works(torch.backends.mps.is_available):
        names.append("mps")
    return (*names, "cpu")


def choose(name: str = "auto") -> tuple[torch.device, Notice]:
    """Return a device and why that one; raises SettingsError for one that is not there."""
    found = available()
    if name == "auto":
        if found[0] == "cuda":
            return torch.device("cuda"), Notice(
                "CUDA: {card} was found", {"card": torch.cuda.get_device_name()}
            )
        if found[0] == "mps":
            return torch.device("mps"), Notice("MPS: Apple's graphics processor was found")
        return torch.device("cpu"), Notice("CPU: no accelerator that this PyTorch can use was found")
    if name not in found:
        raise SettingsError(
            "device {name} is not available here; found: {found}", name=name, found=", ".join(found)
        )
    return torch.device(name), Notice("{name}: chosen by hand", {"name": name.upper()})


def threads(wanted: int = 0) -> int:
    """Return `wanted`, or the number of physical cores for 0.

    One of two cores gives 0.65 of the speed; painting is what has to yield.
    """
    return wanted or psutil.cpu_count(logical=False) or 1


def moved(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Move a tensor from the CPU; a CUDA device is not waited for."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    """What a forward pass computes in: bfloat16 where that is asked for and does no harm, as torch decides."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def _works(question: object) -> bool:
    """Ask a driver; one that is broken answers with an exception, which means no."""
    assert callable(question)
    try:
        return bool(question())
    except (RuntimeError, AssertionError, OSError):
        return False


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is short; each backend has words of its own."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
