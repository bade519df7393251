"""The two commits before the wire, each as one statement that writes everything or nothing.

A transaction of separate statements costs a round trip for each of them, twice before a placement
leaves. Both statements here check in their first step whatever the longer way would read: where
something is not as expected they write nothing, so that the longer way can find out what it is.
"""

from __future__ import annotations

from collections.abc import Sequence
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
_SEND_NEW: Final = f"""
WITH held AS (
    UPDATE order_accounts SET event_sequence = $3 + 1
    WHERE account = $1 AND fence = $2 AND event_sequence = $3
        AND EXISTS (
            SELECT FROM order_commands
            WHERE account = $1 AND command_id = $4 AND state = '{State.RECEIVED}')
        AND NOT EXISTS (
            SELECT FROM trading_states WHERE state <> 'ACTIVE' AND (scope = 'global'
                OR (scope = 'account' AND subject = $1) OR (scope = 'strategy' AND subject = $5)))
        AND NOT EXISTS (
            SELECT FROM order_commands
            WHERE account = $1 AND exposure = $6 AND state = '{State.UNKNOWN}')
    RETURNING account
), sent AS (
    UPDATE order_commands AS command SET state = '{State.SENDING}', tag = $7, attempts = $8,
        reason = NULL, sending_us = $9, changed_us = $9, fence = $2
    FROM held WHERE command.account = held.account AND command_id = $4
    RETURNING command_id
), told AS (
    INSERT INTO order_events (account, sequence, command_id, payload, is_step, fence)
    SELECT $1, $3 + 1, command_id, $10, true, $2 FROM sent
)
SELECT count(*) FROM sent
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


async def send_new(
    connection: Connection, hold: Hold, sending: CommandRow, event: OrderEvent
) -> bool:
    """Write SENDING over a placement that is RECEIVED; False where that is not all there is to it.

    That is where a trading switch is not ACTIVE, one of its like is in doubt, or `hold` is out of
    date: then nothing was written.
    """
    sent: int = await connection.fetchval(
        _SEND_NEW,
        hold.account,
        hold.fence,
        hold.sequence,
        sending.command_id,
        sending.strategy_id,
        sending.exposure,
        sending.tag,
        sending.attempts,
        sending.sending_us,
        encode(event)[JSON_FIELD],
    )
    return sent == 1


def number(events: Sequence[OrderEvent], hold: Hold, at_us: int) -> list[OrderEvent]:
    """Return the events as the account's next ones."""
    return [
        msgspec.structs.replace(event, sequence=sequence, account=hold.account, at_us=at_us)
        for sequence, event in enumerate(events, start=hold.sequence + 1)
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
