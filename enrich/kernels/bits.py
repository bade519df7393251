"""A double seen as its 64 bits.

Reinterpreting is free in a vector register. With the compiler switched off the same is a numpy
view, so that the readable path computes the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from enrich.kernels.jit import JIT_OFF

if TYPE_CHECKING or JIT_OFF:

    def bits_of(value: float) -> np.uint64:
        """Return the bits of a double."""
        return np.float64(value).view(np.uint64)

    def float_of(bits: np.uint64) -> float:
        """Return the double with these bits."""
        return np.uint64(bits).view(np.float64)

else:
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    @intrinsic
    def bits_of(_context: Any, _value: Any) -> Any:
        """Return the bits of a double."""

        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], ir.IntType(64))

        return types.uint64(types.float64), generate

    @intrinsic
    def float_of(_context: Any, _bits: Any) -> Any:
        """Return the double with these bits."""

        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], ir.DoubleType())

        return types.float64(types.uint64), generate
