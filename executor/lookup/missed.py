"""Order updates that a dead socket may have swallowed: the order book is looked at instead."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from executor.desk import Desk
from shared.errors import MessageError, StreamError
from shared.runtime.logs import get_log
from shared.runtime.supervise import pause
from shared.streams.entry import Entry
from shared.wire import codec
from shared.wire.control import Control

#: How long to wait after a failed read; whatever was said meanwhile, a look makes up for it.
RETRY_S: Final = 1.0

log = get_log()


class Hints(Protocol):
    """Where the entries of control.v1 come from."""

    async def read(self) -> list[Entry]:
        """Return new entries, none when there were none for a while."""
        ...


class MissedUpdates:
    """Asks for a look at the book when ingest says that updates of this account were missed."""

    def __init__(self, hints: Hints, desk: Desk, *, retry_s: float = RETRY_S) -> None:
        self._hints = hints
        self._retry_s = retry_s
        self._account = desk.account
        self._look_soon = desk.look_soon

    async def run(self, stopping: asyncio.Event) -> None:
        """Listen until `stopping`; after a time without Redis look at the book once."""
        is_deaf = False
        while not stopping.is_set():
            try:
                entries = await self._hints.read()
            except StreamError as error:
                if not is_deaf:
                    log.warning("executor.hints_unheard", error=str(error))
                is_deaf = True
                await pause(stopping, self._retry_s)
                continue
            if is_deaf or any(self._is_ours(entry) for entry in entries):
                self._look_soon.set()
            is_deaf = False

    def _is_ours(self, entry: Entry) -> bool:
        try:
            hint: Control = codec.decode(entry.fields, Control)
        except MessageError:
            return False  # a hint of a later version; the poll finds what it was about
        return hint.kind == "order_updates_missed" and hint.subject == self._account
