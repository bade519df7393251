"""A connection that one writer keeps: commands out in one piece, answers in the order asked.

The client's own pipeline borrows a connection, makes a task and a timer per answer for every
call, which is most of what a stream costs that is written hundreds of times a second.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as AnswerTimeout

from shared.streams.client import Word, answer_timeout_s

#: Longer words go to the socket as they are instead of being copied together.
COPY_BYTES_MAX: Final = 4096
_BEGIN: Final = ("MULTI",)
_COMMIT: Final = ("EXEC",)


class Line:
    """One connection of a client's pool, borrowed until it breaks; one exchange at a time."""

    def __init__(self, redis: Redis) -> None:
        self._pool = redis.connection_pool
        self._timeout_s = answer_timeout_s(redis)
        self._connection: AbstractConnection | None = None
        self._turn = asyncio.Lock()

    async def exchange_at_once(self, commands: Sequence[Sequence[Word]]) -> list[Any]:
        """Exchange as one transaction: who waits for several of its keys sees them all change.

        Beyond what `exchange` says: whatever Redis cannot even queue refuses all of them.
        """
        if len(commands) <= 1:
            return await self.exchange(commands)
        begun, *queued, done = await self.exchange([_BEGIN, *commands, _COMMIT])
        if isinstance(begun, ResponseError):  # not allowed: each was done by itself
            return queued
        if isinstance(done, list):
            return done
        reason = next((each for each in queued if isinstance(each, ResponseError)), done)
        return [each if isinstance(each, ResponseError) else reason for each in queued]

    async def exchange(self, commands: Sequence[Sequence[Word]]) -> list[Any]:
        """Send `commands`, return an answer for each; a refusal is a `ResponseError` in its place.

        Raises:
            RedisError, OSError: the library's own; what was sent may have been done.
        """
        async with self._turn:
            is_whole = False
            try:
                async with asyncio.timeout(self._timeout_s):
                    answers = await self._exchanged(packed(commands))
                is_whole = True
            except TimeoutError as error:
                raise AnswerTimeout(f"no answer in {self._timeout_s:g} s") from error
            finally:
                if not is_whole:  # an answer that nobody waits for may still be on its way
                    await self._hang_up()
            return answers

    async def _exchanged(self, pieces: tuple[list[bytes | memoryview], int]) -> list[Any]:
        connection = await self._connected()
        # A peer that is gone is noticed here, before anything is sent into nowhere.
        if await connection.can_read():
            await self._hang_up()
            connection = await self._connected()
        words, count = pieces
        await connection.send_packed_command(words, check_health=False)  # type: ignore[arg-type]  # buffers pass
        return [await self._answer(connection) for _ in range(count)]

    async def _answer(self, connection: AbstractConnection) -> Any:
        try:
            return await connection.read_response(timeout=math.inf)
        except ResponseError as error:
            return error

    async def _connected(self) -> AbstractConnection:
        if self._connection is None:
            self._connection = await self._pool.get_connection()  # type: ignore[no-untyped-call]  # as its signature is
            # The whole exchange has one timeout; the library's would cost a task per call.
            self._connection.socket_timeout = None
        return self._connection

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.socket_timeout = self._timeout_s
            await connection.disconnect(nowait=True)
            await self._pool.release(connection)


def packed(commands: Iterable[Sequence[Word]]) -> tuple[list[bytes | memoryview], int]:
    """Return commands in Redis's own form, long words without a copy; how many they are."""
    pieces: list[bytes | memoryview] = []
    small, count = bytearray(), 0
    for words in commands:
        count += 1
        small += b"*%d\r\n" % len(words)
        for word in words:
            plain = word if type(word) is bytes else _plain(word)
            size = plain.nbytes if isinstance(plain, memoryview) else len(plain)
            if size <= COPY_BYTES_MAX and type(plain) is bytes:
                small += b"$%d\r\n%b\r\n" % (size, plain)  # nearly every word
                continue
            small += b"$%d\r\n" % size
            if size <= COPY_BYTES_MAX:
                small += plain
            else:
                pieces += [bytes(small), memoryview(plain)]
                small = bytearray()
            small += b"\r\n"
    pieces.append(bytes(small))
    return pieces, count


def _plain(word: Word) -> bytes | bytearray | memoryview:
    if type(word) is str:  # nearly always
        return word.encode()
    if isinstance(word, (bytes, bytearray, memoryview)):
        return word
    return word.encode() if isinstance(word, str) else repr(word).encode()
