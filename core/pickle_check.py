"""Reads a checkpoint's pickle without running it: nothing but tensors and plain values may be in it.

torch's weights-only unpickler runs no foreign code, but it can be made to allocate gigabytes,
to hash for ever or to use storages beyond their record. So every instruction is walked here
first, on stand-ins; whatever `torch.save(model.state_dict())` would not have written is refused.
"""

import math
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from core.notices import SkipscopeError

_ORDERED_DICT = "collections.OrderedDict"
_TENSOR = "torch._utils._rebuild_tensor_v2"
_PARAMETER = "torch._utils._rebuild_parameter"
_ITEM_SIZES = {
    "torch.DoubleStorage": 8,
    "torch.FloatStorage": 4,
    "torch.HalfStorage": 2,
    "torch.BFloat16Storage": 2,
    "torch.LongStorage": 8,
    "torch.IntStorage": 4,
    "torch.ShortStorage": 2,
    "torch.CharStorage": 1,
    "torch.ByteStorage": 1,
    "torch.BoolStorage": 1,
}
# pickletools joins module and name with one space
_GLOBALS = {name.replace(".", " ", 1): name for name in (_ORDERED_DICT, *_ITEM_SIZES)} | {
    "torch._utils _rebuild_tensor_v2": _TENSOR,
    "torch._utils _rebuild_parameter": _PARAMETER,
}
_MAX_DIMENSIONS = 8


class CheckpointError(SkipscopeError):
    """A file that cannot be used as a checkpoint."""


class _Mark(Enum):
    MARK = auto()
    TENSOR = auto()
    TABLE = auto()
    LIST = auto()


@dataclass(frozen=True, slots=True)
class _Global:
    name: str


@dataclass(frozen=True, slots=True)
class _Storage:
    numel: int


def check_pickle(data: bytes, records: Mapping[str, int]) -> None:
    """Raise CheckpointError (or what a damaged pickle raises) unless torch may unpickle `data`.

    `records` holds the size in bytes of every storage in the archive, by its key.
    """
    walk = _Walk(records)
    for instruction, argument, _ in pickletools.genops(data):
        walk.take(instruction.name, argument)


def spoken(name: object) -> str:
    """Return foreign text fit for a message: short and printable."""
    text = str(name)
    short = text if len(text) <= 80 else text[:79] + "…"
    return "".join(sign if sign.isprintable() else "?" for sign in short)


