"""How the publisher's loops are compiled, decided in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from numba import config, njit

#: NUMBA_DISABLE_JIT=1: the loops run as the Python they are written in.
JIT_OFF: bool = bool(config.DISABLE_JIT)  # type: ignore[attr-defined]  # set from the environment

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile a loop on first use, cached on disk; it keeps the interpreter lock: it is short."""
    if JIT_OFF:
        return function
    return cast("Function", njit(cache=True, error_model="numpy")(function))
