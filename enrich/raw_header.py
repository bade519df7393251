"""What the header of a raw entry promises, and says of its packets."""

from __future__ import annotations

import numpy as np

from shared.errors import MessageError
from shared.wire.ticks import RAW_HEADER_DTYPE, SOCKET_REPAIR

#: Packets one raw entry may hold: a header that promises more is damaged.
PACKETS_PER_ENTRY_MAX = 250_000


def promised_packets(header: bytes) -> int:
    """Return how many packets a raw header promises.

    Raises:
        MessageError: it is no raw header, or promises too many.
    """
    if len(header) != RAW_HEADER_DTYPE.itemsize:
        raise MessageError(f"raw header is {len(header)} bytes, not {RAW_HEADER_DTYPE.itemsize}")
    packets = int(np.frombuffer(header, dtype=RAW_HEADER_DTYPE)["packets"][0])
    if packets > PACKETS_PER_ENTRY_MAX:
        raise MessageError(f"raw header: packets {packets} is over {PACKETS_PER_ENTRY_MAX}")
    return packets


def is_repair(header: bytes) -> bool:
    """Say whether a raw header is that of packets made of quotes."""
    whole = len(header) == RAW_HEADER_DTYPE.itemsize
    return (
        whole and int(np.frombuffer(header, dtype=RAW_HEADER_DTYPE)["socket"][0]) == SOCKET_REPAIR
    )
