"""What a person writes into the journal beside the executor.

Each write locks the account's row, as the executor's do, and tells an event; so the executor
notices that somebody wrote, and publishes what was told.
"""

from __future__ import annotations

import hashlib
from typing import Final, Literal

import msgspec

from shared.errors import MessageError, StoreError
from shared.store.pool import Connection, Pool
from shared.store.rows import COMMAND_COLUMNS, CommandRow, command_row, reason_text
from shared.wire.codec import JSON_FIELD, decode, encode
from shared.wire.orders import Cancel, Command, OrderEvent, Place, Reason, State

#: States that only a person, or the broker's own row, can end.
RESOLVABLE: Final = frozenset({State.UNKNOWN, State.MANUAL})


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """What a person found out: that it was accepted, under which id where it has one, or not."""

    order_id: str | None
    is_accepted: bool = False
    by: str
    reason: str


class DirectCancel(msgspec.Struct, frozen=True, kw_only=True):
    """A cancel that went straight to the broker, with what came of it."""

    command_id: str
    account: str
    order_id: str
    variety: Literal["regular", "amo", "co", "iceberg", "auction"]
    by: str
    sent_us: int
    state: State
    sentence: str = ""


async def resolve(
    pool: Pool, account: str, command_id: str, resolution: Resolution, *, at_us: int
) -> OrderEvent:
    """End a command of unknown outcome as a person says.

    A placement that was accepted is followed from now on; what never arrived is REFUSED.

    Raises:
        StoreError: there is no such command, or it is not UNKNOWN or MANUAL, or it was accepted
            under an id that nobody said; PostgreSQL is away.
    """
    async with pool.transaction() as connection:
        fence, sequence = await _lock(connection, account)
        found = await connection.fetchrow(
            f"SELECT {COMMAND_COLUMNS} FROM order_commands "  # noqa: S608  # our own names
            "WHERE account = $1 AND command_id = $2",
            account,
            command_id,
        )
        if found is None:
            raise StoreError(f"account {account} has no command {command_id}")
        row = command_row(found)
        if row.state not in RESOLVABLE:
            raise StoreError(f"command {command_id} is {row.state}, not UNKNOWN or MANUAL")
        after = _resolved(row, resolution, at_us)
        await connection.execute(
            "UPDATE order_commands SET state = $3, order_id = $4, reason = $5, is_open = $6, "
            "changed_us = $7, fence = $8 WHERE account = $1 AND command_id = $2",
            account,
            command_id,
            after.state,
            after.order_id,
            reason_text(after.reason),
            after.is_open,
            at_us,
            fence,
        )
        event = _event(after, "resolved", account=account, sequence=sequence + 1, at_us=at_us)
        await _emit(connection, event, fence)
    return event


async def record_direct(pool: Pool, cancel: DirectCancel, *, at_us: int) -> bool:
    """Write a direct cancel as a command of its own; False where it is there already.

    Raises:
        StoreError: no executor ever held the account; PostgreSQL is away.
    """
    async with pool.transaction() as connection:
        fence, sequence = await _lock(connection, cancel.account)
        row = _direct_row(cancel, at_us)
        tag = await connection.execute(
            "INSERT INTO order_commands (account, command_id, kind, fingerprint, encoding, "
            "payload, priority, state, order_id, attempts, reason, received_us, sending_us, "
            "changed_us, is_open, fence) "
            "VALUES ($1, $2, 'cancel', $3, 'json', $4, 0, $5, $6, 1, $7, $8, $8, $9, $10, $11) "
            "ON CONFLICT DO NOTHING",
            cancel.account,
            row.command_id,
            row.fingerprint,
            row.payload,
            row.state,
            row.order_id,
            reason_text(row.reason),
            cancel.sent_us,
            at_us,
            row.is_open,
            fence,
        )
        if tag != "INSERT 0 1":
            return False
        event = _event(
            row, "cancelled_directly", account=cancel.account, sequence=sequence + 1, at_us=at_us
        )
        await _emit(connection, event, fence)
    return True


def _resolved(row: CommandRow, resolution: Resolution, at_us: int) -> CommandRow:
    has_arrived = resolution.is_accepted or resolution.order_id is not None
    if has_arrived and row.kind != "convert" and not (resolution.order_id or row.order_id):
        raise StoreError(
            f"command {row.command_id} is a {row.kind}: say under which id it is there"
        )
    reason = Reason(
        code="resolved_by_person",
        sentence=f"{resolution.by}: {resolution.reason}",
        measured=_found(resolution) if has_arrived else "never arrived",
    )
    return msgspec.structs.replace(
        row,
        state=State.ACCEPTED if has_arrived else State.REFUSED,
        order_id=resolution.order_id or row.order_id,
        reason=reason,
        # Orders, cancels are followed to their end; the rest is done when the broker took it.
        is_open=has_arrived and row.kind in ("place", "cancel"),
        changed_us=at_us,
    )


def _found(resolution: Resolution) -> str:
    return f"accepted as {resolution.order_id}" if resolution.order_id else "accepted"


def _direct_row(cancel: DirectCancel, at_us: int) -> CommandRow:
    command = Cancel(command_id=cancel.command_id, order_id=cancel.order_id, variety=cancel.variety)
    payload = encode(command)[JSON_FIELD]
    return CommandRow(
        command_id=cancel.command_id,
        serial=0,
        kind="cancel",
        fingerprint=hashlib.sha256(payload).digest(),
        encoding="json",
        payload=payload,
        priority=0,
        strategy_id="",
        state=cancel.state,
        exposure=None,
        target_command_id=None,
        order_id=cancel.order_id,
        tag=None,
        attempts=1,
        reason=Reason(code="sent_directly", sentence=f"{cancel.by}: {cancel.sentence}"),
        valid_until_us=None,
        received_us=cancel.sent_us,
        sending_us=cancel.sent_us,
        changed_us=at_us,
        is_open=cancel.state in {State.ACCEPTED, State.UNKNOWN},
    )


def _event(row: CommandRow, name: str, *, account: str, sequence: int, at_us: int) -> OrderEvent:
    event = OrderEvent(
        sequence=sequence,
        account=account,
        command_id=row.command_id,
        kind=row.kind,
        event=name,
        state=row.state,
        at_us=at_us,
        strategy_id=row.strategy_id,
        tag=row.tag or "",
        order_id=row.order_id or "",
        reason=row.reason,
    )
    try:
        command: Command = decode({row.encoding.encode(): row.payload}, Command)
    except MessageError:
        return event  # a command of another release can be ended all the same
    if not isinstance(command, Place):
        return event
    return msgspec.structs.replace(
        event,
        exchange=command.exchange,
        tradingsymbol=command.tradingsymbol,
        transaction_type=command.transaction_type,
        quantity=command.quantity,
    )


async def _lock(connection: Connection, account: str) -> tuple[int, int]:
    row = await connection.fetchrow(
        "SELECT fence, event_sequence FROM order_accounts WHERE account = $1 FOR UPDATE", account
    )
    if row is None:
        raise StoreError(f"account {account} has no journal: no executor ever traded for it")
    return row["fence"], row["event_sequence"]


async def _emit(connection: Connection, event: OrderEvent, fence: int) -> None:
    await connection.execute(
        "UPDATE order_accounts SET event_sequence = $2 WHERE account = $1",
        event.account,
        event.sequence,
    )
    await connection.execute(
        "INSERT INTO order_events (account, sequence, command_id, payload, is_step, fence) "
        "VALUES ($1, $2, $3, $4, true, $5)",
        event.account,
        event.sequence,
        event.command_id,
        encode(event)[JSON_FIELD],
        fence,
    )
