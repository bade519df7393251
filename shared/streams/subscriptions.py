"""The layout of every ingest, kept in the tick Redis."""

from __future__ import annotations

import msgspec
from redis.asyncio import Redis

from shared.errors import MessageError
from shared.streams.client import call
from shared.wire.subscriptions import Subscriptions
from shared.wire.topics import SUBSCRIPTIONS


async def put_subscriptions(redis: Redis, name: str, layout: Subscriptions) -> None:
    """Publish what the ingest called `name` holds, in place of what it said before.

    Raises:
        StreamError: Redis refused or vanished.
    """
    body = msgspec.json.encode(layout)
    await call(redis, "publishing the subscriptions", "HSET", SUBSCRIPTIONS.name(), name, body)


async def get_subscriptions(redis: Redis) -> dict[str, Subscriptions]:
    """Return what every ingest said last, by its name.

    Raises:
        MessageError: what is published is no layout.
        StreamError: Redis refused or vanished.
    """
    name = SUBSCRIPTIONS.name()
    words = await call(redis, "reading the subscriptions", "HGETALL", name)
    pairs = words.items() if isinstance(words, dict) else zip(words[::2], words[1::2], strict=True)
    try:
        return {key.decode(): msgspec.json.decode(body, type=Subscriptions) for key, body in pairs}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MessageError(f"{name}: {error}") from error
