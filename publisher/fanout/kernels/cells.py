"""Payloads copied into one cell an instrument."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from publisher.fanout.kernels.jit import compiled
from shared.kite.codec.moving import copy_bytes

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]


@compiled
def store(cells: Bytes, slots: Integers, blob: Bytes, starts: Integers, sizes: Integers) -> None:
    """Write each payload into its slot's cell; of a repeated slot the last one stays.

    `cells` (slots, width) must be as wide as the longest payload; payload p is
    `blob[starts[p]:][:sizes[p]]`.
    """
    for payload in range(len(slots)):
        copy_bytes(cells[slots[payload]], 0, blob, starts[payload], sizes[payload])
