"""A connection to one Redis instance, with nothing left to the library's defaults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.connection import ConnectionPool, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from shared.errors import SettingsError, StreamError
from shared.secret import Secret
from shared.streams.settings import RedisSettings

#: What rooms outside this one call an open client; the vendor's name stays in here.
Connection = Redis

#: Shapes of answers differ between 2 and 3; `replies.py` knows those of 2.
PROTOCOL = 2
#: An entry holds up to a megabyte: read in pieces of 64 KiB such entries come a third slower.
READ_BYTES = 1024 * 1024
#: How much earlier than the answer's timeout a blocking read must end.
BLOCK_MARGIN_S = 0.5

#: What a command is made of.
Word = bytes | bytearray | memoryview | str | int | float

_URL_OPTIONS = {
    *("host", "port", "path", "db", "username", "password", "connection_class"),
    *("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs"),
    *("ssl_check_hostname", "ssl_min_version"),
}


@asynccontextmanager
async def connect(url: Secret, *, name: str, settings: RedisSettings) -> AsyncIterator[Redis]:
    """Hold a client of the Redis at `url`; connections are made when needed, closed on leaving.

    A call fails at once with an error where the server is away; the next call connects again.
    `name` is what the operator sees in CLIENT LIST.

    Raises:
        SettingsError: the URL is not one of a Redis.
    """
    pool = ConnectionPool(
        **_address(url),
        max_connections=settings.connections_max,
        client_name=name,
        protocol=PROTOCOL,
        decode_responses=False,
        # A command that may have happened is repeated by whoever knows what it means, never here.
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=settings.connect_timeout_s,
        socket_timeout=settings.answer_timeout_s,
        socket_read_size=READ_BYTES,
        health_check_interval=0,
        driver_info=None,
    )
    redis: Redis = Redis.from_pool(pool)
    try:
        yield redis
    finally:
        await redis.aclose()


def _address(url: Secret) -> dict[str, Any]:
    try:
        options: dict[str, Any] = dict(parse_url(url.reveal()))
    except ValueError:
        # The library's message may quote the URL, hence the password.
        raise SettingsError(
            "Redis URL is malformed: expected redis://, rediss:// or unix://user:password@host/0"
        ) from None
    foreign = sorted(options.keys() - _URL_OPTIONS)
    if foreign:
        raise SettingsError(
            f"Redis URL has the option {foreign[0]}, which is not the URL's to choose"
        )
    return options


@contextmanager
def translate(what: str) -> Iterator[None]:
    """Turn the library's errors into one sentence that begins with `what` was being done.

    Raises:
        StreamError: Redis refused, vanished or kept silent.
    """
    before = _cancellations()
    try:
        yield
    except (RedisError, OSError) as error:
        raise StreamError(f"{what}: {reason_of(error)}") from error
    if _cancellations() > before:
        # The library sends through asyncio.wait_for, which on Python 3.11 may swallow a
        # cancellation that arrives as the send completes (python/cpython#86296).
        raise asyncio.CancelledError


def _cancellations() -> int:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs here, so nothing can be cancelled
        return 0
    return task.cancelling() if task else 0


def reason_of(error: Exception) -> str:
    """Say in words why Redis did not answer as asked."""
    return str(error).strip().rstrip(".") or type(error).__name__


async def raw(redis: Redis, *words: Word, **options: Any) -> Any:
    """Send one command; its errors are the library's own."""
    return await redis.execute_command(*words, **options)  # type: ignore[no-untyped-call]  # the library's signature is


async def call(redis: Redis, what: str, *words: Word, **options: Any) -> Any:
    """Send one command.

    Raises:
        StreamError: Redis refused, vanished or kept silent; it begins with `what`.
    """
    with translate(what):
        return await raw(redis, *words, **options)


async def call_all(pipeline: Pipeline, what: str) -> list[Any]:
    """Send the commands gathered in `pipeline`, in one round trip.

    Raises:
        StreamError: the first that was refused, the others may be done; or Redis vanished.
    """
    with translate(what):
        # Left to itself the library would quote the command, a whole entry.
        answers = await pipeline.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, RedisError):
                raise answer
    return answers


async def ping(redis: Redis) -> None:
    """Ask for a PONG.

    Raises:
        StreamError: none came.
    """
    await call(redis, "PING of Redis", "PING")


def answer_timeout_s(redis: Redis) -> float:
    """Return how long this client waits for an answer, in seconds."""
    timeout_s: float = redis.connection_pool.connection_kwargs["socket_timeout"]
    return timeout_s


def check_block(redis: Redis, block_ms: int) -> None:
    """Refuse a blocking read that would outlast the client's patience.

    Raises:
        ValueError: `block_ms` is under 1 (0 would block for ever) or too near the answer's timeout.
    """
    longest_ms = round((answer_timeout_s(redis) - BLOCK_MARGIN_S) * 1000)
    if not 1 <= block_ms <= longest_ms:
        raise ValueError(f"block_ms is {block_ms}, not within 1 and {longest_ms}")
