"""Segments: receive time and frame, the one format of raw entries, tapes and replay.

Little-endian `received_at_ns u64 | length u32 | frame`; the frame is Kite's own, big-endian
`u16 count, then count times (u16 length, packet)`. Segments lie end to end.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from shared.errors import MessageError

SEGMENT_HEADER = struct.Struct("<QI")
SEGMENT_HEADER_BYTES = SEGMENT_HEADER.size
#: A frame of 3,000 full packets is 558,002 bytes; anything far above is not a Kite frame.
FRAME_BYTES_MAX = 4 * 1024 * 1024


def segment(received_at_ns: int, frame: bytes | memoryview) -> bytes:
    """Return one segment: header and frame."""
    return SEGMENT_HEADER.pack(received_at_ns, len(frame)) + frame


def iterate(entry: bytes | memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield (received_at_ns, frame) of segments laid end to end, without copying.

    Raises:
        MessageError: the bytes end inside a segment, or a length is above FRAME_BYTES_MAX.
    """
    view = memoryview(entry)
    offset, end = 0, len(view)
    while offset < end:
        if end - offset < SEGMENT_HEADER_BYTES:
            raise MessageError(f"segment header at byte {offset}: {end - offset} of 12 bytes")
        received_at_ns, length = SEGMENT_HEADER.unpack_from(view, offset)
        offset += SEGMENT_HEADER_BYTES
        if length > FRAME_BYTES_MAX or length > end - offset:
            raise MessageError(f"segment at byte {offset}: length {length}, {end - offset} left")
        yield received_at_ns, view[offset : offset + length]
        offset += length
