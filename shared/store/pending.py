"""Writes of a change that go out together, before anything else is asked of the server.

A look at the order book moves hundreds of commands: with a statement for each of them the account's
row would be locked for as many round trips, and every order would wait for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import msgspec

from shared.errors import IllegalTransition
from shared.store.pool import Connection, Row
from shared.store.rows import CommandRow, OrderRow, reason_text
from shared.wire.orders import State

_SAVE: Final = """
UPDATE order_commands AS command SET state = given.state, order_id = given.order_id,
    tag = given.tag, attempts = given.attempts, reason = given.reason::jsonb,
    sending_us = given.sending_us, is_open = given.is_open, changed_us = $3,
    slices_refused = given.slices_refused, exposure = given.exposure, fence = $2
FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::integer[], $10::text[],
    $11::bigint[], $12::boolean[], $13::integer[], $14::text[])
    AS given (command_id, was, state, order_id, tag, attempts, reason, sending_us, is_open,
    slices_refused, exposure)
WHERE command.account = $1 AND command.command_id = ANY($4::text[])
    AND command.command_id = given.command_id AND command.fence <= $2 AND command.state = given.was
"""
_SAVE_ORDERS: Final = """
INSERT INTO broker_orders AS known (account, fence, order_id, command_id, origin, status,
    is_terminal, filled, version, modifications, seen, observed_us)
SELECT $1, $2, order_id, command_id, origin, status, is_terminal, filled, version, modifications,
    seen::jsonb, observed_us
FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[], $8::bigint[],
    $9::text[], $10::integer[], $11::text[], $12::bigint[])
    AS given (order_id, command_id, origin, status, is_terminal, filled, version, modifications,
    seen, observed_us)
ON CONFLICT (account, order_id) DO UPDATE SET fence = $2, command_id = excluded.command_id,
    origin = excluded.origin, status = excluded.status, is_terminal = excluded.is_terminal,
    filled = excluded.filled, version = excluded.version, modifications = excluded.modifications,
    seen = excluded.seen, observed_us = excluded.observed_us
WHERE known.fence <= $2
"""


class _Saved(msgspec.Struct, frozen=True):
    """A command as it is to be, and the state in which the journal has it yet."""

    was: State
    row: CommandRow


class Pending:
    """The writes of one change that have not gone out yet."""

    def __init__(self, *, account: str, fence: int, at_us: int) -> None:
        self._account = account
        self._fence = fence
        self._at_us = at_us
        self._commands: dict[str, _Saved] = {}
        self._orders: dict[str, OrderRow] = {}

    def save(self, after: CommandRow, *, was: State) -> None:
        """Write what may change of a command, with the next statement.

        Raises:
            IllegalTransition: the row of this change is not in state `was`.
        """
        earlier = self._commands.get(after.command_id)
        if earlier is not None and earlier.row.state is not was:
            raise IllegalTransition(_found_another(after.command_id, was, after.state))
        self._commands[after.command_id] = _Saved(earlier.was if earlier else was, after)

    def save_order(self, order: OrderRow) -> None:
        """Write the broker's order as now seen, with the next statement."""
        self._orders[order.order_id] = order

    async def flush(self, connection: Connection) -> None:
        """Write everything, by one statement a table.

        Raises:
            IllegalTransition: a row is not in the state it was, or a later owner has written it.
            StoreError: the server refused or vanished.
        """
        commands, self._commands = list(self._commands.values()), {}
        orders, self._orders = list(self._orders.values()), {}
        if commands:
            await self._write_commands(connection, commands)
        if orders:
            columns = zip(*map(_order_columns, orders), strict=True)
            await connection.execute(_SAVE_ORDERS, self._account, self._fence, *map(list, columns))

    async def _write_commands(self, connection: Connection, commands: Sequence[_Saved]) -> None:
        columns = zip(*map(_command_columns, commands), strict=True)
        tag = await connection.execute(
            _SAVE, self._account, self._fence, self._at_us, *map(list, columns)
        )
        if tag != f"UPDATE {len(commands)}":
            first = commands[0]
            sentence = _found_another(first.row.command_id, first.was, first.row.state)
            raise IllegalTransition(f"{sentence} (or one of {len(commands) - 1} with it; {tag})")


class AfterPending:
    """A connection of which nothing is asked before what is pending has been written."""

    def __init__(self, connection: Connection, pending: Pending) -> None:
        self._connection = connection
        self._pending = pending

    async def execute(self, query: str, *arguments: object) -> str:
        """Run a statement and return its command tag."""
        await self._pending.flush(self._connection)
        return await self._connection.execute(query, *arguments)

    async def fetch(self, query: str, *arguments: object) -> Sequence[Row]:
        """Return every row."""
        await self._pending.flush(self._connection)
        return await self._connection.fetch(query, *arguments)

    async def fetchrow(self, query: str, *arguments: object) -> Row | None:
        """Return the first row or None."""
        await self._pending.flush(self._connection)
        return await self._connection.fetchrow(query, *arguments)

    async def fetchval(self, query: str, *arguments: object) -> Any:
        """Return the first column of the first row, or None."""
        await self._pending.flush(self._connection)
        return await self._connection.fetchval(query, *arguments)

    async def copy_records_to_table(
        self, table_name: str, *, records: Sequence[tuple[object, ...]], columns: Sequence[str]
    ) -> str:
        """Write rows in one stream."""
        await self._pending.flush(self._connection)
        return await self._connection.copy_records_to_table(
            table_name, records=records, columns=columns
        )

    async def copy_to_table(
        self,
        table_name: str,
        *,
        source: AsyncIterator[bytes],
        columns: Sequence[str],
        format: str,  # noqa: A002  # the vendor's name
    ) -> str:
        """Write rows in one stream of bytes."""
        await self._pending.flush(self._connection)
        return await self._connection.copy_to_table(
            table_name, source=source, columns=columns, format=format
        )

    def transaction(self) -> AbstractAsyncContextManager[object]:
        """Return a transaction that commits when its block ends without an exception."""
        return self._connection.transaction()

    def is_closed(self) -> bool:
        """Tell whether the connection is gone."""
        return self._connection.is_closed()


def _command_columns(saved: _Saved) -> tuple[object, ...]:
    row = saved.row
    return (
        *(row.command_id, saved.was, row.state, row.order_id, row.tag, row.attempts),
        *(reason_text(row.reason), row.sending_us, row.is_open, row.slices_refused, row.exposure),
    )


def _order_columns(order: OrderRow) -> tuple[object, ...]:
    return (
        *(order.order_id, order.command_id, order.origin, order.status, order.is_terminal),
        *(order.filled, order.version, order.modifications, order.seen, order.observed_us),
    )


def _found_another(command_id: str, was: State, state: State) -> str:
    return f"command {command_id}: {was} to {state} found another row"
