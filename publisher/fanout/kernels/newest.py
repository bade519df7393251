"""A batch taken into the columns of newest records, in one pass over its rows."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from publisher.fanout.kernels.jit import compiled
from shared.wire.ticks import TICK_DTYPE

WORD_BYTES: Final = 8
#: 64-bit words of a record.
RECORD_WORDS: Final = TICK_DTYPE.itemsize // WORD_BYTES
assert TICK_DTYPE.itemsize == RECORD_WORDS * WORD_BYTES, "a record is no whole number of words"
NO_SLOT: Final = -1
#: A step back in time by less is a batch delivered twice; by more, another timeline: a replay.
LATE_NS_MAX: Final = 120 * 1_000_000_000

_OFFSETS: Final = {name: TICK_DTYPE.fields[name][1] for name in TICK_DTYPE.names}  # type: ignore[index, union-attr]  # it has fields
_TOKEN_WORD: Final = _OFFSETS["instrument_token"] // WORD_BYTES
_TOKEN_SHIFT: Final = np.uint64(8 * (_OFFSETS["instrument_token"] % WORD_BYTES))
_TOKEN_MASK: Final = np.uint64(0xFFFF_FFFF)
_LATE_NS_MAX: Final = np.uint64(LATE_NS_MAX)
_STAMP_WORD: Final = _OFFSETS["received_at_ns"] // WORD_BYTES

Words = NDArray[np.uint64]
Slots = NDArray[np.int64]
Tokens = NDArray[np.uint32]


@compiled
def look_up(records: Words, sorted_tokens: Tokens, sorted_slots: Slots, slots: Slots) -> int:
    """Fill in each record's slot, NO_SLOT where its token has none; return how many have none.

    `records` are words, shape (n, RECORD_WORDS).
    """
    unknown = 0
    for row in range(len(records)):
        token = (records[row, _TOKEN_WORD] >> _TOKEN_SHIFT) & _TOKEN_MASK
        low, high = 0, len(sorted_tokens)
        while low < high:
            middle = (low + high) >> 1
            if np.uint64(sorted_tokens[middle]) < token:
                low = middle + 1
            else:
                high = middle
        if low < len(sorted_tokens) and np.uint64(sorted_tokens[low]) == token:
            slots[row] = sorted_slots[low]
        else:
            slots[row] = NO_SLOT
            unknown += 1
    return unknown


@compiled
def take(
    records: Words,
    slots: Slots,
    cells: Words,
    stamps_ns: Words,
    sequences: Words,
    sequence: Any,
    is_taken: NDArray[np.bool_],
) -> int:
    """Write records that have a slot and are not late into the columns; return how many are late.

    Late is what is older than the record held before the batch by less than `LATE_NS_MAX`. Those
    taken are numbered on from `sequence`, a numpy uint64; of a slot the last one stays.
    """
    late = 0
    for row in range(len(records)):
        slot = slots[row]
        is_taken[row] = slot != NO_SLOT
        if slot == NO_SLOT:
            continue
        stamp, held = records[row, _STAMP_WORD], stamps_ns[slot]
        if stamp < held and held - stamp < _LATE_NS_MAX:
            is_taken[row] = False
            late += 1
    for row in range(len(records)):
        if is_taken[row]:
            slot = slots[row]
            sequence += np.uint64(1)
            sequences[slot] = sequence
            stamps_ns[slot] = records[row, _STAMP_WORD]
            for word in range(RECORD_WORDS):
                cells[slot, word] = records[row, word]
    return late
