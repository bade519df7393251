"""An HTTP server that notes every request and answers as a test tells it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Noted:
    """One request as it arrived; parameters decoded, in order."""

    method: str
    path: str
    query: list[tuple[str, str]]
    form: list[tuple[str, str]]
    headers: dict[str, str]
    json: Any = None


@dataclass
class RestServer:
    """Where it listens and what it was asked."""

    url: str = ""
    noted: list[Noted] = field(default_factory=list)
    peers: list[tuple[str, int]] = field(default_factory=list)


def success(data: Any) -> Answering:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "success", "data": data})

    return answer


@asynccontextmanager
async def serving_rest(answer: Answering) -> AsyncIterator[RestServer]:
    """Serve `answer` on a loopback port."""
    server = RestServer()

    async def handle(request: web.Request) -> web.StreamResponse:
        body = (await request.read()).decode()
        is_json = request.content_type == "application/json" and body
        server.noted.append(
            Noted(
                request.method,
                request.raw_path.partition("?")[0],
                parse_qsl(request.query_string, keep_blank_values=True),
                [] if is_json else parse_qsl(body, keep_blank_values=True),
                dict(request.headers),
                json.loads(body) if is_json else None,
            )
        )
        assert request.transport is not None
        server.peers.append(request.transport.get_extra_info("peername")[:2])
        return await answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()
