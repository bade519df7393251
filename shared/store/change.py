"""One transaction on an account's journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from shared.store.journal_quick import claim_columns
from shared.store.pending import AfterPending, Pending
from shared.store.pool import Connection
from shared.store.portfolio import Portfolio
from shared.store.rows import (
    COMMAND_COLUMNS,
    ORDER_COLUMNS,
    CommandRow,
    NewCommand,
    OrderRow,
    Switches,
    command_row,
    order_row,
)
from shared.store.trading import REDUCE_STRATEGY, SET_TRADING, TradingSwitch
from shared.wire.codec import JSON_FIELD, encode
from shared.wire.orders import OrderEvent, State

_CLAIM: Final = f"""
INSERT INTO order_commands (
    account, command_id, kind, fingerprint, encoding, payload, priority, strategy_id,
    exposure, target_command_id, order_id, valid_until_us, state, received_us, changed_us,
    is_open, parent_command_id, fence)
SELECT $1, command_id, kind, fingerprint, encoding, payload, priority, strategy_id,
    exposure, target_command_id, order_id, valid_until_us, '{State.RECEIVED}', $2, $2, true,
    parent_command_id, $3
FROM unnest($4::text[], $5::text[], $6::bytea[], $7::text[], $8::bytea[], $9::smallint[],
    $10::text[], $11::text[], $12::text[], $13::text[], $14::bigint[], $15::text[])
    WITH ORDINALITY AS given (command_id, kind, fingerprint, encoding, payload, priority,
    strategy_id, exposure, target_command_id, order_id, valid_until_us, parent_command_id, position)
ORDER BY position
ON CONFLICT (account, command_id) DO NOTHING
RETURNING {COMMAND_COLUMNS}
"""  # noqa: S608  # our own names
_EMIT: Final = """
WITH counted AS (
    UPDATE order_accounts SET event_sequence = $3 WHERE account = $1 AND fence = $2
    RETURNING account
)
INSERT INTO order_events (account, sequence, command_id, payload, is_step, fence)
SELECT account, sequence, command_id, payload, is_step, $2
FROM counted, unnest($4::bigint[], $5::text[], $6::bytea[], $7::boolean[])
    AS given (sequence, command_id, payload, is_step)
"""
_SWITCHES: Final = """
SELECT state, scope FROM trading_states WHERE scope = 'global'
    OR (scope = 'account' AND subject = $1) OR (scope = 'strategy' AND subject = $2)
