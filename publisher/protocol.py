"""Our subscriber protocol: what a client may say, what it hears, why it is let go.

A client sends one JSON object per text message, told apart by `op`:

    {"op": "auth", "key": "..."}                       within the time limit, unless the key came
                                                       as `Authorization: Bearer ...`
    {"op": "subscribe", "ticks": {...}, "orders": ["SB0001"], "gaps": true,
     "policy": {"mode": "conflate", "min_interval_ms": 200}, "snapshot": true}
    {"op": "unsubscribe", "ticks": {...}, "orders": [...], "gaps": true}
    {"op": "ping"}

It hears, in this order after a subscribe: `subscribed`, then `snapshot` messages until one has
`"last": true`, then `ticks`. Every tick carries `sequence`: the snapshot's are at most its
`snapshot_id`, those of later messages are above it, and an instrument's only ever rise. What
moved between two messages is conflated: the newest value of each instrument, never an older one.
`order` and `gap` messages are never conflated: who does not read them in time is let go.

Fields of a tick, by mode (`MODE_FIELDS`); all of them carry `sequence`, `tradingsymbol` and
`received_at_us` (microseconds since 1970, UTC). A missing number is null.

    ltp     the instrument, its last price, its exchange stamp
    quote   ltp, day's prices, volumes, open interest, best bid and ask
    greeks  ltp, the price solved for, the forward, implied volatility and every Greek
    full    every field of the record, five levels of depth and the lineage included
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import msgspec

from publisher.encoding import Encode, JsonEncoder
from publisher.messages import MODES, ModeName, Reply, Request
from shared.errors import MessageError
from shared.wire.ticks import TICK

_LTP = ("instrument_token", "last_price", "exchange_timestamp_s", "mode", "tick_flags")
_QUOTE = (
    "last_trade_time_s", "average_price", "open", "high", "low", "close",
    "last_traded_quantity", "volume_traded", "total_buy_quantity", "total_sell_quantity",
    "oi", "mid_price", "spread",
)  # fmt: skip
_GREEKS = (
    "underlying_token", "status", "flags", "price_source", "forward_source", "forward_age_ms",
    "price", "underlying_price", "forward", "time_to_expiry", "implied_vol", "mid_price",
    "delta", "gamma", "theta_per_day", "vega_per_vol_point", "rho_per_percent",
    "vanna", "vomma", "charm", "intrinsic_value", "time_value", "iv_tick", "lot_size",
)  # fmt: skip
MODE_FIELDS: dict[ModeName, tuple[str, ...]] = {
    "ltp": _LTP,
    "quote": _LTP + _QUOTE,
    "greeks": _LTP + _GREEKS,
    "full": tuple(field.name for field in TICK.fields if field.name != "received_at_ns"),
}


class Retry(IntEnum):
    """What a client does after a close: nothing, come back, come back later."""

    NO = 0
    YES = 1
    AFTER = 2


@dataclass(frozen=True, slots=True)
class Farewell:
    """Why a connection ends: the WebSocket close code, its name, what the client does next."""

    code: int
    name: str
    retry: Retry
    meaning: str

    def reason(self, after_ms: int = 0) -> bytes:
        """Return the close frame's reason, such as `draining retry=after after_ms=1500`."""
        suffix = f" after_ms={after_ms}" if self.retry is Retry.AFTER else ""
        return f"{self.name} retry={self.retry.name.lower()}{suffix}".encode()


#: 40xx: reconnect, the reason says when. 45xx: give up, the same again would end the same way.
DRAINING = Farewell(4000, "draining", Retry.AFTER, "this publisher stops; another one answers")
SLOW = Farewell(4001, "slow", Retry.AFTER, "messages that may not be left out were not read")
SILENT = Farewell(4002, "silent", Retry.YES, "no answer to pings")
AUTH_TIMEOUT = Farewell(4003, "auth_timeout", Retry.YES, "no key within the time limit")
CONNECTIONS = Farewell(4004, "connections", Retry.AFTER, "too many connections at this publisher")
KEY_CONNECTIONS = Farewell(4005, "key_connections", Retry.AFTER, "too many connections of the key")
REQUESTS = Farewell(4006, "requests", Retry.AFTER, "too many requests in a minute")
UNAUTHENTICATED = Farewell(4500, "unauthenticated", Retry.NO, "the key opens nothing here")
MALFORMED = Farewell(4501, "malformed", Retry.NO, "a message is not of this protocol")
FAREWELLS: tuple[Farewell, ...] = (
    DRAINING, SLOW, SILENT, AUTH_TIMEOUT, CONNECTIONS, KEY_CONNECTIONS, REQUESTS,
    UNAUTHENTICATED, MALFORMED,
)  # fmt: skip


_REQUESTS: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_REPLIES = msgspec.json.Encoder()


def parse(message: bytes | str) -> Request:
    """Return the request of a text message.

    Raises:
        MessageError: it is not JSON, or not one of the requests; says what is wrong.
    """
    try:
        return _REQUESTS.decode(message)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise MessageError(str(error)) from error


def encode(reply: Reply) -> bytes:
    """Return a reply as the text of one message."""
    return _REPLIES.encode(reply)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How ticks are written for one kind of client.

    A row encoder per mode, in the order of MODES; an envelope for ticks; one for a part of a
    snapshot, given its id, its payloads, whether it is the last part.
    """

    name: str
    is_text: bool
    encoders: tuple[Encode, ...]
    ticks: Callable[[Sequence[bytes]], bytes]
    snapshot: Callable[[int, Sequence[bytes], bool], bytes]


def _json_ticks(payloads: Sequence[bytes]) -> bytes:
    return b'{"op":"ticks","ticks":[%b]}' % b",".join(payloads)


def _json_snapshot(snapshot_id: int, payloads: Sequence[bytes], is_last: bool) -> bytes:
    return b'{"op":"snapshot","snapshot_id":%d,"last":%b,"ticks":[%b]}' % (
        snapshot_id,
        b"true" if is_last else b"false",
        b",".join(payloads),
    )


JSON = Dialect(
    name="json",
    is_text=True,
    encoders=tuple(JsonEncoder(MODE_FIELDS[mode]) for mode in MODES),
    ticks=_json_ticks,
    snapshot=_json_snapshot,
)
