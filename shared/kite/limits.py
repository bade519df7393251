"""The numbers Zerodha may change, each with source, date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_DOCS: Final = "kite.trade/docs/connect/v3 (read 2026-11)"
_FORUM: Final = "kite.trade/forum"


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `requests` in any `per_s` seconds of Zerodha's clock; `pace_s` is what we keep to."""

    name: str
    requests: int
    per_s: int
    source: str

    @property
    def pace_s(self) -> float:
        """Return seconds between requests that keep the rate when evenly spread."""
        return self.per_s / self.requests


QUOTE: Final = Rate("quote", 1, 1, f"{_DOCS}/exceptions")
HISTORICAL: Final = Rate("historical", 3, 1, f"{_DOCS}/exceptions")
ORDERS_PER_SECOND: Final = Rate("orders", 10, 1, f"{_DOCS}/exceptions; tradingqna.com/t/181989")
OTHER: Final = Rate("other", 10, 1, f"{_DOCS}/exceptions; {_FORUM}/8577")
#: Placing, modifying and cancelling count; raised from 200 in 2025.
ORDERS_PER_MINUTE: Final = Rate("orders_minute", 400, 60, f"{_DOCS}/exceptions; {_FORUM}/16217")

#: The rates by the name of their class; a class is what `rate_class` returns.
RATES: Final = {rate.name: rate for rate in (QUOTE, HISTORICAL, ORDERS_PER_SECOND, OTHER)}

#: Placements a day and account, refused ones included; raised from 3,000. Source: the docs above,
#: kite.trade/forum/12851 (read 2026-11).
ORDERS_PER_DAY_MAX: Final = 5_000
#: Modifications of one order. Source: kite.trade/forum/35150 (read 2026-11).
MODIFICATIONS_PER_ORDER_MAX: Final = 25
#: Characters of an order's tag; a longer one refuses the whole order. Source:
#: kite.trade/forum/52970 (2026).
TAG_CHARACTERS_MAX: Final = 20

#: Source: kite.trade/docs/connect/v3/websocket (read 2026-11).
SOCKETS_PER_KEY_MAX: Final = 3
#: Source: kite.trade/docs/connect/v3/websocket (read 2026-11).
INSTRUMENTS_PER_SOCKET_MAX: Final = 3_000
#: Half-open connections count until Kite notices. Inferred from kite.trade/forum/40313 (2026-11).
SOCKET_REFUSED_PAUSE_S: Final = 10.0

#: Names in one call. Source: kite.trade/docs/connect/v3/market-quotes (read 2026-11).
QUOTE_NAMES_MAX: Final = 500
#: The same for /quote/ohlc and /quote/ltp.
LTP_NAMES_MAX: Final = 1_000

#: Days that one request for candles may span. Source: the refusal "interval exceeds max limit: 60
#: days", kite.trade/docs/connect/v3/historical and kite.trade/forum (read 2026-11).
CANDLE_DAYS_MAX: Final = {
    "minute": 60,
    "3minute": 100,
    "5minute": 100,
    "10minute": 100,
    "15minute": 200,
    "30minute": 200,
    "60minute": 400,
    "day": 2_000,
}

#: Pause after a 429 that names none; Kite is not known to send Retry-After (read 2026-11).
THROTTLED_PAUSE_S: Final = 1.0
#: A longer Retry-After is not believed.
THROTTLED_PAUSE_S_MAX: Final = 60.0

_ORDER_METHODS: Final = frozenset({"POST", "PUT", "DELETE"})


def rate_class(method: str, path: str) -> str:
    """Return which rate a call counts against: quote, historical, orders or other.

    Modifying and cancelling count as orders: the rules do not say that they do not.
    """
    if path.startswith("/quote"):
        return QUOTE.name
    if path.startswith("/instruments/historical/"):
        return HISTORICAL.name
    if method in _ORDER_METHODS and path.startswith("/orders/"):
        return ORDERS_PER_SECOND.name
    return OTHER.name
