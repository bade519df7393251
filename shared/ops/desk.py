"""Order commands out, order events in."""

from __future__ import annotations

from collections.abc import AsyncIterator

from shared.clock import Clock
from shared.errors import MessageError, StreamError
from shared.ops.drafts import made_at_ns
from shared.ops.outcome import NotFound
from shared.ops.tail import Deadline, reads
from shared.streams import groups, replies
from shared.streams.client import Connection, call
from shared.streams.entry import Entry
from shared.streams.ids import EntryId
from shared.wire import codec, topics
from shared.wire.orders import Command, OrderEvent

#: Without a `received` event the same command is sent again, which is harmless, after so long.
RESEND_AFTER_S = 2.0
#: Entries of one look back; how much earlier than its id says a command's events may lie.
PAGE_ENTRIES = 1000
SKEW_MS = 3_600_000
_NS_PER_MS = 1_000_000


class Desk:
    """The command stream and the event stream of one account."""

    def __init__(self, redis: Connection, account: str, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock
        self._account = account
        self._commands = topics.COMMANDS.name(account)
        self._events = topics.EVENTS.name(account)

    async def send(self, command: Command) -> EntryId:
        """Write the command; only its `received` event says that somebody took it.

        Raises:
            NotFound: no executor ever read commands of this account.
            StreamError: Redis refused or vanished; send the same command again, it is harmless.
        """
        words: list[bytes] = [word for pair in codec.encode(command).items() for word in pair]
        # A stream made by a misspelt account would wait for an executor for ever.
        try:
            answer = await call(
                self._redis,
                f"XADD to {self._commands}",
                *("XADD", self._commands, "NOMKSTREAM", "*"),
                *words,
            )
        except StreamError as error:
            raise StreamError(
                f"{error}; whether it arrived is not known: the same command with "
                f"--command-id {command.command_id} is never carried out twice"
            ) from error
        if answer is None:
            raise NotFound(f"account {self._account} has no executor: {self._commands} is missing")
        return EntryId(*map(int, answer.split(b"-")))

    async def newest(self) -> EntryId:
        """Return where the event stream stands, to follow it from there.

        Raises:
            StreamError: Redis refused or vanished.
        """
        return await groups.newest_id(self._redis, self._events)

    async def follow(
        self, command: Command, after: EntryId, deadline: Deadline
    ) -> AsyncIterator[OrderEvent]:
        """Give the command's events as they come, sending it again until it is received.

        Raises:
            StreamError: Redis refused or vanished.
        """
        is_received = False
        resend = Deadline(self._clock, RESEND_AFTER_S)
        async for entries in reads(self._redis, {self._events: after}, deadline):
            for event in events_of(entries, command.command_id):
                is_received = True
                yield event
            if not is_received and resend.is_over():
                await self.send(command)
                resend = Deadline(self._clock, RESEND_AFTER_S)

    async def tail(self, deadline: Deadline) -> AsyncIterator[OrderEvent]:
        """Give every event of the account from now on.

        Raises:
            StreamError: Redis refused or vanished.
        """
        async for entries in reads(self._redis, {self._events: "$"}, deadline):
            for event in events_of(entries):
                yield event

    async def history(self, command_id: str) -> list[OrderEvent]:
        """Return the events of a command that the stream still has, oldest first.

        It is read backwards until the command was received, or is known not to exist yet.

        Raises:
            StreamError: Redis refused or vanished.
        """
        made_ns = made_at_ns(command_id)
        floor = "-" if made_ns is None else str(max(0, made_ns // _NS_PER_MS - SKEW_MS))
        found: list[OrderEvent] = []
        before = "+"
        while True:
            page = await self._page(before, floor)
            found += events_of(page, command_id)
            if len(page) < PAGE_ENTRIES or any(_is_first(event) for event in found):
                return sorted(found, key=lambda event: event.sequence)
            before = f"({page[-1].id}"

    async def _page(self, before: str, floor: str) -> list[Entry]:
        reply = await call(
            self._redis,
            f"XREVRANGE of {self._events}",
            *("XREVRANGE", self._events, before, floor, "COUNT", PAGE_ENTRIES),
        )
        return replies.of_range(self._events, reply)


def events_of(entries: list[Entry], command_id: str = "") -> list[OrderEvent]:
    """Return the events in these entries, of one command or of all."""
    wanted = command_id.encode()
    events = []
    for entry in entries:
        if any(wanted in body for body in entry.fields.values()):
            try:
                event: OrderEvent = codec.decode(entry.fields, OrderEvent)
            except MessageError as error:
                raise MessageError(f"{entry.stream} {entry.id}: {error}") from error
            if command_id in {"", event.command_id}:
                events.append(event)
    return events


def _is_first(event: OrderEvent) -> bool:
    return event.event == "received"
