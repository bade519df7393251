"""The last price of an instrument, as enrichment keeps it or as Kite told it when asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from executor.market.instruments import Instruments
from executor.rules.risk import rupees
from shared.clock import Clock
from shared.errors import MessageError, StreamError

Records = np.ndarray[Any, np.dtype[np.void]]
#: Reads the newest records of some tokens of a shard.
Read = Callable[[int, Sequence[int]], Awaitable[Records]]

#: How long a price that was read is used without another look: ticks.last changes every second.
FRESH_S = 1.0
#: How long Kite's word that it has no price of an instrument spares the next question.
UNPRICED_S = 5.0
#: Prices kept; the ones not asked for longest are forgotten.
PRICES_MAX = 10_000


class _Price(NamedTuple):
    price: Decimal | None
    read_s: float


class Quotes:
    """Last prices by name of the instrument; one too old to judge by is none."""

    def __init__(
        self, *, instruments: Instruments, read: Read, clock: Clock, age_s_max: float
    ) -> None:
        self._instruments = instruments
        self._read = read
        self._clock = clock
        self._age_s_max = age_s_max
        self._prices: dict[tuple[str, str], _Price] = {}
        self._told: dict[tuple[str, str], _Price] = {}

    async def look(self, exchange: str, tradingsymbol: str) -> None:
        """Read the price of an instrument where it was not read a moment ago.

        Where the Redis of ticks is away the price is not known any more.
        """
        name = exchange, tradingsymbol
        known = self._prices.get(name)
        now_s = self._clock.monotonic_s()
        if known is not None and now_s - known.read_s < FRESH_S:
            return
        self._prices.pop(name, None)
        self._prices[name] = _Price(await self._price(exchange, tradingsymbol), now_s)
        if len(self._prices) > PRICES_MAX:
            self._prices.pop(next(iter(self._prices)))

    def has_looked(self, exchange: str, tradingsymbol: str) -> bool:
        """Tell whether the price was ever looked for."""
        return (exchange, tradingsymbol) in self._prices

    def find(self, exchange: str, tradingsymbol: str) -> Decimal | None:
        """Return the price last read, or told while it is young; None where there is none."""
        known = self._prices.get((exchange, tradingsymbol))
        if known is not None and known.price is not None:
            return known.price
        told = self._told.get((exchange, tradingsymbol))
        if told is None or self._clock.monotonic_s() - told.read_s > self._age_s_max:
            return None
        return told.price

    def told_s(self, exchange: str, tradingsymbol: str) -> float | None:
        """Return how long ago Kite told the price that is found; None where it was read."""
        known, told = (each.get((exchange, tradingsymbol)) for each in (self._prices, self._told))
        if told is None or (known is not None and known.price is not None):
            return None
        return self._clock.monotonic_s() - told.read_s

    def keep(self, name: tuple[str, str], price: Decimal | None) -> None:
        """Keep what Kite has just told of an instrument; it serves where no price is read."""
        self._told.pop(name, None)
        self._told[name] = _Price(price, self._clock.monotonic_s())
        if len(self._told) > PRICES_MAX:
            self._told.pop(next(iter(self._told)))

    def was_told(self, exchange: str, tradingsymbol: str) -> bool:
        """Tell whether Kite was asked so lately that it is not asked again, price or none."""
        told = self._told.get((exchange, tradingsymbol))
        if told is None:
            return False
        kept_s = self._age_s_max if told.price is not None else UNPRICED_S
        return self._clock.monotonic_s() - told.read_s <= kept_s

    async def _price(self, exchange: str, tradingsymbol: str) -> Decimal | None:
        instrument = self._instruments.find(exchange, tradingsymbol)
        if instrument is None or not instrument.token:
            return None
        try:
            records = await self._read(instrument.shard, [instrument.token])
        except (StreamError, MessageError):
            return None
        if not len(records):
            return None
        age_s = (self._clock.now_ns() - int(records[0]["received_at_ns"])) / 1e9
        return rupees(float(records[0]["last_price"])) if age_s <= self._age_s_max else None
