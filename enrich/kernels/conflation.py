"""A late batch cut down to the newest packet of every instrument."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from enrich.kernels.jit import compiled
from shared.kite.codec.scan import scan_frame
from shared.kite.codec.tokens import lookup

_HEADER_BYTES: Final = 12


@compiled
def _frame_length(entry: Any, position: int) -> int:
    length: Any = np.int64(0)
    for byte in range(4):
        length |= np.int64(entry[position + 8 + byte]) << np.int64(8 * byte)
    return int(length)


@compiled
def mark_newest(
    segments: Any, table: Any, columns: Any, newest: Any, headers: Any
) -> tuple[int, int]:
    """Write per table row where its last packet begins, and where its segment does.

    `segments`: uint8, segments end to end. `columns`: offsets, lengths, tokens of one frame.
    `newest` and `headers`: int64 (rows,), -1 where nothing came. Return the packets seen,
    the frames damaged.
    """
    offsets, lengths, tokens = columns
    position: Any = 0
    seen = damaged = 0
    while segments.size - position >= _HEADER_BYTES:
        start = position + _HEADER_BYTES
        length = _frame_length(segments, position)
        if length > segments.size - start:
            break
        count, reason, _ = scan_frame(segments, start, start + length, offsets, lengths, tokens)
        if reason != 0:
            damaged += 1
        for k in range(count):
            row = lookup(table[0], table[1], tokens[k])
            seen += 1
            if row >= 0:
                newest[row] = offsets[k]
                headers[row] = position
        position = start + length
    if position != segments.size:
        damaged += 1
    return seen, damaged


@compiled
def copy_newest(segments: Any, newest: Any, headers: Any, order: Any, out: Any) -> int:
    """Write one segment per marked row, in `order` of rows; return the bytes written.

    Each segment keeps its packet's own receive time; `out` holds at least the input's bytes plus
    16 for every row.
    """
    at: Any = 0
    for k in range(order.size):
        row = order[k]
        begin = newest[row] - 2
        size = 2 + (np.int64(segments[begin]) << 8 | np.int64(segments[begin + 1]))
        for byte in range(8):
            out[at + byte] = segments[headers[row] + byte]
        framed = 2 + size
        for byte in range(4):
            out[at + 8 + byte] = (framed >> (8 * byte)) & 0xFF
        out[at + 12], out[at + 13] = 0, 1
        for byte in range(size):
            out[at + 14 + byte] = segments[begin + byte]
        at += _HEADER_BYTES + framed
    return int(at)
