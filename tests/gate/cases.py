"""Which cases of a clause run when: a sample in the normal suite, all of them with `-m gate`."""

from collections.abc import Sequence
from typing import Any

import pytest


def sampled(cases: Sequence[tuple[Any, ...]], every: int) -> list[Any]:
    """Every nth case for the normal suite, then all of them for the gate."""
    names = ["-".join(str(value) for value in case if isinstance(value, str | int | float)) for case in cases]
    few = [pytest.param(*case, id=name) for case, name in list(zip(cases, names, strict=True))[::every]]
    whole = [
        pytest.param(*case, id=f"{name}-all", marks=pytest.mark.gate)
        for case, name in zip(cases, names, strict=True)
    ]
    return few + whole


def batches(few: int, whole: int, size: int) -> list[Any]:
    """Parameters (first, count): `few` repetitions for the normal suite, all of them in batches for the gate."""
    return [
        pytest.param(0, few, id="few"),
        *(
            pytest.param(first, min(size, whole - first), id=f"from-{first}", marks=pytest.mark.gate)
            for first in range(0, whole, size)
        ),
    ]
