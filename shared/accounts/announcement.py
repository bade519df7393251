"""The word that an account changed: written by whoever changed it, heard by every worker."""

from __future__ import annotations

from collections.abc import Sequence

from shared.accounts import metrics
from shared.errors import MessageError
from shared.streams.client import Connection, call
from shared.streams.entry import Entry
from shared.wire import codec
from shared.wire.control import Control
from shared.wire.topics import CONTROL


async def announce(redis: Connection, account: str, *, version: int, by: str, at_us: int) -> None:
    """Say on control.v1 that the account's row is to be read again; `redis` is that of ticks.

    Raises:
        StreamError: Redis refused or vanished; workers notice at their next poll.
    """
    changed = Control(kind="session_changed", subject=account, version=version, by=by, at_us=at_us)
    words: list[bytes] = [word for pair in codec.encode(changed).items() for word in pair]
    stream = CONTROL.name()
    await call(
        redis,
        f"XADD to {stream}",
        *("XADD", stream, "MAXLEN", "~", CONTROL.entries_max, "*"),
        *words,
    )


def tells_of_accounts(entries: Sequence[Entry]) -> bool:
    """Tell whether an entry of control.v1 says that an account changed."""
    # Every entry is looked at, so that each one that is no message is counted.
    return sum(map(_is_ours, entries)) > 0


def _is_ours(entry: Entry) -> bool:
    try:
        message: Control = codec.decode(entry.fields, Control)
    except MessageError:
        metrics.MESSAGES_REFUSED.inc()
        return False
    return message.kind == "session_changed"
