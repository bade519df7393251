"""Connections to what the operator looks at."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeVar

from shared.errors import SettingsError, StreamError
from shared.ops.settings import OpsSettings
from shared.secret import Secret
from shared.streams.client import Connection, connect, ping

T = TypeVar("T")
Instance = Literal["ticks", "orders"]
#: What CLIENT LIST shows.
CLIENT_NAME = "tickflow-ops"


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run what a command does.

    Raises:
        KeyboardInterrupt: the operator has seen enough.
    """
    try:
        return asyncio.run(_until_interrupted(coroutine))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def heed_interrupt() -> None:
    """End a loop of Redis commands that did not notice the operator's Ctrl-C.

    Source: the client library sends through asyncio.wait_for, which on Python 3.11 loses a
    cancellation that comes while the sending ends (python/cpython issue 86296).

    Raises:
        CancelledError: somebody asked this task to end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _until_interrupted(coroutine: Coroutine[Any, Any, T]) -> T:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
    return await coroutine


def url_of(settings: OpsSettings, instance: Instance) -> Secret:
    """Return the URL of one of the two Redis.

    Raises:
        SettingsError: nobody named one, and no pipeline runs here.
    """
    redis = settings.redis
    url = redis.ticks_url if instance == "ticks" else redis.orders_url
    if not url:
        raise SettingsError(
            f"no Redis of {instance}: set TICKFLOW_REDIS__{instance.upper()}_URL, or start "
            "the pipeline on this machine: tickflow up"
        )
    return url


@asynccontextmanager
async def reach(settings: OpsSettings, instance: Instance) -> AsyncIterator[Connection]:
    """Hold a connection to the Redis of ticks or of orders that answers.

    Raises:
        SettingsError: nobody named one, and no pipeline runs here.
        StreamError: it does not answer.
    """
    url = url_of(settings, instance)
    async with connect(url, name=CLIENT_NAME, settings=settings.redis) as redis:
        try:
            await ping(redis)
        except StreamError as error:
            raise StreamError(f"Redis of {instance} does not answer: {error}") from error
        yield redis


def instances(settings: OpsSettings, wanted: str = "both") -> tuple[Instance, ...]:
    """Return the Redis to look at: one server behind both URLs is looked at once.

    Raises:
        SettingsError: nobody named one, and no pipeline runs here.
    """
    if wanted != "both":
        return ("orders",) if wanted == "orders" else ("ticks",)
    redis = settings.redis
    if not redis.ticks_url and redis.orders_url:
        return ("orders",)
    is_one = not redis.orders_url or redis.orders_url == redis.ticks_url
    return ("ticks",) if is_one else ("ticks", "orders")
