"""The account's key and token as its sources tell them, in every REST session of the executor."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from shared.accounts.book import AccountBook
from shared.accounts.live import LiveAccount
from shared.clock import Clock
from shared.kite.rest import KiteRest, open_rest
from shared.kite.settings import KiteSettings
from shared.runtime.probe import PASSED, Check
from shared.runtime.resources import Resources
from shared.runtime.supervise import supervise
from shared.secret import Secret

#: How often it is asked whether it is time to stop, while nothing changes.
_LOOK_S: Final = 0.5


class HeldAccount:
    """One account of the book; a login made while it is held counts from the next call on."""

    def __init__(self, book: AccountBook, live: LiveAccount, clock: Clock) -> None:
        self._book = book
        self._live = live
        self._clock = clock

    async def enter_rest(self, settings: KiteSettings, resources: Resources) -> KiteRest:
        """Enter a REST session that asks for key and token at every call."""
        rest = await resources.enter(open_rest(settings, "", lambda: Secret("")))

        def token() -> Secret:
            # Asked first at every call: so the key is never another's than the token's.
            rest.api_key = self._live.api_key().reveal()
            return self._live.token()

        rest.access_token = token
        return rest

    def api_secret(self) -> Secret:
        """Return what proves postbacks, empty where nobody said."""
        return self._live.api_secret()

    async def check(self) -> Check:
        """Say whether there is a token of today, from 08:30 IST on."""
        trouble = self._live.status(self._clock.now_ns()).trouble
        return Check(ok=False, reason=trouble) if trouble else PASSED

    async def run(self, changed: asyncio.Event, stopping: asyncio.Event) -> None:
        """Keep the book until `stopping`; set `changed` when key or token are others."""
        async with asyncio.TaskGroup() as group:
            supervise(group, self._book.run(stopping), name="account book", stopping=stopping)
            supervise(group, self._tell(changed, stopping), name="logins", stopping=stopping)

    async def _tell(self, changed: asyncio.Event, stopping: asyncio.Event) -> None:
        seen = self._live.generation
        while not stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    seen = await self._live.wait_changed(seen)
                    changed.set()
