"""Answers to queries into the streams of those who asked."""

from __future__ import annotations

from typing import Final

from redis.asyncio import Redis

from shared.streams.client import call_all
from shared.wire.codec import encode
from shared.wire.queries import Reply
from shared.wire.topics import REPLIES

#: The longest data of one reply; a request of candles is at most half of it.
REPLY_BYTES_MAX: Final = 4 * 1024 * 1024
#: About what one asker's stream may hold: large answers leave room for fewer.
STREAM_BYTES: Final = 16 * 1024 * 1024


async def put_reply(redis: Redis, client: str, reply: Reply) -> None:
    """Write a reply; the stream goes away when none came for its retention.

    Raises:
        StreamError: Redis refused or vanished; writing it again is harmless.
    """
    stream, fields = REPLIES.name(client), encode(reply)
    words = [word for pair in fields.items() for word in pair]
    kept = min(REPLIES.entries_max, max(1, STREAM_BYTES // len(words[1])))
    pipeline = redis.pipeline(transaction=True)
    pipeline.execute_command("XADD", stream, "MAXLEN", kept, "*", *words)
    pipeline.execute_command("PEXPIRE", stream, REPLIES.retention_s * 1000)
    await call_all(pipeline, f"reply to {client}")
