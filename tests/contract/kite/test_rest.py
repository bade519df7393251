"""What a broken, slow or odd connection does to a call, on real sockets."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web

from shared.errors import KiteOutcomeUnknown, KiteUnavailable
from shared.kite.rest import KiteRest, Request, open_rest
from shared.kite.settings import KiteSettings
from shared.secret import Secret
from tests.support.kite_rest_server import serving_rest, success
from tests.support.kite_socket_server import serving_bytes

WRITES = [
    Request("POST", "/orders/regular", form=(("tag", "a"),)),
    Request("PUT", "/orders/regular/15", form=(("price", "1"),)),
    Request("DELETE", "/orders/regular/15"),
]
READ = Request("GET", "/orders", changes=False)


@asynccontextmanager
async def rest_to(url: str, **changes: Any) -> AsyncIterator[KiteRest]:
    settings = msgspec.structs.replace(KiteSettings(rest_url=url), **changes)
    async with open_rest(settings, "key", lambda: Secret("s3cr3t")) as rest:
        yield rest


class Dropping:
    """Reads a whole request, counts it, hangs up; `answer` first if there is one."""

    def __init__(self, answer: bytes = b"") -> None:
        self.requests = 0
        self._answer = answer

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                await reader.readexactly(int(line.split(b":")[1]))
        writer.write(self._answer)
        await writer.drain()


@pytest.mark.parametrize("request_", WRITES, ids=lambda request: request.method)
async def test_rest_write_dropped_after_sending_is_unknown_and_not_repeated(
    request_: Request,
) -> None:
    dropping = Dropping()
    async with serving_bytes(dropping) as port, rest_to(f"http://127.0.0.1:{port}") as rest:
        with pytest.raises(KiteOutcomeUnknown, match="after the request was sent"):
            await rest.call(request_)
    assert dropping.requests == 1


@pytest.mark.parametrize("request_", WRITES, ids=lambda request: request.method)
async def test_rest_write_on_a_reused_connection_that_drops_is_not_repeated(
    request_: Request,
) -> None:
    requests = 0

    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        requests += 1

    async with serving_bytes(answer_once) as port, rest_to(f"http://127.0.0.1:{port}") as rest:
        assert (await rest.call(READ)).status == 200
        with pytest.raises(KiteOutcomeUnknown):
            await rest.call(request_)
    assert requests == 1


async def test_rest_read_dropped_after_sending_is_unavailable_and_not_repeated() -> None:
    dropping = Dropping()
    async with serving_bytes(dropping) as port, rest_to(f"http://127.0.0.1:{port}") as rest:
        with pytest.raises(KiteUnavailable, match="before the answer was read"):
            await rest.call(READ)
    assert dropping.requests == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"rubbish\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40_000 + b"\r\n\r\n",
    ],
    ids=["rubbish", "cut body", "cut chunk", "false gzip", "endless header"],
)
async def test_rest_write_answered_with_less_than_an_answer_is_unknown(answer: bytes) -> None:
    async with (
        serving_bytes(Dropping(answer)) as port,
        rest_to(f"http://127.0.0.1:{port}") as rest,
    ):
        with pytest.raises(KiteOutcomeUnknown):
            await rest.call(WRITES[0])


@pytest.mark.parametrize("request_", [*WRITES, READ], ids=lambda request: request.method)
async def test_rest_call_with_nobody_listening_is_unavailable(request_: Request) -> None:
    async with rest_to("http://127.0.0.1:1") as rest:
        with pytest.raises(KiteUnavailable, match="before anything was sent"):
            await rest.call(request_)


async def test_rest_call_to_a_name_that_does_not_resolve_is_unavailable() -> None:
    async with rest_to("http://no-such-host.invalid") as rest:
        with pytest.raises(KiteUnavailable, match="before anything was sent"):
            await rest.call(WRITES[0])


async def test_rest_write_unanswered_in_time_is_unknown() -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with (
        serving_bytes(never) as port,
        rest_to(f"http://127.0.0.1:{port}", answer_timeout_s=0.1) as rest,
    ):
        with pytest.raises(KiteOutcomeUnknown, match="Timeout"):
            await rest.call(WRITES[0])
        with pytest.raises(KiteUnavailable, match="Timeout"):
            await rest.call(READ)


async def test_rest_write_waiting_for_a_free_connection_was_not_sent() -> None:
    held, answering = asyncio.Event(), asyncio.Event()

    async def hold(_: web.Request) -> web.StreamResponse:
        held.set()
        await answering.wait()
        return web.Response()

    async with (
        serving_rest(hold) as server,
        rest_to(server.url, connections_max=1, connect_timeout_s=0.1, call_timeout_s=0.5) as rest,
        asyncio.TaskGroup() as group,
    ):

        async def occupy() -> None:
            with pytest.raises(KiteUnavailable):
                await rest.call(READ)
            answering.set()

        group.create_task(occupy(), name="occupy")
        await held.wait()
        with pytest.raises(KiteUnavailable, match="before anything was sent"):
            await rest.call(WRITES[0])
    assert len(server.noted) == 1


async def test_rest_answer_above_the_limit_is_not_read_on() -> None:
    packed = zlib.compress(bytes(1_000_000))

    async def bomb(_: web.Request) -> web.StreamResponse:
        headers = {"Content-Encoding": "deflate", "Content-Type": "application/json"}
        return web.Response(body=packed, headers=headers)

    async with serving_rest(bomb) as server, rest_to(server.url, body_bytes_max=65_536) as rest:
        with pytest.raises(KiteUnavailable):
            await rest.call(READ)
        with pytest.raises(KiteOutcomeUnknown):
            await rest.call(WRITES[0])


async def test_rest_redirect_is_an_answer_and_is_not_followed() -> None:
    async def away(_: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async with serving_rest(away) as server, rest_to(server.url) as rest:
        assert (await rest.call(WRITES[0])).status == 307
        assert len(server.noted) == 1


async def test_rest_answer_carries_what_limits_and_clocks_need() -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        headers = {"Retry-After": "3", "Date": "Sun, 22 Nov 2026 03:45:00 GMT"}
        return web.Response(status=429, text="{}", headers=headers)

    async with serving_rest(answer) as server, rest_to(server.url) as rest:
        found = await rest.call(READ)
    assert (found.status, found.retry_after) == (429, "3")
    assert found.server_date == "Sun, 22 Nov 2026 03:45:00 GMT"


async def test_rest_connection_is_used_again_while_fresh() -> None:
    async with serving_rest(success(None)) as server, rest_to(server.url) as rest:
        await rest.call(READ)
        await rest.call(READ)
    assert server.peers[0] == server.peers[1]


async def test_rest_connection_idle_for_too_long_is_not_used_again() -> None:
    async with (
        serving_rest(success(None)) as server,
        rest_to(server.url, reuse_idle_s_max=0.05) as rest,
    ):
        await rest.call(READ)
        await asyncio.sleep(0.1)
        await rest.call(READ)
    assert server.peers[0] != server.peers[1]


async def test_rest_connection_with_no_reuse_allowed_is_closed() -> None:
    async with (
        serving_rest(success(None)) as server,
        rest_to(server.url, reuse_idle_s_max=0) as rest,
    ):
        await rest.call(READ)
        await rest.call(READ)
    assert server.peers[0] != server.peers[1]
    assert server.noted[0].headers["Connection"] == "close"


async def test_rest_call_leaves_from_the_registered_address() -> None:
    async with (
        serving_rest(success(None)) as server,
        rest_to(server.url, local_address="127.0.0.2", address_family="ipv4") as rest,
    ):
        await rest.call(READ)
    assert server.peers[0][0] == "127.0.0.2"


async def test_rest_call_pinned_to_a_family_arrives_through_it() -> None:
    async with (
        serving_rest(success(None)) as server,
        rest_to(server.url.replace("127.0.0.1", "localhost"), address_family="ipv4") as rest,
    ):
        await rest.call(READ)
    assert server.peers[0][0] == "127.0.0.1"


async def test_rest_token_is_asked_for_at_every_call() -> None:
    tokens = iter(["one", "two"])
    async with (
        serving_rest(success(None)) as server,
        open_rest(KiteSettings(rest_url=server.url), "key", lambda: Secret(next(tokens))) as rest,
    ):
        await rest.call(READ)
        await rest.call(READ)
    sent = [noted.headers["Authorization"] for noted in server.noted]
    assert sent == ["token key:one", "token key:two"]


async def test_rest_call_cancelled_is_cancelled() -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving_bytes(never) as port, rest_to(f"http://127.0.0.1:{port}") as rest:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await rest.call(WRITES[0])


async def test_rest_errors_show_no_secret() -> None:
    secret = Request("DELETE", "/session/token", query=(("access_token", "s3cr3t"),))
    async with serving_bytes(Dropping()) as port, rest_to(f"http://127.0.0.1:{port}") as rest:
        with pytest.raises(KiteOutcomeUnknown) as caught:
            await rest.call(secret)
        assert "s3cr3t" not in repr(rest)
    assert "s3cr3t" not in repr(caught.value) + repr(secret)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
