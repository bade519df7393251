"""Payloads that lie in one piece of memory, joined to whole WebSocket frames."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from publisher.fanout.kernels.jit import compiled
from shared.kite.codec.moving import copy_bytes

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]

#: Of `Envelope.count_at`: nowhere does it say how many payloads there are.
NO_COUNT: Final = -1
#: Of `Envelope.separator`: nothing stands between payloads.
NO_SEPARATOR: Final = -1
_COUNT_BYTES: Final = 4
_FINAL: Final = 0x80
_SHORT_MAX: Final = 125
_MEDIUM_MAX: Final = 2**16 - 1
_MEDIUM: Final = 126
_LONG: Final = 127
_MEDIUM_BYTES: Final = 2
_LONG_BYTES: Final = 8
#: Of a WebSocket frame's header, at most.
_HEADER_BYTES_MAX: Final = 10


class Envelope(NamedTuple):
    """What stands around the payloads of a message, and in which frame it goes.

    Where the opening says how many payloads follow, a 32-bit number at `count_at`, little-endian
    or, with `is_big_endian`, the other way round, it is written there.
    """

    opcode: int
    opening: Bytes
    closing: Bytes
    separator: int
    count_at: int
    is_big_endian: bool


@compiled
def join(
    blob: Bytes,
    starts: Integers,
    sizes: Integers,
    places: Integers,
    cuts: Integers,
    is_left_out: NDArray[np.bool_],
    envelope: Envelope,
    out: Bytes,
) -> Integers:
    """Write frames end to end to `out`, see `room`; return where each one ends.

    Payload p is `blob[starts[p]:][:sizes[p]]`; frame m holds those of `places[cuts[m]:cuts[m+1]]`
    in their order, or is of no bytes where it is left out.
    """
    ends = np.empty(len(cuts) - 1, np.int64)
    has_separator, at = envelope.separator != NO_SEPARATOR, 0
    for frame in range(len(ends)):
        if not is_left_out[frame]:
            first, last = cuts[frame], cuts[frame + 1]
            length = len(envelope.opening) + len(envelope.closing)
            for place in range(first, last):
                length += sizes[places[place]] + (has_separator and place > first)
            at = _header(out, at, envelope.opcode, length)
            begun = at
            at = _copy(out, at, envelope.opening, 0, len(envelope.opening))
            if envelope.count_at != NO_COUNT:
                counted = begun + envelope.count_at
                _number(out, counted, last - first, _COUNT_BYTES, envelope.is_big_endian)
            for place in range(first, last):
                if has_separator and place > first:
                    out[at] = envelope.separator
                    at += 1
                payload = places[place]
                at = _copy(out, at, blob, starts[payload], sizes[payload])
            at = _copy(out, at, envelope.closing, 0, len(envelope.closing))
        ends[frame] = at
    return ends


def room(frames: int, payloads: int, payload_bytes: int, envelope: Envelope) -> int:
    """Return bytes that are enough for so many frames with so many payloads in all."""
    around = _HEADER_BYTES_MAX + len(envelope.opening) + len(envelope.closing)
    return frames * around + payloads + payload_bytes


@compiled
def _header(out: Bytes, at: int, opcode: int, length: int) -> int:
    """Write what stands ahead of a message of this length; source: RFC 6455, section 5.2."""
    out[at] = _FINAL | opcode
    if length <= _SHORT_MAX:
        out[at + 1] = length
        return at + 2
    if length <= _MEDIUM_MAX:
        out[at + 1] = _MEDIUM
        _number(out, at + 2, length, _MEDIUM_BYTES, True)  # noqa: FBT003  # as RFC 6455 has it
        return at + 2 + _MEDIUM_BYTES
    out[at + 1] = _LONG
    _number(out, at + 2, length, _LONG_BYTES, True)  # noqa: FBT003  # as RFC 6455 has it
    return at + 2 + _LONG_BYTES


@compiled
def _number(out: Bytes, at: int, value: int, width: int, is_big_endian: bool) -> None:
    for place in range(width):
        byte = (value >> (8 * place)) & 0xFF
        out[at + (width - 1 - place if is_big_endian else place)] = byte


@compiled
def _copy(out: Bytes, at: int, source: Bytes, begin: int, count: int) -> int:
    """Copy bytes; return where the next ones go."""
    copy_bytes(out, at, source, begin, count)
    return at + count
