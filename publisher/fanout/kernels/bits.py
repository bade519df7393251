"""Bits of a 64-bit word."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from publisher.fanout.kernels.jit import compiled

WORD_BITS: Final = 64
ONE: Final = np.uint64(1)


@compiled
def ones(bits: Any) -> int:
    """Return how many bits are set."""
    count = 0
    while bits:  # the compiler knows this loop as one instruction
        bits &= bits - ONE
        count += 1
    return count


@compiled
def place_of_lowest(bits: Any) -> int:
    """Return the place of the lowest bit that is set; there must be one."""
    return ones((bits & (~bits + ONE)) - ONE)
