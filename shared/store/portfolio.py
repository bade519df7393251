"""Trades and positions of an account as the broker last told them, inside a change."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from shared.store.pool import Connection
from shared.store.rows import COMMAND_COLUMNS, CommandRow, command_row

_ADD_TRADES: Final = """
INSERT INTO broker_trades (account, exchange, trade_id, order_id, tradingsymbol, product,
    transaction_type, quantity, average_price, filled_at, seen_us, fence)
SELECT $1, given.*, $2, $3 FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::text[], $10::bigint[], $11::numeric[], $12::text[]) AS given
ON CONFLICT DO NOTHING
"""
_ADD_POSITIONS: Final = """
INSERT INTO broker_positions (account, exchange, tradingsymbol, product, quantity,
    overnight_quantity, average_price, fence)
SELECT $1, given.*, $2 FROM unnest($3::text[], $4::text[], $5::text[], $6::bigint[],
    $7::bigint[], $8::numeric[]) AS given
"""
_NOTE_LOOK: Final = """
INSERT INTO position_looks (account, looked_us, fence) VALUES ($1, $2, $3)
ON CONFLICT (account) DO UPDATE SET looked_us = $2, fence = $3
"""
_ADD_HOLDINGS: Final = """
INSERT INTO broker_holdings (account, exchange, tradingsymbol, product, quantity, used, looked_us,
    fence)
SELECT $1, given.*, $2, $3 FROM unnest($4::text[], $5::text[], $6::text[], $7::bigint[],
    $8::bigint[]) AS given
"""
_HOLDING: Final = """
SELECT quantity, used FROM broker_holdings WHERE account = $1 AND exchange = $2
    AND tradingsymbol = $3 AND product = $4 AND looked_us >= $5
"""
_HELD: Final = """
SELECT looked_us, coalesce((
    SELECT sum(quantity) FROM broker_positions AS held WHERE held.account = $1
        AND exchange = $2 AND tradingsymbol = $3 AND product = $4), 0)::bigint AS quantity
FROM position_looks WHERE account = $1
"""
#: Of each order: what it may yet fill, or has filled, that is not among the trades of the reading.
_ON_THE_WAY: Final = """
SELECT known.order_id, greatest(0, CASE WHEN known.is_terminal THEN known.filled
        ELSE (known.seen ->> 'quantity')::bigint END - coalesce((
            SELECT sum(quantity) FROM broker_trades AS traded
            WHERE traded.account = $1 AND traded.order_id = known.order_id), 0))::bigint AS quantity
FROM broker_orders AS known
WHERE account = $1 AND seen ->> 'exchange' = $2 AND seen ->> 'tradingsymbol' = $3
    AND seen ->> 'product' = $4 AND seen ->> 'transaction_type' = $5 AND observed_us >= $6
"""


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """One fill as the broker tells it, in Kite's names."""

    exchange: str
    trade_id: str
    order_id: str
    tradingsymbol: str
    product: str
    transaction_type: str
    quantity: int
    average_price: Decimal
    fill_timestamp: str = ""


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """One net position as the broker tells it, in Kite's names; sold quantities are negative."""

    exchange: str
    tradingsymbol: str
    product: str
    quantity: int
    overnight_quantity: int = 0
    average_price: Decimal = Decimal(0)


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """What lies in the demat account, in Kite's names; `used_quantity` of it is sold already."""

    exchange: str
    tradingsymbol: str
    product: str
    quantity: int
    t1_quantity: int = 0
    used_quantity: int = 0


class Held(msgspec.Struct, frozen=True):
    """A position, with the moment at which its reading began, Unix microseconds."""

    quantity: int
    looked_us: int


