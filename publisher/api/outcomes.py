"""What became of commands, told to whoever waits for it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from publisher.feeds.catalogue import Malformed
from publisher.feeds.tick_feed import MESSAGE_ENTRIES_MAX
from shared.errors import MessageError
from shared.streams.client import Connection
from shared.streams.reader import TailReader
from shared.wire import codec, topics
from shared.wire.orders import OrderEvent

#: Events of one command that a waiting request has not looked at; a command has some ten in all.
EVENTS_WAITING_MAX = 64

Watch = asyncio.Queue[OrderEvent]


class Outcomes:
    """Who waits for which command."""

    def __init__(self) -> None:
        self._watches: defaultdict[tuple[str, str], list[Watch]] = defaultdict(list)
        self.waiting = 0
        #: Set whenever anything was told of any account; whoever looks clears it.
        self.moved = asyncio.Event()

    @contextmanager
    def watch(self, account: str, command_id: str) -> Iterator[Watch]:
        """Give the command's events from now on."""
        watch: Watch = asyncio.Queue(EVENTS_WAITING_MAX)
        key = (account, command_id)
        self._watches[key].append(watch)
        self.waiting += 1
        try:
            yield watch
        finally:
            self.waiting -= 1
            self._watches[key].remove(watch)
            if not self._watches[key]:
                del self._watches[key]

    def tell(self, account: str, event: OrderEvent) -> None:
        """Tell an event; one that nobody takes in time pushes out the oldest."""
        self.moved.set()
        for watch in self._watches.get((account, event.command_id), ()):
            if watch.full():
                watch.get_nowait()
            watch.put_nowait(event)


class OutcomeFeed:
    """Reads the accounts' events for those who wait; what was missed nobody waited for."""

    name = "outcomes"

    def __init__(
        self,
        redis: Connection,
        outcomes: Outcomes,
        malformed: Malformed,
        *,
        accounts: Iterable[str],
        block_ms: int,
    ) -> None:
        self._outcomes = outcomes
        self._malformed = malformed
        self._accounts = {topics.EVENTS.name(each): each for each in accounts}
        self._reader = TailReader(
            redis,
            dict.fromkeys(self._accounts, "$"),
            count_max=MESSAGE_ENTRIES_MAX,
            block_ms=block_ms,
        )

    async def begin(self) -> None:
        """Miss nothing from here on; after an outage the reader goes on where it was."""
        await self._reader.pin()

    async def step(self) -> None:
        """Read the accounts once."""
        for entry in await self._reader.read():
            try:
                event: OrderEvent = codec.decode(entry.fields, OrderEvent)
            except MessageError as error:
                self._malformed.note(entry, error)
                continue
            self._outcomes.tell(self._accounts[entry.stream], event)
