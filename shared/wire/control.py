"""Control and gap messages: hints to look at a table, and losses told."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Text = Annotated[str, Meta(max_length=200)]

ControlKind = Literal[
    "wants_changed",
    "chain_window_changed",
    "session_changed",
    "trading_state_changed",
    "instruments_changed",
    "shards_changed",
    "order_updates_missed",
]


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """Something changed; the reader looks at the table or key that holds the truth."""

    kind: ControlKind
    subject: Text = ""
    version: int = 0
    by: Text = ""
    at_us: int = 0


GapCause = Literal[
    "disconnected",
    "silent",
    "subscription_moved",
    "intake_full",
    "stream_away",
    "token_expired",
    "damaged_frame",
]


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """No coverage from `from_us` to `to_us` (Unix microseconds) of these instruments."""

    from_us: int
    to_us: int
    account: Text
    socket: int
    instrument_tokens: list[int]
    cause: GapCause
    packets_dropped: int = 0
