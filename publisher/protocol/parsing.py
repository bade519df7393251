"""Our subscriber protocol: what a client may say, what it hears, why it is let go.

A client sends one JSON object per text message, told apart by `op`:

    {"op": "auth", "key": "..."}                       within the time limit, unless the key came
                                                       as `Authorization: Bearer ...`
    {"op": "subscribe", "ticks": {"symbols": ["NSE:INFY"], "mode": "ltp"}, "chains": ["NIFTY"],
     "bars": {"symbols": ["NSE:INFY"], "intervals_s": [60]},
     "orders": ["SB0001"], "updates": ["SB0001"], "gaps": true,
     "policy": {"mode": "conflate", "min_interval_ms": 200}, "snapshot": true, "resume": {...}}
    {"op": "unsubscribe", "ticks": {...}, "orders": [...], "gaps": true}
    {"op": "ping"}

It hears, in this order after a subscribe: `subscribed`, then `snapshot` messages until one has
`"last": true`, then `ticks`. `order`, `update`, `chain`, `bars`, `gap` may stand between any of
them. Every tick carries `sequence`: the snapshot's are at most its `snapshot_id`, those of later
messages are above it, and an instrument's only ever rise.

Policies, for the whole connection: `conflate` (at first): the newest value of each instrument,
never an older one, at most one round in `min_interval_ms`. `skip`: every tick, up to a budget of
unread bytes; past it what is unread is left out, told in `skipped` with how many, followed by the
newest of each. `strict`: every tick, or the end of the connection. Orders, updates, bars and gaps
are never conflated: who does not read them in time is let go. A chain begins anew at its snapshots.

Bars come as they are closed, each once, after the newest closed one of each (`"snapshot": true`),
at most 1,000 pairs of an instrument and an interval for one connection; of an interval that is not
in `enrich.bars.intervals_s` nothing comes. In a `resume` those of the last minutes come back,
instead of the newest of each; the bar still open is in the ticks.

Fields of a tick, by mode (`MODE_FIELDS`); all of them carry `sequence`, `tradingsymbol` and
`received_at_us` (microseconds since 1970, UTC). A missing number is null.

    ltp     the instrument, its last price, its exchange stamp
    quote   ltp, day's prices, volumes, open interest, best bid and ask
    greeks  ltp, the price solved for, the forward, implied volatility and every Greek
    full    every field of the record, five levels of depth and the lineage included
"""

from __future__ import annotations

import msgspec

from publisher.protocol.requests import Request
from shared.errors import MessageError
from shared.wire.codec import JSON_FIELD, MSGPACK_FIELD
from shared.wire.unreadable import explain

_REQUESTS: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_BINARY_REQUESTS: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)


def parse(message: bytes | str) -> Request:
    """Return the request of a message: JSON as text, msgpack as bytes.

    Raises:
        MessageError: it is neither, or not one of the requests; says what is wrong.
    """
    try:
        if isinstance(message, str):
            return _REQUESTS.decode(message)
        return _BINARY_REQUESTS.decode(message)
    except msgspec.ValidationError as error:
        if isinstance(message, str):
            fields = {JSON_FIELD: message.encode()}
        else:
            fields = {MSGPACK_FIELD: message}
        raise MessageError(explain(str(error), fields, Request).sentence) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise MessageError(str(error)) from error
