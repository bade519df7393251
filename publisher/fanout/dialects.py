"""How messages are written for each kind of client: JSON, msgpack, raw records."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from publisher.fanout.encoded import Encoded, of_rows
from publisher.fanout.encoding import DecimalJsonEncoder, Encode, JsonEncoder, MsgpackEncoder
from publisher.fanout.kernels.joining import NO_COUNT, NO_SEPARATOR, Envelope
from publisher.fanout.latest import Sequences, Slots
from publisher.fanout.names import Names
from publisher.protocol import frames
from publisher.protocol.messages import ChainNotice, Update
from publisher.protocol.modes import DECIMAL_MODES, MODE_FIELDS, MODES, FormatName
from shared.wire.ticks import TICK_DTYPE

#: How far a subscriber's ticks have come: by shard the entry's id, `/n` after it where only the
#: first n records of that entry are through.
At = Mapping[str, str]

#: One row of a binary message of the raw format: our sequence, then the record as it is.
RAW_ROW_DTYPE: np.dtype[np.void] = np.dtype(
    {
        "names": ["sequence", "record"],
        "formats": ["<u8", TICK_DTYPE],
        "offsets": [0, 8],
        "itemsize": 8 + TICK_DTYPE.itemsize,
    }
)
#: Kind, version, two zero bytes, rows, snapshot id; then the rows, then `at` as JSON, if any.
RAW_HEADER = struct.Struct("<BBHIQ")
RAW_VERSION = 1
_RAW_COUNT_AT = 4
RAW_TICKS, RAW_SNAPSHOT, RAW_SNAPSHOT_LAST = 1, 2, 3

_JSON = msgspec.json.Encoder()
_MSGPACK = msgspec.msgpack.Encoder()


@dataclass(frozen=True, slots=True)
class Dialect:
    """How ticks and replies are written for one kind of client.

    A row encoder per mode, in the order of MODES; what stands before, between and after the
    payloads of ticks, given how many there are, whether it is said how far they come, and how far;
    an envelope for a part of a snapshot, given its id, its payloads, whether it is the last part;
    replies.
    """

    name: FormatName
    is_text: bool
    are_ticks_text: bool
    encoders: tuple[Encode, ...]
    opening: Callable[[int, bool], bytes]
    separator: bytes
    closing: Callable[[At | None], bytes]
    snapshot: Callable[[int, Sequence[bytes], bool], bytes]
    reply: Callable[[Any], bytes]
    #: The one mode there is, None where every mode has its own fields.
    only_mode: int | None = None
    #: Where an opening says how many payloads follow, as 32 bits, and which way round.
    count_at: int = NO_COUNT
    is_count_big_endian: bool = False

    def ticks(self, payloads: Sequence[bytes], at: At | None) -> bytes:
        """Return a message of ticks."""
        opening = self.opening(len(payloads), at is not None)
        return b"".join((opening, self.separator.join(payloads), self.closing(at)))

    def envelope(self, at: At | None) -> Envelope:
        """Return what makes payloads a message of ticks, and that a whole WebSocket frame."""
        return Envelope(
            opcode=frames.TEXT if self.are_ticks_text else frames.BINARY,
            opening=np.frombuffer(self.opening(0, at is not None), np.uint8).copy(),
            closing=np.frombuffer(self.closing(at), np.uint8).copy(),
            separator=self.separator[0] if self.separator else NO_SEPARATOR,
            count_at=self.count_at,
            is_big_endian=self.is_count_big_endian,
        )


def _json_opening(_count: int, _has_at: bool) -> bytes:  # as every opening
    return b'{"op":"ticks","ticks":['


def _json_closing(at: At | None) -> bytes:
    return b"]}" if at is None else b'],"at":%b}' % _JSON.encode(at)


def _json_snapshot(snapshot_id: int, payloads: Sequence[bytes], is_last: bool) -> bytes:
    return b'{"op":"snapshot","snapshot_id":%d,"last":%b,"ticks":[%b]}' % (
        snapshot_id,
        b"true" if is_last else b"false",
        b",".join(payloads),
    )


def _array(payloads: Sequence[bytes]) -> bytes:
    """Return a msgpack array of values that are encoded already."""
    return _array_header(len(payloads)) + b"".join(payloads)


def _array_header(count: int) -> bytes:
    return b"\xdd" + count.to_bytes(4, "big")


_OP_TICKS = b"\xa2op\xa5ticks\xa5ticks"
_OP_SNAPSHOT = b"\x84\xa2op\xa8snapshot\xabsnapshot_id"


def _msgpack_opening(count: int, has_at: bool) -> bytes:  # as every opening
    members = b"\x83" if has_at else b"\x82"
    return members + _OP_TICKS + _array_header(count)


#: Before it: how many members, then the operation, then that an array of 32 bits' length follows.
_MSGPACK_COUNT_AT = 1 + len(_OP_TICKS) + 1


def _msgpack_closing(at: At | None) -> bytes:
    return b"" if at is None else b"\xa2at" + _MSGPACK.encode(at)


def _msgpack_snapshot(snapshot_id: int, payloads: Sequence[bytes], is_last: bool) -> bytes:
    last = b"\xa4last\xc3" if is_last else b"\xa4last\xc2"
    number = b"\xcf" + snapshot_id.to_bytes(8, "big")
    return _OP_SNAPSHOT + number + last + b"\xa5ticks" + _array(payloads)


def _raw_rows(
    records: NDArray[np.void], sequences: Sequences, _slots: Slots, _names: Names
) -> Encoded:
    rows = np.zeros(len(records), RAW_ROW_DTYPE)
    rows["sequence"] = sequences
    rows["record"] = records
    return of_rows(rows)


def _raw_opening(count: int, _has_at: bool) -> bytes:  # as every opening
    return RAW_HEADER.pack(RAW_TICKS, RAW_VERSION, 0, count, 0)


def _raw_closing(at: At | None) -> bytes:
    return b"" if at is None else _JSON.encode(at)


def _raw_snapshot(snapshot_id: int, payloads: Sequence[bytes], is_last: bool) -> bytes:
    kind = RAW_SNAPSHOT_LAST if is_last else RAW_SNAPSHOT
    header = RAW_HEADER.pack(kind, RAW_VERSION, 0, len(payloads), snapshot_id)
    return b"".join((header, *payloads))


def _msgpack_reply(reply: Any) -> bytes:
    # What is passed on unread is JSON; written again it is read once, shared by all of its kind.
    if isinstance(reply, ChainNotice):
        plain = {"op": "chain", "id": reply.id, "name": reply.name}
        return _MSGPACK.encode({**plain, "chain": msgspec.json.decode(reply.chain)})
    if isinstance(reply, Update):
        row = msgspec.json.decode(reply.update.row)
        told = msgspec.structs.asdict(reply.update) | {"row": row}
        plain = {"op": "update", "id": reply.id, "account": reply.account}
        return _MSGPACK.encode({**plain, "update": told})
    return _MSGPACK.encode(reply)


JSON = Dialect(
    name="json",
    is_text=True,
    are_ticks_text=True,
    encoders=tuple(
        (DecimalJsonEncoder if mode in DECIMAL_MODES else JsonEncoder)(MODE_FIELDS[mode])
        for mode in MODES
    ),
    opening=_json_opening,
    separator=b",",
    closing=_json_closing,
    snapshot=_json_snapshot,
    reply=_JSON.encode,
)
MSGPACK = Dialect(
    name="msgpack",
    is_text=False,
    are_ticks_text=False,
    encoders=tuple(MsgpackEncoder(MODE_FIELDS[mode], MODES.index(mode)) for mode in MODES),
    opening=_msgpack_opening,
    separator=b"",
    closing=_msgpack_closing,
    snapshot=_msgpack_snapshot,
    reply=_msgpack_reply,
    count_at=_MSGPACK_COUNT_AT,
    is_count_big_endian=True,
)
RAW = Dialect(
    name="raw",
    is_text=True,
    are_ticks_text=False,
    encoders=(_raw_rows,) * len(MODES),
    opening=_raw_opening,
    separator=b"",
    closing=_raw_closing,
    snapshot=_raw_snapshot,
    reply=_JSON.encode,
    only_mode=MODES.index("full"),
    count_at=_RAW_COUNT_AT,
)
#: In the order of their numbers in the hub.
DIALECTS: tuple[Dialect, ...] = (JSON, MSGPACK, RAW)
