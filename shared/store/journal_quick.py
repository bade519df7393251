"""A placement's usual way, each step of it one statement that writes everything or nothing.

A transaction of separate statements costs a round trip for each of them. The statements here check
in their first step whatever the longer way would read: where something is not as expected they
write nothing, so that the longer way can find out what it is. Those that take several commands
write them together: one commit for all that gathered during the one before.

Plans are made once, it may be when the journal is empty (force_generic_plan in the pool). So rows
are named by `= ANY` beside whatever they are joined with: then no plan goes over all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from shared.store.pool import Connection
from shared.store.rows import CommandRow, NewCommand
from shared.wire.codec import JSON_FIELD, encode
from shared.wire.orders import OrderEvent, State


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Under which fence an account is written, and the number of its newest event."""

    account: str
    fence: int
    sequence: int


_CLAIM_NEW: Final = f"""
WITH held AS (
    UPDATE order_accounts SET event_sequence = $3 + cardinality($6::text[])
    WHERE account = $1 AND fence = $2 AND event_sequence = $3
        AND NOT EXISTS (
            SELECT FROM order_commands WHERE account = $1 AND command_id = ANY($6))
        AND NOT EXISTS (
            SELECT FROM order_tombstones WHERE account = $1 AND target_command_id = ANY($6))
    RETURNING account
), claimed AS (
    INSERT INTO order_commands (
        account, command_id, kind, fingerprint, encoding, payload, priority, strategy_id,
        exposure, target_command_id, order_id, valid_until_us, state, received_us, changed_us,
        is_open, fence)
    SELECT account, command_id, kind, fingerprint, encoding, payload, priority, strategy_id,
        exposure, target_command_id, order_id, valid_until_us, '{State.RECEIVED}', $4, $4, true, $2
    FROM held, unnest($6::text[], $7::text[], $8::bytea[], $9::text[], $10::bytea[],
        $11::smallint[], $12::text[], $13::text[], $14::text[], $15::text[], $16::bigint[])
        WITH ORDINALITY AS given (command_id, kind, fingerprint, encoding, payload, priority,
        strategy_id, exposure, target_command_id, order_id, valid_until_us, position)
    ORDER BY position
    RETURNING command_id, serial
), told AS (
    INSERT INTO order_events (account, sequence, command_id, payload, is_step, fence)
    SELECT account, $3 + position, command_id, payload, true, $2
    FROM held, unnest($6::text[], $5::bytea[]) WITH ORDINALITY
        AS given (command_id, payload, position)
)
SELECT command_id, serial FROM claimed
"""  # noqa: S608  # our own names
#: What keeps placements of these strategies and exposures back, given as $5 and $6.
_UNHINDERED: Final = f"""
        AND NOT EXISTS (
            SELECT FROM trading_states WHERE state <> 'ACTIVE' AND (scope = 'global'
                OR (scope = 'account' AND subject = $1)
                OR (scope = 'strategy' AND subject = ANY($5::text[]))))
        AND NOT EXISTS (
            SELECT FROM order_commands WHERE account = $1 AND exposure = ANY($6::text[])
                AND state = '{State.UNKNOWN}')
"""  # noqa: S608  # our own names
_SEND_NEW: Final = f"""
WITH held AS (
    UPDATE order_accounts SET event_sequence = $3 + cardinality($4::text[])
    WHERE account = $1 AND fence = $2 AND event_sequence = $3
        AND cardinality($4::text[]) = (
            SELECT count(*) FROM order_commands
            WHERE account = $1 AND command_id = ANY($4) AND state = '{State.RECEIVED}')
        {_UNHINDERED}
    RETURNING account
), sent AS (
    UPDATE order_commands AS command SET state = '{State.SENDING}', tag = given.tag,
        attempts = given.attempts, reason = NULL, sending_us = given.sending_us,
        changed_us = given.sending_us, fence = $2
    FROM held, unnest($4::text[], $7::text[], $8::integer[], $9::bigint[])
        AS given (command_id, tag, attempts, sending_us)
    WHERE command.account = $1 AND command.command_id = ANY($4::text[])
        AND command.command_id = given.command_id
    RETURNING command.command_id
), told AS (
    INSERT INTO order_events (account, sequence, command_id, payload, is_step, fence)
    SELECT account, $3 + position, command_id, payload, true, $2
    FROM held, unnest($4::text[], $10::bytea[]) WITH ORDINALITY
        AS given (command_id, payload, position)
)
SELECT count(*) FROM sent
"""  # noqa: S608  # our own names
_PLACE_NEW: Final = f"""
WITH held AS (
    UPDATE order_accounts SET event_sequence = $3 + 2
    WHERE account = $1 AND fence = $2 AND event_sequence = $3
        AND NOT EXISTS (SELECT FROM order_commands WHERE account = $1 AND command_id = $4)
        AND NOT EXISTS (
            SELECT FROM order_tombstones WHERE account = $1 AND target_command_id = $4)
        {_UNHINDERED}
    RETURNING account
), claimed AS (
    INSERT INTO order_commands (
        account, command_id, kind, fingerprint, encoding, payload, priority, strategy_id,
        exposure, target_command_id, order_id, valid_until_us, state, tag, attempts,
        received_us, sending_us, changed_us, is_open, fence)
    SELECT account, $4, $12, $13, $14, $15, $16, ($5::text[])[1], ($6::text[])[1], $17, $18, $19,
        '{State.SENDING}', $7, $8, $9, $10, $10, true, $2
    FROM held
    RETURNING serial
), told AS (
    INSERT INTO order_events (account, sequence, command_id, payload, is_step, fence)
    SELECT account, $3 + position, $4, payload, true, $2
    FROM held, unnest($11::bytea[]) WITH ORDINALITY AS given (payload, position)
)
SELECT serial FROM claimed
"""  # noqa: S608  # our own names
_ACCEPT_SENT: Final = f"""
WITH held AS (
    UPDATE order_accounts SET event_sequence = $3 + cardinality($4::text[])
    WHERE account = $1 AND fence = $2 AND event_sequence = $3
        AND cardinality($4::text[]) = (
            SELECT count(*) FROM order_commands
            WHERE account = $1 AND command_id = ANY($4) AND state = '{State.SENDING}')
    RETURNING account
), accepted AS (
    UPDATE order_commands AS command SET state = '{State.ACCEPTED}', order_id = given.order_id,
        reason = NULL, is_open = given.is_open, changed_us = given.changed_us, fence = $2
    FROM held, unnest($4::text[], $5::text[], $6::boolean[], $7::bigint[])
        AS given (command_id, order_id, is_open, changed_us)
    WHERE command.account = $1 AND command.command_id = ANY($4::text[])
        AND command.command_id = given.command_id
    RETURNING command.command_id
), told AS (
    INSERT INTO order_events (account, sequence, command_id, payload, is_step, fence)
    SELECT account, $3 + position, command_id, payload, true, $2
    FROM held, unnest($4::text[], $8::bytea[]) WITH ORDINALITY
        AS given (command_id, payload, position)
)
SELECT count(*) FROM accepted
"""  # noqa: S608  # our own names