UNION ALL (
    SELECT command_id, '' FROM order_commands
    WHERE account = $1 AND exposure = $3 AND state = 'UNKNOWN' LIMIT 1
)
"""


class Change:
    """Reads and writes of one transaction; `at_us` is when it happens, Unix microseconds."""

    def __init__(
        self, connection: Connection, *, account: str, fence: int, at_us: int, sequence: int
    ) -> None:
        self._pending = Pending(account=account, fence=fence, at_us=at_us)
        self._raw = connection
        self._connection = behind = AfterPending(connection, self._pending)
        self._account = account
        self._fence = fence
        self._sequence = sequence
        self.at_us = at_us
        self.portfolio = Portfolio(behind, account=account, fence=fence, at_us=at_us)
        self.events: list[OrderEvent] = []
        #: The newest step told of each command in this change.
        self.steps: dict[str, OrderEvent] = {}
        #: Commands that this change has led to: for whoever sends, once it is committed.
        self.spawned: list[CommandRow] = []
        #: Commands that others were made for which this change has moved.
        self.touched: set[str] = set()
        #: Trading switches that this change has put.
        self.switched: list[TradingSwitch] = []
        #: The broker's orders as this change has written them.
        self.sighted: dict[str, OrderRow] = {}
        self._step_numbers: set[int] = set()

    async def claim(self, commands: Sequence[NewCommand]) -> list[CommandRow]:
        """Insert what is new, in the order given; return only that."""
        given = [(*claim_columns(each), each.parent_command_id) for each in commands]
        columns = zip(*given, strict=True)
        rows = await self._connection.fetch(
            _CLAIM, self._account, self.at_us, self._fence, *map(list, columns)
        )
        return sorted(map(command_row, rows), key=lambda row: row.serial)

    async def commands(self, command_ids: Sequence[str]) -> dict[str, CommandRow]:
        """Return the commands that exist, by command_id."""
        return await self._commands("command_id = ANY($2)", command_ids)

    async def commands_by_tag(self, tags: Sequence[str]) -> dict[str, CommandRow]:
        """Return the placements that carry these tags, by command_id."""
        return await self._commands("tag = ANY($2)", tags)

    async def open_commands_on(
        self, command_ids: Sequence[str], order_ids: Sequence[str]
    ) -> list[CommandRow]:
        """Return commands not at rest that want to change these placements or orders."""
        rows = await self._connection.fetch(
            f"SELECT {COMMAND_COLUMNS} FROM order_commands "  # noqa: S608  # our own names
            "WHERE account = $1 AND is_open AND kind <> 'place' "
            "AND (target_command_id = ANY($2) OR order_id = ANY($3)) ORDER BY serial",
            self._account,
            list(command_ids),
            list(order_ids),
        )
        return [command_row(row) for row in rows]

    async def placements_of(self, order_ids: Sequence[str]) -> dict[str, CommandRow]:
        """Return the placements that led to these orders, by command_id."""
        return await self._commands("order_id = ANY($2) AND kind = 'place'", order_ids)

    async def commands_on(self, ids: Sequence[str]) -> list[CommandRow]:
        """Return the commands that made or named something with these ids of the broker's."""
        return list((await self._commands("order_id = ANY($2)", ids)).values())

    async def open_in(self, states: Sequence[State]) -> list[CommandRow]:
        """Return commands not at rest that are in one of these states, oldest first."""
        rows = await self._connection.fetch(
            f"SELECT {COMMAND_COLUMNS} FROM order_commands "  # noqa: S608  # our own names
            "WHERE account = $1 AND is_open AND state = ANY($2) ORDER BY serial",
            self._account,
            list(states),
        )
        return [command_row(row) for row in rows]

    async def save(self, after: CommandRow, *, was: State) -> None:
        """Write what may change of a command, before anything else is read or written.

        Raises:
            IllegalTransition: the row of this change is not in state `was`; what the journal has
                is found out by the next statement, at the latest by the commit.
        """
        self._pending.save(after, was=was)
        if after.parent_command_id is not None:
            self.touched.add(after.parent_command_id)

    async def orders(self, order_ids: Sequence[str]) -> dict[str, OrderRow]:
        """Return the broker's orders that are known, by order_id."""
        rows = await self._connection.fetch(
            f"SELECT {ORDER_COLUMNS} FROM broker_orders "  # noqa: S608  # our own names
            "WHERE account = $1 AND order_id = ANY($2)",
            self._account,
            list(order_ids),
        )
        return {row["order_id"]: order_row(row) for row in rows}

    async def orders_of(self, command_id: str) -> list[OrderRow]:
        """Return the broker's orders that came of a placement, in the order of their ids."""
        rows = await self._connection.fetch(
            f"SELECT {ORDER_COLUMNS} FROM broker_orders "  # noqa: S608  # our own names
            "WHERE account = $1 AND command_id = $2 ORDER BY order_id",
            self._account,
            command_id,
        )
        return [order_row(row) for row in rows]

    async def unsent_placements(self, exposure: str) -> list[CommandRow]:
        """Return the placements of a side and instrument that have not left yet."""
        found = await self._commands(
            "exposure = ANY($2) AND kind = 'place' AND is_open "
            "AND state IN ('RECEIVED', 'ADMITTED')",
            [exposure],
        )
        return list(found.values())

    async def children_of(self, command_id: str) -> dict[str, CommandRow]:
        """Return the commands that were made for a command, by command_id."""
        return await self._commands("parent_command_id = ANY($2)", [command_id])

    async def save_order(self, order: OrderRow) -> None:
        """Write the broker's order as now seen, before anything else is read or written."""
        self._pending.save_order(order)
        self.sighted[order.order_id] = order

    async def bury(self, target_command_id: str, *, by_command_id: str) -> bool:
        """Leave a tombstone: this placement, should it come, is not to be sent.

        Return False where one stood already.
        """
        tag = await self._connection.execute(
            "INSERT INTO order_tombstones "
            "(account, target_command_id, by_command_id, at_us, fence) "
            "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            self._account,
            target_command_id,
            by_command_id,
            self.at_us,
            self._fence,
        )
        return tag == "INSERT 0 1"

    async def buried(self, command_ids: Sequence[str]) -> dict[str, str]:
        """Return, of these placements, those with a tombstone, with the cancel that left it."""
        rows = await self._connection.fetch(
            "SELECT target_command_id, by_command_id FROM order_tombstones "
            "WHERE account = $1 AND target_command_id = ANY($2)",
            self._account,
            list(command_ids),
        )
        return {row["target_command_id"]: row["by_command_id"] for row in rows}

    async def switches(self, command: CommandRow) -> Switches:
        """Return the trading states and the doubts that apply to a command."""
        rows = await self._connection.fetch(
            _SWITCHES, self._account, command.strategy_id, command.exposure
        )
        return Switches(
            trading=tuple((row["state"], row["scope"]) for row in rows if row["scope"]),
            in_doubt=next((row["state"] for row in rows if not row["scope"]), None),
        )

    async def reduce_strategy(self, strategy_id: str, *, sentence: str) -> bool:
        """Let a strategy send nothing new; False where it may not anyhow."""
        by = f"executor of {self._account}"
        tag = await self._connection.execute(REDUCE_STRATEGY, strategy_id, by, sentence, self.at_us)
        if tag != "INSERT 0 1":
            return False
        self.switched.append(
            TradingSwitch(
                scope="strategy",
                subject=strategy_id,
                state="REDUCING",
                set_by=by,
                sentence=sentence,
                changed_us=self.at_us,
            )
        )
        return True

    async def set_trading(self, switch: TradingSwitch) -> None:
        """Put a trading switch where it says."""
        await self._connection.execute(SET_TRADING, *msgspec.structs.astuple(switch))
        self.switched.append(switch)

    async def last_steps(self, command_ids: Sequence[str]) -> dict[str, OrderEvent]:
        """Return the newest step told of each of these commands, by command_id."""
        rows = await self._connection.fetch(
            "SELECT DISTINCT ON (command_id) command_id, payload FROM order_events "
            "WHERE account = $1 AND command_id = ANY($2) AND is_step "
            "ORDER BY command_id, sequence DESC",
            self._account,
            list(command_ids),
        )
        committed = {
            row["command_id"]: msgspec.json.decode(row["payload"], type=OrderEvent) for row in rows
        }
        wanted = self.steps.keys() & set(command_ids)
        return {**committed, **{each: self.steps[each] for each in wanted}}

    def emit(self, event: OrderEvent, *, is_step: bool = True) -> None:
        """Give the event the account's next number; it is committed with the change.

        What only answers a repeated command is no step of it.
        """
        numbered = msgspec.structs.replace(
            event,
            sequence=self._sequence + len(self.events) + 1,
            account=self._account,
            at_us=self.at_us,
        )
        self.events.append(numbered)
        if is_step:
            self.steps[numbered.command_id] = numbered
            self._step_numbers.add(numbered.sequence)

    async def flush(self) -> None:
        """Write what is pending, then the events; the journal calls it just before the commit."""
        await self._pending.flush(self._raw)
        if not self.events:
            return
        await self._connection.execute(
            _EMIT,
            self._account,
            self._fence,
            self.events[-1].sequence,
            [event.sequence for event in self.events],
            [event.command_id for event in self.events],
            [encode(event)[JSON_FIELD] for event in self.events],
            [event.sequence in self._step_numbers for event in self.events],
        )

    async def _commands(self, condition: str, wanted: Sequence[str]) -> dict[str, CommandRow]:
        rows = await self._connection.fetch(
            f"SELECT {COMMAND_COLUMNS} FROM order_commands "  # noqa: S608  # our own names
            f"WHERE account = $1 AND {condition}",
            self._account,
            list(wanted),
        )
        return {row["command_id"]: command_row(row) for row in rows}
