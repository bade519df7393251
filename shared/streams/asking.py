"""Questions to executors, answers from them: the asker's side of the query stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from redis.asyncio import Redis

from shared.clock import Clock
from shared.errors import MessageError, StreamError
from shared.streams import groups
from shared.streams.answering import REPLY_BYTES_MAX
from shared.streams.client import call
from shared.streams.entry import Entry
from shared.streams.reader import TailReader
from shared.wire.codec import decode, encode
from shared.wire.queries import Query, Reply
from shared.wire.topics import QUERIES, REPLIES

#: Questions waiting at once for one client's answers.
WAITING_MAX: Final = 1_000
#: A reply's data and what is around it.
_MESSAGE_BYTES_MAX: Final = REPLY_BYTES_MAX + 64 * 1024
#: The executor gives up a little before we do: its own words are better than silence.
_MARGIN_S: Final = 0.25
_AWAY_S: Final = 0.2


class Asker:
    """Asks under one client name; made by `asking` only."""

    def __init__(self, redis: Redis, clock: Clock, client: str, reader: TailReader) -> None:
        self._redis = redis
        self._clock = clock
        self._reader = reader
        self._waiting: dict[str, asyncio.Future[Reply]] = {}
        self._asked = 0
        self.client = client

    async def ask(self, account: str, query: Query, timeout_s: float) -> Reply | None:
        """Ask an account's executor; None where nobody answered in time.

        Whatever `query_id`, `client`, `deadline_us` the query has are replaced.

        Raises:
            StreamError: Redis refused or vanished; the question may be in the stream all the same.
        """
        if len(self._waiting) >= WAITING_MAX:
            raise StreamError(f"{WAITING_MAX} questions of {self.client} wait for answers")
        self._asked += 1
        query_id = f"{self._clock.now_ns() // 1000}-{self._asked}"
        deadline_us = self._clock.now_ns() // 1000 + round(timeout_s * 1e6)
        sent = msgspec.structs.replace(
            query, query_id=query_id, client=self.client, deadline_us=deadline_us
        )
        waiting: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[query_id] = waiting
        try:
            await self._send(account, sent)
            async with asyncio.timeout(timeout_s + _MARGIN_S):
                return await waiting
        except TimeoutError:
            return None
        finally:
            del self._waiting[query_id]

    async def run(self) -> None:
        """Hand out answers until cancelled; a Redis that is away is asked again."""
        while True:
            try:
                entries = await self._reader.read()
            except StreamError:
                await asyncio.sleep(_AWAY_S)
                continue
            for entry in entries:
                self._hand_out(entry)

    def _hand_out(self, entry: Entry) -> None:
        try:
            reply: Reply = decode(entry.fields, Reply, bytes_max=_MESSAGE_BYTES_MAX)
        except MessageError:
            return  # not ours to judge: whoever waits for it hears that nobody answered
        waiting = self._waiting.get(reply.query_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)

    async def _send(self, account: str, query: Query) -> None:
        stream = QUERIES.name(account)
        words = [word for pair in encode(query).items() for word in pair]
        bound = ("MAXLEN", "~", QUERIES.entries_max)
        await call(self._redis, f"XADD to {stream}", "XADD", stream, *bound, "*", *words)


@asynccontextmanager
async def asking(
    redis: Redis, clock: Clock, client: str, block_ms: int = 500
) -> AsyncIterator[Asker]:
    """Hold an asker whose answers arrive while the block runs.

    `client` must be the asker's alone: 1 to 48 of a-z 0-9 _ -.

    Raises:
        StreamError: Redis is away.
    """
    stream = REPLIES.name(client)
    newest = await groups.newest_id(redis, stream)
    reader = TailReader(redis, {stream: newest}, block_ms=block_ms)
    asker = Asker(redis, clock, client, reader)
    reading = asyncio.create_task(asker.run(), name=f"replies to {client}")
    try:
        yield asker
    finally:
        # No TaskGroup: it would wrap whatever the caller's block raises.
        reading.cancel()
        await asyncio.wait([reading])
    if not reading.cancelled() and (bug := reading.exception()) is not None:
        raise bug
