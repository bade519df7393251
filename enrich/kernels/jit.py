"""How every kernel is compiled, decided in one place.

No fastmath flag of any kind: tests for NaN have to survive, the two-part ln 2 has to stay two
parts, results have to be the same bits with FMA hardware as without it. `error_model="numpy"`
makes a division by zero an infinity, which the guards of the stages then reject, so no stage
branches for it. No kernel is parallel: a barrier on a busy core costs milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
from numba import config, njit

#: NUMBA_DISABLE_JIT=1: the kernels run as the Python they are written in.
JIT_OFF: bool = bool(config.DISABLE_JIT)  # type: ignore[attr-defined]  # set from the environment

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile a kernel on first use, cached on disk, without the interpreter lock."""
    if JIT_OFF:
        return np.errstate(all="ignore")(function)  # what error_model="numpy" does when compiled
    return cast("Function", njit(cache=True, nogil=True, error_model="numpy")(function))


def inlined(function: Function) -> Function:
    """Compile a scalar step that dissolves in the loop calling it, so that the loop vectorises."""
    if JIT_OFF:
        return np.errstate(all="ignore")(function)
    jit = njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
    return cast("Function", jit(function))
