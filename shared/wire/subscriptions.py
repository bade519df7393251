"""What an ingest is subscribed to, published for whoever asks where an instrument is."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Text = Annotated[str, Meta(max_length=200)]
#: Tokens named one by one; beyond it only their number is told.
NAMED_MAX = 1_000


class AccountUse(msgspec.Struct, frozen=True, kw_only=True):
    """One account of an ingest; `trouble` says why it is given no instruments, "" if it is."""

    account: Text
    trouble: Text = ""


class SocketUse(msgspec.Struct, frozen=True, kw_only=True):
    """One socket: what it was asked to hold, by mode, and what it is to hold in the end."""

    account: Text
    socket: int
    state: Text
    instruments: int
    planned: int
    modes: dict[str, int]


class Subscriptions(msgspec.Struct, frozen=True, kw_only=True):
    """The layout of one ingest; `left_out` names the most important of what does not fit.

    `ranking` are the tokens of everything wanted, most important first, little-endian u32 (in JSON
    as base64); `priorities` says how many of them have which priority, in the same order.
    """

    by: Text
    at_us: int
    accounts: list[AccountUse]
    sockets: list[SocketUse]
    wanted: int
    capacity: int
    headroom_per_socket: int
    left_out_count: int = 0
    left_out: list[int] = []
    unlisted_count: int = 0
    unlisted: list[str] = []
    ranking: bytes = b""
    priorities: list[tuple[int, int]] = []
