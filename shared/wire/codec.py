"""Messages to stream entries and back: one field, `json` or `msgpack`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from shared.errors import MessageError

JSON_FIELD = b"json"
MSGPACK_FIELD = b"msgpack"
#: One message; a command is a few hundred bytes, a gap of 3,000 tokens 30 kB.
MESSAGE_BYTES_MAX = 256 * 1024


@cache
def _json(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


@cache
def _msgpack(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind)


_ENCODER = msgspec.json.Encoder(decimal_format="string")


def encode(message: msgspec.Struct) -> dict[bytes, bytes]:
    """Return the entry fields of a message, as JSON."""
    return {JSON_FIELD: _ENCODER.encode(message)}


def decode(fields: Mapping[bytes, bytes], kind: Any, *, bytes_max: int = MESSAGE_BYTES_MAX) -> Any:
    """Return the message of an entry, of type `kind` (a struct or a union of structs).

    Raises:
        MessageError: no known field, too long, or not a valid message; names field, value and rule.
    """
    for name, decoder_of in ((JSON_FIELD, _json), (MSGPACK_FIELD, _msgpack)):
        if name in fields:
            return _decode(fields[name], decoder_of(kind), bytes_max)
    present = ", ".join(sorted(name.decode(errors="replace")[:40] for name in fields)) or "none"
    raise MessageError(f"entry has neither a `json` nor a `msgpack` field (fields: {present})")


def _decode(body: bytes, decoder: Any, bytes_max: int) -> Any:
    if len(body) > bytes_max:
        raise MessageError(f"message of {len(body)} bytes is over {bytes_max}")
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(str(error)) from error
