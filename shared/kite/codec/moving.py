"""Bytes moved from one buffer to another."""

from __future__ import annotations

import numpy as np
from numba import njit

from shared.kite.codec.big_endian import Bytes


@njit(cache=True, nogil=True, error_model="numpy")
def copy_bytes(target: Bytes, at: int, source: Bytes, begin: int, size: int) -> None:
    """Copy `size` bytes from source[begin:] to target[at:]; the caller has checked the room."""
    # With unsigned indices this becomes wide loads, as a slice assignment does not.
    to, start = np.uintp(at), np.uintp(begin)
    for index in range(np.uintp(size)):
        target[to + index] = source[start + index]