class Portfolio:
    """What a change knows and writes of trades and positions; it is committed with the change."""

    def __init__(self, connection: Connection, *, account: str, fence: int, at_us: int) -> None:
        self._connection = connection
        self._account = account
        self._fence = fence
        self._at_us = at_us

    async def add_trades(self, trades: Sequence[Trade]) -> int:
        """Write the trades that are not there yet; return how many.

        Raises:
            StoreError: the server refused or vanished.
        """
        if not trades:
            return 0
        columns = zip(*map(msgspec.structs.astuple, trades), strict=True)
        tag = await self._connection.execute(
            _ADD_TRADES, self._account, self._at_us, self._fence, *map(list, columns)
        )
        return int(tag.rpartition(" ")[2])

    async def replace_positions(self, positions: Sequence[Position], *, looked_us: int) -> None:
        """Let these be all positions there are, as read by a reading that began at `looked_us`.

        Raises:
            StoreError: the server refused or vanished.
        """
        await self._connection.execute(
            "DELETE FROM broker_positions WHERE account = $1", self._account
        )
        if positions:
            columns = zip(*map(msgspec.structs.astuple, positions), strict=True)
            await self._connection.execute(
                _ADD_POSITIONS, self._account, self._fence, *map(list, columns)
            )
        await self._connection.execute(_NOTE_LOOK, self._account, looked_us, self._fence)

    async def held(self, exchange: str, tradingsymbol: str, product: str) -> Held | None:
        """Return a position, 0 where there is none; None where positions were never read.

        Raises:
            StoreError: the server refused or vanished.
        """
        row = await self._connection.fetchrow(
            _HELD, self._account, exchange, tradingsymbol, product
        )
        return None if row is None else Held(row["quantity"], row["looked_us"])

    async def replace_holdings(self, holdings: Sequence[Holding], *, looked_us: int) -> None:
        """Let these be all holdings there are, as read by a reading that began at `looked_us`.

        Raises:
            StoreError: the server refused or vanished.
        """
        await self._connection.execute(
            "DELETE FROM broker_holdings WHERE account = $1", self._account
        )
        rows = [
            (
                *(each.exchange, each.tradingsymbol, each.product),
                *(each.quantity + each.t1_quantity, each.used_quantity),
            )
            for each in holdings
        ]
        if rows:
            columns = zip(*rows, strict=True)
            await self._connection.execute(
                _ADD_HOLDINGS, self._account, looked_us, self._fence, *map(list, columns)
            )

    async def sellable(
        self, exchange: str, tradingsymbol: str, product: str, *, position: int, since_us: int
    ) -> int:
        """Return a position together with what is held of it since before today.

        What was sold today counts once: as a negative position, or as used, whichever is more.

        Raises:
            StoreError: the server refused or vanished.
        """
        row = await self._connection.fetchrow(
            _HOLDING, self._account, exchange, tradingsymbol, product, since_us
        )
        if row is None:
            return position
        sold = max(int(row["used"]), -position)
        return int(row["quantity"]) + max(0, position) - max(0, sold)

    async def on_the_way(
        self, instrument: tuple[str, str, str], side: str, *, since_us: int
    ) -> dict[str, int]:
        """Return what orders of a side may have filled, or may yet, beyond the positions.

        By order_id, of orders seen since `since_us`, for exchange, tradingsymbol, product.

        Raises:
            StoreError: the server refused or vanished.
        """
        rows = await self._connection.fetch(_ON_THE_WAY, self._account, *instrument, side, since_us)
        return {row["order_id"]: row["quantity"] for row in rows}

    async def unseen_placements(self, exposure: str, *, since_us: int) -> list[CommandRow]:
        """Return placements sent since a moment that may have orders which nobody has seen yet.

        Raises:
            StoreError: the server refused or vanished.
        """
        rows = await self._connection.fetch(
            f"SELECT {COMMAND_COLUMNS} FROM order_commands AS sent "  # noqa: S608  # our own names
            "WHERE account = $1 AND exposure = $2 AND kind = 'place' AND sending_us >= $3 "
            "AND (is_open OR state = 'MANUAL') AND state NOT IN ('RECEIVED', 'ADMITTED') "
            "AND NOT EXISTS (SELECT FROM broker_orders AS known "
            "WHERE known.account = $1 AND known.order_id = sent.order_id)",
            self._account,
            exposure,
            since_us,
        )
        return [command_row(row) for row in rows]
