"""A WebSocket server that does as a test tells it, independent of the client under test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

Script = Callable[[web.WebSocketResponse], Awaitable[None]]


@dataclass
class SocketServer:
    """Where it listens, what it was asked, what it was told."""

    url: str = ""
    requests: list[web.Request] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    pings: int = 0
    closed_with: list[int | None] = field(default_factory=list)


async def listen(socket: web.WebSocketResponse) -> None:
    """A script that only listens; `serving` notes what comes."""


@asynccontextmanager
async def serving(
    script: Script = listen,
    *,
    status: int = 101,
    statuses: Sequence[int] = (),
    answer_pings: bool = True,
) -> AsyncIterator[SocketServer]:
    """Serve `script` on a loopback port, or refuse every handshake with `status`.

    The first handshakes are answered with `statuses`, one each.
    """
    server = SocketServer()
    first = list(statuses)

    async def handle(request: web.Request) -> web.StreamResponse:
        server.requests.append(request)
        answer = first.pop(0) if first else status
        if answer != 101:
            return web.Response(status=answer, text="<html>no</html>", headers={"Location": "/x"})
        socket = web.WebSocketResponse(autoping=False, compress=True)
        await socket.prepare(request)
        await script(socket)
        async for message in socket:
            if message.type is WSMsgType.PING:
                server.pings += 1
                if answer_pings:
                    await socket.pong(message.data)
            elif message.type is WSMsgType.TEXT:
                server.texts.append(message.data)
        server.closed_with.append(socket.close_code)
        return socket

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"ws://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await asyncio.wait_for(runner.cleanup(), 5)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving_bytes(handler: Handler) -> AsyncIterator[int]:
    """Serve `handler` on a loopback port, its number; leaving waits until every one has ended."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    if tasks:
        await asyncio.wait(tasks, timeout=5)
