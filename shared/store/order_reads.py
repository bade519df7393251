"""The journal as others may read it: page by page, changing nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from shared.store.pool import Pool
from shared.store.rows import (
    COMMAND_COLUMNS,
    ORDER_COLUMNS,
    CommandRow,
    OrderRow,
    StoredEvent,
    command_row,
    order_row,
)

#: Rows of one page; whoever wants more asks for the next one.
PAGE_ROWS_MAX: Final = 200


class CommandFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which commands of an account; None leaves a fact open."""

    kind: str | None = None
    state: str | None = None
    strategy_id: str | None = None
    is_open: bool | None = None


class OrderReads:
    """Reads of every account's journal; all raise StoreError where PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def command(self, account: str, command_id: str) -> CommandRow | None:
        """Return one command, or None."""
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(
                f"SELECT {COMMAND_COLUMNS} FROM order_commands "  # noqa: S608  # our own names
                "WHERE account = $1 AND command_id = $2",
                account,
                command_id,
            )
        return None if row is None else command_row(row)

    async def commands(
        self, account: str, wanted: CommandFilter, *, before_serial: int | None, limit: int
    ) -> list[CommandRow]:
        """Return commands, newest first, those before a serial only."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(
                f"SELECT {COMMAND_COLUMNS} FROM order_commands "  # noqa: S608  # our own names
                "WHERE account = $1 AND ($2::bigint IS NULL OR serial < $2) "
                "AND ($3::text IS NULL OR kind = $3) AND ($4::text IS NULL OR state = $4) "
                "AND ($5::text IS NULL OR strategy_id = $5) "
                "AND ($6::boolean IS NULL OR is_open = $6) ORDER BY serial DESC LIMIT $7",
                account,
                before_serial,
                wanted.kind,
                wanted.state,
                wanted.strategy_id,
                wanted.is_open,
                min(limit, PAGE_ROWS_MAX + 1),
            )
        return [command_row(row) for row in rows]

    async def events(
        self, account: str, *, after_sequence: int, limit: int, command_id: str | None = None
    ) -> list[StoredEvent]:
        """Return committed events in order, those after a number only; of one command, or of all.

        Of one command only its steps are told, not the answers to its repetitions.
        """
        async with self._pool.connection() as connection:
            rows = await connection.fetch(
                "SELECT sequence, payload FROM order_events WHERE account = $1 AND sequence > $2 "
                "AND ($3::text IS NULL OR (command_id = $3 AND is_step)) "
                "ORDER BY sequence LIMIT $4",
                account,
                after_sequence,
                command_id,
                min(limit, PAGE_ROWS_MAX + 1),
            )
        return [
            StoredEvent(sequence=row["sequence"], payload=bytes(row["payload"])) for row in rows
        ]

    async def broker_orders(
        self, account: str, *, before_order_id: str | None, limit: int, open_only: bool = False
    ) -> list[OrderRow]:
        """Return the broker's orders as last seen, highest order_id first."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(
                f"SELECT {ORDER_COLUMNS} FROM broker_orders "  # noqa: S608  # our own names
                "WHERE account = $1 AND ($2::text IS NULL OR order_id < $2) "
                "AND (NOT $3 OR NOT is_terminal) ORDER BY order_id DESC LIMIT $4",
                account,
                before_order_id,
                open_only,
                min(limit, PAGE_ROWS_MAX + 1),
            )
        return [order_row(row) for row in rows]

    async def broker_order(self, account: str, order_id: str) -> OrderRow | None:
        """Return one order of the broker, or None."""
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(
                f"SELECT {ORDER_COLUMNS} FROM broker_orders "  # noqa: S608  # our own names
                "WHERE account = $1 AND order_id = $2",
                account,
                order_id,
            )
        return None if row is None else order_row(row)

    async def orders_of(
        self, account: str, commands: Sequence[CommandRow]
    ) -> dict[str, list[OrderRow]]:
        """Return the broker's orders of each placement, by command_id."""
        command_ids = [each.command_id for each in commands]
        async with self._pool.connection() as connection:
            rows = await connection.fetch(
                f"SELECT {ORDER_COLUMNS} FROM broker_orders "  # noqa: S608  # our own names
                "WHERE account = $1 AND (command_id = ANY($2) OR order_id = ANY($3)) "
                "ORDER BY order_id",
                account,
                command_ids,
                [each.order_id for each in commands if each.order_id],
            )
        return _by_command([order_row(row) for row in rows], commands)


def _by_command(
    orders: Sequence[OrderRow], commands: Sequence[CommandRow]
) -> dict[str, list[OrderRow]]:
    placed_by = {each.order_id: each.command_id for each in commands if each.order_id}
    found: dict[str, list[OrderRow]] = {each.command_id: [] for each in commands}
    for order in orders:
        command_id = order.command_id or placed_by.get(order.order_id)
        if command_id in found:
            found[command_id].append(order)
    return found
