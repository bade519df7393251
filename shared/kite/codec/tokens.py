"""A frozen hash table from instrument_token to a small number, readable by compiled code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

#: What `lookup` returns for a token that is not in the table; also marks an empty slot.
ABSENT = -1

_SLOTS_MIN = 2
#: Knuth's multiplicative hash: 2^32 divided by the golden ratio.
_GOLDEN = 2_654_435_769
_U32_MASK = 0xFFFF_FFFF


@njit(cache=True, nogil=True, error_model="numpy")
def first_slot(token: int | np.uint32, slots: int) -> np.int64:
    """Return where a token's search begins; `slots` is a power of two."""
    mixed = (np.uint64(token) * np.uint64(_GOLDEN)) & np.uint64(_U32_MASK)
    return np.int64((mixed ^ (mixed >> np.uint64(15))) & np.uint64(slots - 1))


@njit(cache=True, nogil=True, error_model="numpy")
def lookup(
    keys: npt.NDArray[np.uint32], values: npt.NDArray[np.int32], token: int | np.uint32
) -> np.int32 | int:
    """Return the token's value, or -1; a table is at most half full, so every search ends."""
    slot = first_slot(token, keys.size)
    while values[slot] != ABSENT:
        if keys[slot] == token:
            found: np.int32 = values[slot]
            return found
        slot = (slot + 1) & (keys.size - 1)
    return ABSENT


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(
    keys: npt.NDArray[np.uint32],
    values: npt.NDArray[np.int32],
    tokens: npt.NDArray[np.uint32],
    wanted: npt.NDArray[np.int32],
) -> int:
    """Insert every pair; return the row of the first repeated token, or -1."""
    for row in range(tokens.size):
        slot = first_slot(tokens[row], keys.size)
        while values[slot] != ABSENT:
            if keys[slot] == tokens[row]:
                return row
            slot = (slot + 1) & (keys.size - 1)
        keys[slot] = tokens[row]
        values[slot] = wanted[row]
    return ABSENT


@dataclass(frozen=True, slots=True)
class TokenTable:
    """Open addressing, power-of-two slots, at most half full; never changed once built."""

    keys: npt.NDArray[np.uint32]
    values: npt.NDArray[np.int32]
    count: int

    @classmethod
    def build(cls, tokens: npt.NDArray[np.uint32], values: npt.NDArray[np.int32]) -> TokenTable:
        """Return the table of `tokens` and their `values`, both shape (n,).

        Raises:
            ValueError: shapes differ, a token occurs twice, or a value is negative.
        """
        tokens = np.ascontiguousarray(tokens, dtype=np.uint32)
        values = np.ascontiguousarray(values, dtype=np.int32)
        if tokens.shape != values.shape or tokens.ndim != 1:
            raise ValueError(f"tokens {tokens.shape} and values {values.shape} must be one column")
        if values.size and values.min() < 0:
            raise ValueError(f"value {values.min()} of a token table must not be negative")
        slots = max(_SLOTS_MIN, 1 << (2 * tokens.size - 1).bit_length() if tokens.size else 0)
        keys = np.zeros(slots, dtype=np.uint32)
        held = np.full(slots, ABSENT, dtype=np.int32)
        repeated = _fill(keys, held, tokens, values)
        if repeated != ABSENT:
            raise ValueError(f"instrument_token {tokens[repeated]} occurs twice")
        keys.setflags(write=False)
        held.setflags(write=False)
        return cls(keys, held, tokens.size)

    @classmethod
    def of(cls, pairs: Mapping[int, int]) -> TokenTable:
        """Return the table of a mapping from token to value."""
        tokens = np.fromiter(pairs.keys(), dtype=np.uint32, count=len(pairs))
        values = np.fromiter(pairs.values(), dtype=np.int32, count=len(pairs))
        return cls.build(tokens, values)

    def get(self, token: int) -> int:
        """Return the token's value, or -1."""
        return int(lookup(self.keys, self.values, token))