_VALUES = frozenset(("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING"))
_CONSTANTS: Mapping[str, Any] = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
    "EMPTY_TUPLE": (),
    "EMPTY_DICT": _Mark.TABLE,
    "EMPTY_LIST": _Mark.LIST,
    "MARK": _Mark.MARK,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _Walk:
    """The unpickler's stack and memo, on stand-ins."""

    def __init__(self, records: Mapping[str, int]) -> None:
        self._records = records
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._steps: Mapping[str, Callable[[Any], None]] = {
            "GLOBAL": self._global,
            "TUPLE": lambda _: self._stack.append(tuple(self._pop_to_mark())),
            "BINPUT": self._remember,
            "LONG_BINPUT": self._remember,
            "BINGET": lambda place: self._stack.append(self._memo[place]),
            "LONG_BINGET": lambda place: self._stack.append(self._memo[place]),
            "BINPERSID": lambda _: self._storage(self._stack.pop()),
            "REDUCE": lambda _: self._call(self._stack.pop(), self._stack.pop()),
            "BUILD": lambda _: self._build(self._stack.pop()),
            "APPEND": lambda _: self._fill_list(self._stack.pop()),
            "APPENDS": lambda _: self._fill_list(self._pop_to_mark()),
            "SETITEM": lambda _: self._fill_table([self._stack.pop(), self._stack.pop()][::-1]),
            "SETITEMS": lambda _: self._fill_table(self._pop_to_mark()),
            "PROTO": lambda _: None,
            "STOP": lambda _: None,
        }

    def take(self, instruction: str, argument: Any) -> None:
        """Follow one instruction."""
        if instruction in _VALUES:
            self._stack.append(argument)
        elif instruction in _CONSTANTS:
            self._stack.append(_CONSTANTS[instruction])
        elif instruction in _TUPLES:
            count = _TUPLES[instruction]
            items = tuple(self._stack.pop() for _ in range(count))
            self._stack.append(items[::-1])
        elif instruction in self._steps:
            self._steps[instruction](argument)
        else:
            raise _more_than_weights(f"pickle instruction {instruction}")

    def _global(self, joined: str) -> None:
        if joined not in _GLOBALS:
            raise _more_than_weights(joined.replace(" ", "."))
        self._stack.append(_Global(_GLOBALS[joined]))

    def _remember(self, place: int) -> None:
        self._memo[place] = self._stack[-1]

    def _pop_to_mark(self) -> list[Any]:
        items: list[Any] = []
        while (item := self._stack.pop()) is not _Mark.MARK:
            items.append(item)
        return items[::-1]

    def _storage(self, reference: Any) -> None:
        kind, storage, key, _, numel = _fields(reference, 5)
        if kind != "storage" or not isinstance(storage, _Global) or storage.name not in _ITEM_SIZES:
            raise _more_than_weights("a reference that is no storage")
        size = _whole(numel) * _ITEM_SIZES[storage.name]
        there = self._records.get(key) if isinstance(key, str) else None
        if there is None or size > there:
            raise CheckpointError(
                "a tensor's data is missing: {declared} bytes declared, {there} in the file",
                declared=size,
                there=there or 0,
            )
        self._stack.append(_Storage(numel))

    def _call(self, arguments: Any, function: Any) -> None:
        name = function.name if isinstance(function, _Global) else "a call of a value"
        if name == _ORDERED_DICT:
            _fields(arguments, 0)  # filled by instructions that follow
            self._stack.append(_Mark.TABLE)
        elif name == _TENSOR:
            storage, offset, size, stride, _, _ = _fields(arguments, 6)
            _check_view(storage, offset, size, stride)
            self._stack.append(_Mark.TENSOR)
        elif name == _PARAMETER:
            if _fields(arguments, 3)[0] is not _Mark.TENSOR:
                raise _more_than_weights("a parameter that is no tensor")
            self._stack.append(_Mark.TENSOR)
        else:
            raise _more_than_weights(name)

    def _build(self, state: Any) -> None:
        """Allow a state dict's own attribute, `_metadata`, and no other object's state."""
        if state is not _Mark.TABLE or self._stack[-1] is not _Mark.TABLE:
            raise _more_than_weights("an object's state")

    def _fill_list(self, _: Any) -> None:
        if self._stack[-1] is not _Mark.LIST:
            raise _more_than_weights("a list that is none")

    def _fill_table(self, items: list[Any]) -> None:
        # Other keys are refused because hashing a deeply nested tuple can take for ever.
        if self._stack[-1] is not _Mark.TABLE or not all(type(key) in (str, int) for key in items[::2]):
            raise _more_than_weights("a table whose keys are not names")


def _fields(values: Any, count: int) -> tuple[Any, ...]:
    if not isinstance(values, tuple) or len(values) != count:
        raise _more_than_weights("an object of an unknown form")
    return values


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise CheckpointError("a tensor's size, stride or offset is not a whole number of at least 0")
    return value


def _check_view(storage: Any, offset: Any, size: Any, stride: Any) -> None:
    """Refuse a tensor that reaches beyond its storage or repeats parts of it."""
    if not (isinstance(storage, _Storage) and isinstance(size, tuple) and isinstance(stride, tuple)):
        raise _more_than_weights("a tensor of an unknown form")
    if len(size) != len(stride) or len(size) > _MAX_DIMENSIONS:
        raise CheckpointError("a tensor has {count} dimensions", count=max(len(size), len(stride)))
    numel = math.prod(_whole(side) for side in size)
    reach = sum((side - 1) * _whole(step) for side, step in zip(size, stride, strict=True))
    if numel and (numel > storage.numel or _whole(offset) + reach >= storage.numel):
        raise CheckpointError(
            "a tensor of {numel} numbers reaches beyond its data of {there}",
            numel=numel,
            there=storage.numel,
        )


def _more_than_weights(what: str) -> CheckpointError:
    return CheckpointError(
        "it holds more than weights ({what}), which is never run; save model.state_dict() instead",
        what=spoken(what),
    )
