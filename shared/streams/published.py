"""What late comers need to know of the market, kept in the tick Redis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import msgspec
import numpy as np
from redis.asyncio import Redis

from shared.errors import MessageError
from shared.streams.client import Word, call, call_all
from shared.wire import topics
from shared.wire.chains import OPENING_OI_DTYPE
from shared.wire.instruments import INSTRUMENT, INSTRUMENT_DTYPE
from shared.wire.layout import Layout
from shared.wire.shards import ShardMap
from shared.wire.ticks import TICK_DTYPE

Records = np.ndarray[Any, np.dtype[np.void]]

#: All of Kite's instruments are some 120,000.
INSTRUMENTS_MAX = 1_000_000
#: Records of one HSET; a shard of 3,000 needs three.
LAST_TICKS_AT_ONCE_MAX = 1024
_KEY_FIELD = "instrument_token"


async def put_instruments(redis: Redis, version: int, records: Records) -> None:
    """Publish the instruments, sorted by token here, in place of the version before.

    Raises:
        StreamError: Redis refused or vanished.
        ValueError: records of another layout, or too many.
    """
    if records.dtype != INSTRUMENT_DTYPE or len(records) > INSTRUMENTS_MAX:
        raise ValueError(
            f"{len(records)} records of {records.dtype.itemsize} bytes, not instruments"
        )
    fields: dict[str, int | bytes] = {
        "version": version,
        "count": len(records),
        "layout": msgspec.json.encode(INSTRUMENT.describe()),
        "records": np.sort(records, order=_KEY_FIELD).tobytes(),
    }
    words: list[str | int | bytes] = [word for pair in fields.items() for word in pair]
    await call(redis, "publishing the instruments", "HSET", topics.INSTRUMENTS.name(), *words)


async def get_instruments(redis: Redis) -> tuple[int, Records]:
    """Return version and records, read-only, sorted by token; version 0 where none is published.

    Raises:
        MessageError: what is published is of another layout or size.
        StreamError: Redis refused or vanished.
    """
    name = topics.INSTRUMENTS.name()
    version, count, records = await call(
        redis, "reading the instruments", "HMGET", name, "version", "count", "records"
    )
    if version is None:
        return 0, np.empty(0, INSTRUMENT_DTYPE)
    if len(records) != int(count) * INSTRUMENT_DTYPE.itemsize:
        raise MessageError(
            f"{name}: {len(records)} bytes for {int(count)} records of {INSTRUMENT_DTYPE.itemsize}"
        )
    return int(version), np.frombuffer(records, INSTRUMENT_DTYPE)


async def get_instruments_version(redis: Redis) -> int:
    """Return the version that is published, 0 for none, without the records.

    Raises:
        StreamError: Redis refused or vanished.
    """
    version = await call(
        redis, "reading the instruments' version", "HGET", topics.INSTRUMENTS.name(), "version"
    )
    return int(version or 0)


async def put_shard_map(redis: Redis, shard_map: ShardMap) -> None:
    """Publish the shard map in place of the one before.

    Raises:
        StreamError: Redis refused or vanished.
    """
    await call(
        redis,
        "publishing the shard map",
        "SET",
        topics.SHARDS.name(),
        msgspec.json.encode(shard_map),
    )


async def get_shard_map(redis: Redis) -> ShardMap | None:
    """Return the shard map, None where none is published.

    Raises:
        MessageError: what is published is not a shard map.
        StreamError: Redis refused or vanished.
    """
    body = await call(redis, "reading the shard map", "GET", topics.SHARDS.name())
    if body is None:
        return None
    try:
        return msgspec.json.decode(body, type=ShardMap)
    except msgspec.DecodeError as error:
        raise MessageError(f"{topics.SHARDS.name()}: {error}") from error


async def put_layouts(redis: Redis, layouts: Sequence[Layout]) -> None:
    """Publish the record layouts as one JSON object, by name.

    Raises:
        StreamError: Redis refused or vanished.
    """
    described = {layout.name: layout.describe() for layout in layouts}
    await call(
        redis,
        "publishing the layouts",
        "SET",
        topics.LAYOUTS.name(),
        msgspec.json.encode(described),
    )


async def get_layouts(redis: Redis) -> dict[str, Any]:
    """Return the published layouts by name, as plain values; none where none are published.

    Raises:
        StreamError: Redis refused or vanished.
    """
    body = await call(redis, "reading the layouts", "GET", topics.LAYOUTS.name())
    return cast("dict[str, Any]", msgspec.json.decode(body)) if body else {}


async def put_last(redis: Redis, shard: int, records: Records) -> None:
    """Keep these as the newest of their instruments.

    Raises:
        StreamError: Redis refused or vanished; some may be kept.
        ValueError: records of another layout.
    """
    pipeline = redis.pipeline(transaction=False)
    for words in last_commands(shard, records):
        pipeline.execute_command(*words)
    await call_all(pipeline, f"keeping the last ticks of shard {shard}")


def last_commands(shard: int, records: Records) -> list[list[Word]]:
    """Return the commands that keep these as the newest of their instruments.

    Raises:
        ValueError: records of another layout.
    """
    if records.dtype != TICK_DTYPE:
        raise ValueError(f"records of {records.dtype.itemsize} bytes are not ticks")
    tokens = records[_KEY_FIELD].tolist()
    bodies = np.ascontiguousarray(records).view(f"V{TICK_DTYPE.itemsize}").tolist()
    commands: list[list[Word]] = []
    for start in range(0, len(tokens), LAST_TICKS_AT_ONCE_MAX):
        part = slice(start, start + LAST_TICKS_AT_ONCE_MAX)
        pairs = zip(tokens[part], bodies[part], strict=True)
        words = [word for pair in pairs for word in pair]
        commands.append(["HSET", topics.LAST_TICKS.name(shard), *words])
    return commands


async def get_last(redis: Redis, shard: int) -> Records:
    """Return the newest record of every instrument of the shard, read-only, in no order.

    Raises:
        MessageError: what is kept is of another layout.
        StreamError: Redis refused or vanished.
    """
    name = topics.LAST_TICKS.name(shard)
    bodies = await call(redis, f"reading the last ticks of shard {shard}", "HVALS", name)
    return _joined(name, bodies)


async def get_last_of(redis: Redis, shard: int, tokens: Sequence[int]) -> Records:
    """Return the newest records of those of `tokens` that have one, in their order.

    Raises:
        MessageError: what is kept is of another layout.
        StreamError: Redis refused or vanished.
    """
    if not tokens:
        return np.empty(0, TICK_DTYPE)
    name = topics.LAST_TICKS.name(shard)
    bodies = await call(
        redis, f"reading {len(tokens)} last ticks of shard {shard}", "HMGET", name, *tokens
    )
    return _joined(name, (body for body in bodies if body is not None))


async def put_opening_oi(redis: Redis, shard: int, records: Records) -> None:
    """Keep the day's first open interest of a shard's options, in place of what was kept.

    Raises:
        StreamError: Redis refused or vanished.
        ValueError: records of another layout.
    """
    if records.dtype != OPENING_OI_DTYPE:
        raise ValueError(f"records of {records.dtype.itemsize} bytes are no opening interest")
    name = topics.OPENING_OI.name(shard)
    await call(redis, f"keeping opening interest of shard {shard}", "SET", name, records.tobytes())


async def get_opening_oi(redis: Redis, shard: int) -> Records:
    """Return the day's first open interest of a shard's options, read-only; none where none is.

    Raises:
        MessageError: what is kept is of another layout.
        StreamError: Redis refused or vanished.
    """
    name = topics.OPENING_OI.name(shard)
    body = await call(redis, f"reading opening interest of shard {shard}", "GET", name) or b""
    if len(body) % OPENING_OI_DTYPE.itemsize:
        raise MessageError(f"{name}: {len(body)} bytes are no {OPENING_OI_DTYPE.itemsize} a record")
    return np.frombuffer(body, OPENING_OI_DTYPE)


def _joined(name: str, bodies: Iterable[bytes]) -> Records:
    parts = list(bodies)
    if any(len(part) != TICK_DTYPE.itemsize for part in parts):
        raise MessageError(f"{name}: a record is not {TICK_DTYPE.itemsize} bytes long")
    return np.frombuffer(b"".join(parts), TICK_DTYPE)