async def claim_new(
    connection: Connection, hold: Hold, commands: Sequence[NewCommand], events: Sequence[OrderEvent]
) -> dict[str, int]:
    """Insert commands of which none was ever seen, with an event each; return their serials.

    Nothing is returned, nor written, where one was seen, or is buried, or `hold` is out of date.
    """
    rows = await connection.fetch(
        _CLAIM_NEW,
        hold.account,
        hold.fence,
        hold.sequence,
        events[0].at_us,
        [encode(event)[JSON_FIELD] for event in events],
        *map(list, zip(*map(claim_columns, commands), strict=True)),
    )
    return {row["command_id"]: row["serial"] for row in rows}


async def place_new(
    connection: Connection,
    hold: Hold,
    command: NewCommand,
    sending: CommandRow,
    events: Sequence[OrderEvent],
) -> int | None:
    """Insert a placement that was never seen as SENDING, with both its events; return its serial.

    None where it was seen, or is buried, or `send_new` would not write it: then nothing was.
    """
    named = command.command_id, [command.strategy_id], [command.exposure]
    sent = sending.tag, sending.attempts, sending.received_us, sending.sending_us
    serial: int | None = await connection.fetchval(
        _PLACE_NEW,
        *(hold.account, hold.fence, hold.sequence, *named, *sent),
        [encode(event)[JSON_FIELD] for event in events],
        *(command.kind, command.fingerprint, command.encoding, command.payload, command.priority),
        *(command.target_command_id, command.order_id, command.valid_until_us),
    )
    return serial


