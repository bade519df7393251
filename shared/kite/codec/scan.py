"""Where the packets of a frame lie, found without decoding a price."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from shared.errors import FrameError
from shared.kite.codec.big_endian import Bytes, read_u16, read_u32
from shared.kite.codec.packets import COUNT_BYTES, FRAME_PACKETS_MAX, LENGTH_BYTES, TOKEN_BYTES

WHOLE: Final = 0
EMPTY: Final = 1
TRUNCATED_LENGTH: Final = 2
TRUNCATED_PACKET: Final = 3
TRAILING_BYTES: Final = 4
TOO_MANY_PACKETS: Final = 5

#: What is wrong with a frame, by the code that `scan_frame` returns; a closed set.
FRAME_REASONS: Final = (
    "whole",
    "no bytes",
    "ends where a packet's length should be",
    "ends inside a packet",
    "bytes after the last packet",
    "more packets than the caller has room for",
)


@njit(cache=True, nogil=True, error_model="numpy")
def scan_frame(
    buffer: Bytes,
    start: int,
    end: int,
    offsets: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.uint16],
    tokens: npt.NDArray[np.uint32],
) -> tuple[int, int, int]:
    """Write offset (of its first byte), length and token of every packet in buffer[start:end].

    Return (count, reason, position). Reason 0 is a whole frame; with any other, `count` packets
    lie before the damage, which is at byte `position`. A single byte is Kite's heartbeat: a whole
    frame without packets. A packet too short for a token has token 0. Nothing at or after `end`
    is read; 0 <= start <= end <= buffer.size is the caller's promise.
    """
    if end - start < COUNT_BYTES:
        return 0, (WHOLE if end > start else EMPTY), start
    expected = read_u16(buffer, start)
    if expected > offsets.size:
        return 0, TOO_MANY_PACKETS, start
    position = start + COUNT_BYTES
    for index in range(expected):
        if end - position < LENGTH_BYTES:
            return index, TRUNCATED_LENGTH, position
        length = read_u16(buffer, position)
        body = position + LENGTH_BYTES
        if end - body < length:
            return index, TRUNCATED_PACKET, position
        offsets[index] = body
        lengths[index] = length
        tokens[index] = read_u32(buffer, body) if length >= TOKEN_BYTES else 0
        position = body + length
    return expected, (WHOLE if position == end else TRAILING_BYTES), position


class Scratch:
    """The columns that a scan writes, kept by one caller and used again for every frame."""

    __slots__ = ("lengths", "offsets", "tokens")

    def __init__(self, packets_max: int = FRAME_PACKETS_MAX) -> None:
        self.offsets = np.zeros(packets_max, dtype=np.int64)
        self.lengths = np.zeros(packets_max, dtype=np.uint16)
        self.tokens = np.zeros(packets_max, dtype=np.uint32)

    @classmethod
    def for_frame(cls, frame: bytes | memoryview) -> Scratch:
        """Return columns just large enough for the count in the frame's first two bytes."""
        return cls(int.from_bytes(frame[:COUNT_BYTES], "big") if len(frame) >= COUNT_BYTES else 0)

    def scan(self, frame: bytes | memoryview) -> int:
        """Fill the columns from one frame; return how many packets it holds.

        Raises:
            FrameError: the frame is damaged; its reason is one of FRAME_REASONS.
        """
        buffer = np.frombuffer(frame, dtype=np.uint8) if len(frame) else np.zeros(0, np.uint8)
        count, reason, position = scan_frame(
            buffer, 0, buffer.size, self.offsets, self.lengths, self.tokens
        )
        if reason != WHOLE:
            raise FrameError(FRAME_REASONS[reason], int(position))
        return int(count)


def check_frame(frame: bytes | memoryview) -> int:
    """Return the number of packets in a whole frame; 0 for a heartbeat.

    Raises:
        FrameError: the frame is damaged; its reason is one of FRAME_REASONS.
    """
    return Scratch.for_frame(frame).scan(frame)
