from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from redis.exceptions import AuthenticationError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from shared.errors import SettingsError, StreamError
from shared.secret import Secret
from shared.streams.client import answer_timeout_s, check_block, connect, ping, translate
from shared.streams.settings import RedisSettings

PASSWORD = "s3cr3t-pass"


def settings_for(url, **more):
    return RedisSettings(ticks_url=Secret(url), orders_url=Secret(url), **more)


def connected(url, **more):
    return connect(Secret(url), name="test", settings=settings_for(url, **more))


@pytest.mark.parametrize(
    "error",
    [
        RedisConnectionError("Error 2 connecting to unix socket: /x. No such file."),
        RedisTimeoutError("Timeout reading from /x"),
        AuthenticationError("WRONGPASS invalid username-password pair"),
        ResponseError("OOM command not allowed when used memory > 'maxmemory'."),
        OSError(9, "Bad file descriptor"),
    ],
)
def test_error_of_the_library_becomes_one_sentence_that_says_what_was_done(error):
    with pytest.raises(StreamError, match=r"^XADD to a: .+[^.]$") as caught, translate("XADD to a"):
        raise error
    assert caught.value.__cause__ is error


def test_error_without_a_text_is_named():
    with pytest.raises(StreamError, match=r"^XADD to a: TimeoutError$"), translate("XADD to a"):
        raise RedisTimeoutError


@pytest.mark.parametrize("error", [ValueError("ours"), asyncio.CancelledError()])
def test_what_is_not_of_redis_travels_on(error):
    with pytest.raises(type(error)), translate("XADD to a"):
        raise error


@pytest.mark.parametrize(
    "url",
    [
        f"redis://u:{PASSWORD}@host:port/0",
        f"http://u:{PASSWORD}@host",
        f"u:{PASSWORD}@host",
        f"redis://u:{PASSWORD}@host/0?protocol=3",
        f"redis://u:{PASSWORD}@host/0?socket_timeout=0",
    ],
)
async def test_url_that_is_none_of_a_redis_is_refused_without_its_password(url):
    with pytest.raises(SettingsError, match="Redis URL") as caught:
        async with connected(url):
            pass
    assert PASSWORD not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


async def test_redis_that_is_not_there_is_an_error_without_the_password(tmp_path):
    async with connected(f"unix://u:{PASSWORD}@{tmp_path}/none.sock") as redis:
        with pytest.raises(StreamError, match=r"^PING of Redis: .*none\.sock") as caught:
            await ping(redis)
    assert PASSWORD not in str(caught.value)


async def test_redis_that_keeps_silent_is_an_error_after_the_patience_named(tmp_path):
    closed = asyncio.Event()

    async def say_nothing(_reader, writer):
        await closed.wait()
        writer.close()

    path = tmp_path / "silent.sock"
    async with await asyncio.start_unix_server(say_nothing, path):
        async with connected(f"unix://{path}", answer_timeout_s=0.05) as redis:
            with pytest.raises(StreamError, match="Timeout"):
                await ping(redis)
        closed.set()


async def test_client_has_the_patience_of_its_settings():
    async with connected("redis://localhost/0", answer_timeout_s=7) as redis:
        assert answer_timeout_s(redis) == 7
        check_block(redis, 6500)
        with pytest.raises(ValueError, match="block_ms is 6501, not within 1 and 6500"):
            check_block(redis, 6501)


async def test_cancellation_that_the_library_swallows_is_raised_all_the_same() -> None:
    waiting = asyncio.Event()

    async def swallow() -> None:
        with translate("a call"), suppress(asyncio.CancelledError):
            waiting.set()
            await asyncio.sleep(10)

    task = asyncio.create_task(swallow(), name="swallow")
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