async def send_new(
    connection: Connection, hold: Hold, rows: Sequence[CommandRow], events: Sequence[OrderEvent]
) -> bool:
    """Write SENDING over placements that are RECEIVED; False where that is not all there is to it.

    That is where a trading switch is not ACTIVE, one of their like is in doubt, or `hold` is out of
    date: then nothing was written, of none of them.
    """
    sent: int = await connection.fetchval(
        _SEND_NEW,
        *(hold.account, hold.fence, hold.sequence),
        [row.command_id for row in rows],
        sorted({row.strategy_id for row in rows}),
        sorted({row.exposure or "" for row in rows}),
        [row.tag for row in rows],
        [row.attempts for row in rows],
        [row.sending_us for row in rows],
        [encode(event)[JSON_FIELD] for event in events],
    )
    return sent == len(rows)


async def accept_sent(
    connection: Connection, hold: Hold, rows: Sequence[CommandRow], events: Sequence[OrderEvent]
) -> bool:
    """Write ACCEPTED over commands that are SENDING; False where something came between.

    Then nothing was written, of none of them.
    """
    accepted: int = await connection.fetchval(
        _ACCEPT_SENT,
        *(hold.account, hold.fence, hold.sequence),
        [row.command_id for row in rows],
        [row.order_id for row in rows],
        [row.is_open for row in rows],
        [row.changed_us for row in rows],
        [encode(event)[JSON_FIELD] for event in events],
    )
    return accepted == len(rows)


async def warm(connection: Connection) -> None:
    """Let the server plan these statements for a connection; they are of no account."""
    nobody = "", -1, -1
    await connection.fetch(_CLAIM_NEW, *nobody, 0, *([] for _ in range(12)))
    await connection.fetchval(_SEND_NEW, *nobody, *([] for _ in range(7)))
    sent = None, 0, 0, 0
    command = "place", b"", "json", b"", 0, None, None, None
    await connection.fetchval(_PLACE_NEW, *nobody, "", [], [], *sent, [], *command)
    await connection.fetchval(_ACCEPT_SENT, *nobody, *([] for _ in range(5)))


def number(events: Iterable[tuple[OrderEvent, int]], hold: Hold) -> list[OrderEvent]:
    """Return events, each with its moment, as the account's next ones."""
    return [
        msgspec.structs.replace(event, sequence=sequence, account=hold.account, at_us=at_us)
        for sequence, (event, at_us) in enumerate(events, start=hold.sequence + 1)
    ]


def claim_columns(command: NewCommand) -> tuple[object, ...]:
    """Return a command as the journal's columns from `command_id` to `valid_until_us`."""
    return (
        command.command_id,
        command.kind,
        command.fingerprint,
        command.encoding,
        command.payload,
        command.priority,
        command.strategy_id,
        command.exposure,
        command.target_command_id,
        command.order_id,
        command.valid_until_us,
    )


def received_row(command: NewCommand, *, serial: int, at_us: int) -> CommandRow:
    """Return the row that claiming a new command makes."""
    return CommandRow(
        **msgspec.structs.asdict(command),
        serial=serial,
        state=State.RECEIVED,
        tag=None,
        attempts=0,
        reason=None,
        received_us=at_us,
        sending_us=None,
        changed_us=at_us,
        is_open=True,
    )
