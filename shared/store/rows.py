"""The journal's rows as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from shared.wire.orders import Reason, State

Encoding = Literal["json", "msgpack"]
Origin = Literal["OURS", "EXTERNAL"]


class NewCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A command as it is claimed; `payload` is the entry's own bytes in its `encoding`."""

    command_id: str
    kind: str
    fingerprint: bytes
    encoding: Encoding
    payload: bytes
    priority: int
    strategy_id: str = ""
    exposure: str | None = None
    target_command_id: str | None = None
    order_id: str | None = None
    valid_until_us: int | None = None
    parent_command_id: str | None = None


class CommandRow(msgspec.Struct, frozen=True, kw_only=True):
    """A claimed command: what was asked, with all that is known of what became of it."""

    command_id: str
    serial: int
    kind: str
    fingerprint: bytes
    encoding: Encoding
    payload: bytes
    priority: int
    strategy_id: str
    state: State
    exposure: str | None
    target_command_id: str | None
    order_id: str | None
    tag: str | None
    attempts: int
    reason: Reason | None
    valid_until_us: int | None
    received_us: int
    sending_us: int | None
    changed_us: int
    is_open: bool
    parent_command_id: str | None = None
    slices_refused: int | None = None


class Lot(msgspec.Struct, frozen=True, kw_only=True):
    """Commands in one state; `oldest_us` is when the first of them was sent, or else received."""

    commands: int
    oldest_us: int


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """An order of the broker as last seen; `seen` is the whole view as JSON text."""

    order_id: str
    command_id: str | None
    origin: Origin
    status: str
    is_terminal: bool
    filled: int
    version: str
    modifications: int
    seen: str
    observed_us: int


class Switches(msgspec.Struct, frozen=True, kw_only=True):
    """What keeps a command back: trading (state, scope); the placement `in_doubt` it resembles."""

    trading: tuple[tuple[str, str], ...] = ()
    in_doubt: str | None = None


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event of the outbox: its number and its bytes as they are published."""

    sequence: int
    payload: bytes


COMMAND_COLUMNS = ", ".join(CommandRow.__struct_fields__)
ORDER_COLUMNS = ", ".join(OrderRow.__struct_fields__)


def command_row(row: Mapping[str, Any]) -> CommandRow:
    """Return the command of a row that has `COMMAND_COLUMNS`."""
    reason = row["reason"]
    return CommandRow(
        **{
            **dict(row.items()),
            "fingerprint": bytes(row["fingerprint"]),
            "payload": bytes(row["payload"]),
            "state": State(row["state"]),
            "reason": None if reason is None else msgspec.json.decode(reason, type=Reason),
        }
    )


def order_row(row: Mapping[str, Any]) -> OrderRow:
    """Return the order of a row that has `ORDER_COLUMNS`."""
    return OrderRow(**dict(row.items()))


def reason_text(reason: Reason | None) -> str | None:
    """Return a reason as the column keeps it."""
    return None if reason is None else msgspec.json.encode(reason).decode()
