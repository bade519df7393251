"""The numbers the broker gives to orders with their trades."""

from __future__ import annotations

#: Origin of the snowflakes. Source: order ids of kiteconnect-mocks (2026-03).
SNOWFLAKE_EPOCH_MS = 1_288_834_974_657
NS_PER_MS = 1_000_000
WORKER = 6
WORKER_SHIFT = 12
TIME_SHIFT = 22
SEQUENCE_MASK = 0xFFF


class IdMint:
    """Hands out 19-digit order ids that carry their time, with counters for the rest."""

    def __init__(self) -> None:
        self._last_ms = 0
        self._sequence = 0
        self._exchange_orders = 1_100_000_000_000_000
        self._trades = 10_000_000

    def order_id(self, now_ns: int) -> str:
        """Return a new order id; later calls give greater ids."""
        now_ms = now_ns // NS_PER_MS
        if now_ms > self._last_ms:
            self._last_ms, self._sequence = now_ms, 0
        else:
            self._sequence += 1
            if self._sequence > SEQUENCE_MASK:
                self._last_ms, self._sequence = self._last_ms + 1, 0
        elapsed_ms = self._last_ms - SNOWFLAKE_EPOCH_MS
        return str(elapsed_ms << TIME_SHIFT | WORKER << WORKER_SHIFT | self._sequence)

    def exchange_order_id(self) -> str:
        """Return the exchange's own number for an order."""
        self._exchange_orders += 1
        return str(self._exchange_orders)

    def trade_id(self) -> str:
        """Return a trade number."""
        self._trades += 1
        return str(self._trades)
