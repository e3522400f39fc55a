"""Which maps stand side by side: an arrangement is laid out as frames, the same for every network asked."""

from dataclasses import dataclass

from core.messages import MOST_METHODS, Explain, Role
from core.methods import METHODS, STEM, MethodError, Parameters


@dataclass(frozen=True, slots=True)
class Frame:
    """One map to be made. A "difference" is of the two frames before it, first minus second."""

    method: str
    parameters: Parameters
    role: Role = ""
    block: int | None = None  # of a filmstrip


def frames(request: Explain, blocks: int) -> tuple[Frame, ...]:
    """Lay out what is asked of a network of so many blocks; raises MethodError."""
    plain = Frame(request.method, request.parameters)
    match request.arrangement:
        case "switch":
            return _with_roles(plain, ("on", "off", "difference"))
        case "targets":
            return _with_roles(plain, ("target", "against", "difference"))
        case "filmstrip":
            return _filmstrip(plain, blocks)
        case "methods":
            return _several(request)
        case _:
            return (plain,)


def _with_roles(frame: Frame, roles: tuple[Role, ...]) -> tuple[Frame, ...]:
    return tuple(Frame(frame.method, frame.parameters, role) for role in roles)


def _filmstrip(frame: Frame, blocks: int) -> tuple[Frame, ...]:
    if frame.method not in METHODS or not METHODS[frame.method].has_block:
        raise MethodError(
            "{method} looks at the whole network; a filmstrip needs a method that looks at one block",
            method=METHODS[frame.method].label if frame.method in METHODS else frame.method,
        )
    others = tuple(each for each in frame.parameters if each[0] != "block")
    return tuple(
        Frame(frame.method, (("block", block), *others), block=block) for block in range(STEM, blocks)
    )


def _several(request: Explain) -> tuple[Frame, ...]:
    if not 1 <= len(request.methods) <= MOST_METHODS:
        raise MethodError(
            "side by side stand 1 to {most} methods, not {count}",
            most=MOST_METHODS, count=len(request.methods),
        )  # fmt: skip
    return tuple(
        Frame(name, request.parameters if name == request.method else ()) for name in request.methods
    )
