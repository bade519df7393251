"""A quote of the REST interface as the packet that the socket would have sent.

Source: kite.trade/docs/connect/v3/websocket, market-quotes (read 2026-11). What only the quote
knows, its circuit limits, is left out; prices keep the packet's precision.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from shared.errors import MessageError
from shared.kite.codec.packets import PAISE_PER_RUPEE, SEGMENT_DIVISORS, SEGMENT_INDICES
from shared.wire.ticks import DEPTH_LEVELS

_INDEX: Final = struct.Struct(">6IiI")
_TRADABLE: Final = struct.Struct(">16I")
_LEVEL: Final = struct.Struct(">IIHxx")
_COUNT: Final = struct.Struct(">H")
_IST: Final = timezone(timedelta(hours=5, minutes=30))
_STAMP: Final = "%Y-%m-%d %H:%M:%S"

Quote = Mapping[str, Any]


def packet(quote: Quote) -> bytes:
    """Return the full packet of a quote: 32 bytes of an index, 184 of anything else.

    Raises:
        MessageError: a field is missing, no number, no date, or larger than a packet can say.
    """
    try:
        token = int(quote["instrument_token"])
        index = token & 0xFF == SEGMENT_INDICES
        return _index(quote, token) if index else _tradable(quote, token)
    except (KeyError, TypeError, ValueError, OverflowError, struct.error) as error:
        raise MessageError(
            f"quote of {quote.get('instrument_token')}: {type(error).__name__}: {error}"
        ) from error


def frame(packets: Sequence[bytes]) -> bytes:
    """Return one frame of packets, at most 65,535."""
    body = b"".join(_COUNT.pack(len(each)) + each for each in packets)
    return _COUNT.pack(len(packets)) + body


def _index(quote: Quote, token: int) -> bytes:
    last, day = _price(quote["last_price"], token), quote["ohlc"]
    prices = [_price(day[name], token) for name in ("high", "low", "open", "close")]
    change = last - prices[-1]
    return _INDEX.pack(token, last, *prices, change, _stamp(quote.get("timestamp")))


def _tradable(quote: Quote, token: int) -> bytes:
    day = quote["ohlc"]
    head = _TRADABLE.pack(
        token,
        _price(quote["last_price"], token),
        int(quote.get("last_quantity") or 0),
        _price(quote.get("average_price"), token),
        int(quote.get("volume") or 0),
        int(quote.get("buy_quantity") or 0),
        int(quote.get("sell_quantity") or 0),
        *(_price(day[name], token) for name in ("open", "high", "low", "close")),
        _stamp(quote.get("last_trade_time")),
        *(int(quote.get(name) or 0) for name in ("oi", "oi_day_high", "oi_day_low")),
        _stamp(quote.get("timestamp")),
    )
    depth = quote.get("depth") or {}
    return head + b"".join(_side(depth.get(side) or (), token) for side in ("buy", "sell"))


def _side(levels: Sequence[Quote], token: int) -> bytes:
    """Return five levels; those that the quote does not have are zeros, as the exchange's are."""
    said = [
        _LEVEL.pack(int(each["quantity"]), _price(each["price"], token), int(each["orders"]))
        for each in levels[:DEPTH_LEVELS]
    ]
    return b"".join(said).ljust(DEPTH_LEVELS * _LEVEL.size, b"\0")


def _price(rupees: float | None, token: int) -> int:
    return round((rupees or 0.0) * SEGMENT_DIVISORS.get(token & 0xFF, PAISE_PER_RUPEE))


def _stamp(text: str | None) -> int:
    """Return a stamp in Indian time as Unix seconds, 0 where there is none."""
    if not text:
        return 0
    return max(0, int(datetime.strptime(text, _STAMP).replace(tzinfo=_IST).timestamp()))
