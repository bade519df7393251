"""What an account's journal tells; reading it takes no seat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.store.pool import Pool
from shared.store.rows import (
    COMMAND_COLUMNS,
    ORDER_COLUMNS,
    CommandRow,
    Lot,
    OrderRow,
    StoredEvent,
    command_row,
    order_row,
)
from shared.wire.orders import State

#: Commands, orders or events handed out in one answer.
ROWS_MAX: Final = 5_000
_FOR_EVER_US: Final = 1 << 62


class JournalReads:
    """Reads of one account's journal, each a statement of its own; all raise StoreError."""

    def __init__(self, pool: Pool, account: str) -> None:
        self._pool = pool
        self._account = account

    async def open_commands(self, *, after_serial: int = 0) -> list[CommandRow]:
        """Return commands that are not at rest, oldest first, at most `ROWS_MAX`."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(
                f"SELECT {COMMAND_COLUMNS} FROM order_commands "  # noqa: S608  # our own names
                "WHERE account = $1 AND is_open AND serial > $2 ORDER BY serial LIMIT $3",
                self._account,
                after_serial,
                ROWS_MAX,
            )
        return [command_row(row) for row in rows]

    async def command(self, command_id: str) -> CommandRow | None:
        """Return one command, or None."""
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(
                f"SELECT {COMMAND_COLUMNS} FROM order_commands "  # noqa: S608  # our own names
                "WHERE account = $1 AND command_id = $2",
                self._account,
                command_id,
            )
        return None if row is None else command_row(row)

    async def orders(self, order_ids: Sequence[str]) -> dict[str, OrderRow]:
        """Return the broker's orders that are known, by order_id."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(
                f"SELECT {ORDER_COLUMNS} FROM broker_orders "  # noqa: S608  # our own names
                "WHERE account = $1 AND order_id = ANY($2)",
                self._account,
                list(order_ids),
            )
        return {row["order_id"]: order_row(row) for row in rows}

    async def orders_seen_since(self, since_us: int) -> list[OrderRow]:
        """Return the broker's orders that were seen since a moment, whoever placed them."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(
                f"SELECT {ORDER_COLUMNS} FROM broker_orders "  # noqa: S608  # our own names
                "WHERE account = $1 AND observed_us >= $2",
                self._account,
                since_us,
            )
        return [order_row(row) for row in rows]

    async def open_lots(self) -> dict[State, Lot]:
        """Return how many commands are not at rest, and since when, by state."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(
                "SELECT state, count(*) AS commands, "
                "min(coalesce(sending_us, received_us)) AS oldest_us FROM order_commands "
                "WHERE account = $1 AND is_open GROUP BY state",
                self._account,
            )
        return {
            State(row["state"]): Lot(commands=row["commands"], oldest_us=row["oldest_us"])
            for row in rows
        }

    async def most_modifications(self, since_us: int) -> int:
        """Return how often the most modified of the orders was that live, seen since a moment."""
        async with self._pool.connection() as connection:
            found = await connection.fetchval(
                "SELECT max(modifications) FROM broker_orders "
                "WHERE account = $1 AND NOT is_terminal AND observed_us >= $2",
                self._account,
                since_us,
            )
        return found or 0

    async def kinds_in(self, state: State) -> list[str]:
        """Return the kinds of the commands not at rest that are in a state."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(
                "SELECT DISTINCT kind FROM order_commands "
                "WHERE account = $1 AND is_open AND state = $2",
                self._account,
                state,
            )
        return [row["kind"] for row in rows]

    async def unpublished(self, count_max: int) -> list[StoredEvent]:
        """Return events that may not have been published yet, in order."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(
                "SELECT sequence, payload FROM order_events "
                "WHERE account = $1 AND NOT is_published ORDER BY sequence LIMIT $2",
                self._account,
                min(count_max, ROWS_MAX),
            )
        return [
            StoredEvent(sequence=row["sequence"], payload=bytes(row["payload"])) for row in rows
        ]

    async def placements_sent_since(
        self, since_us: int, *, until_us: int = _FOR_EVER_US
    ) -> list[CommandRow]:
        """Return the placements sent between two moments, whatever became of them."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(
                f"SELECT {COMMAND_COLUMNS} FROM order_commands "  # noqa: S608  # our own names
                "WHERE account = $1 AND kind = 'place' AND sending_us BETWEEN $2 AND $3",
                self._account,
                since_us,
                until_us,
            )
        return [command_row(row) for row in rows]
