"""WebSocket frames as a server writes them: whole messages, unmasked, uncompressed."""

from __future__ import annotations

import struct
from functools import lru_cache

#: Opcodes.
TEXT, BINARY, PING = 0x1, 0x2, 0x9

#: Headers kept: one for each length met lately.
_HEADERS_MAX = 4096
_FINAL = 0x80
_SHORT_MAX, _MEDIUM_MAX = 125, 2**16 - 1
_MEDIUM, _LONG = 126, 127
_MEDIUM_HEADER = struct.Struct(">BBH")
_LONG_HEADER = struct.Struct(">BBQ")


@lru_cache(maxsize=_HEADERS_MAX)
def header(opcode: int, length: int) -> bytes:
    """Return what stands ahead of a message of this length.

    Source: RFC 6455, section 5.2.
    """
    if length <= _SHORT_MAX:
        return bytes((_FINAL | opcode, length))
    if length <= _MEDIUM_MAX:
        return _MEDIUM_HEADER.pack(_FINAL | opcode, _MEDIUM, length)
    return _LONG_HEADER.pack(_FINAL | opcode, _LONG, length)
