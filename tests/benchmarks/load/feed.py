"""A Kite that sends at a rate of its own: REST, WebSocket, an open loop of full packets.

`python -m tests.benchmarks.load.feed` prints its addresses as one JSON line, then obeys lines
`RATE PER_FRAME SECONDS` on standard input, answering each with one JSON line.
Each packet says in volume_traded how many packets of its instrument came before it, and in the two
quantity totals when it was meant to be sent (Unix microseconds, high then low 32 bits).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import ClassVar

import msgspec
import numpy as np
import uvloop
from aiohttp import web
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from tests.benchmarks.load import market

#: Behind its schedule by more than this at the end, the load was not what it claims to be.
BEHIND_S_MAX = 0.25
HEARTBEAT_S = 1.0
STEP_S = 0.001


class Client(WSListener):
    """One ingest connection and what it subscribed to."""

    transports: ClassVar[list[WSTransport]] = []
    subscribed: ClassVar[set[int]] = set()

    def on_ws_connected(self, transport: WSTransport) -> None:
        Client.transports.append(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            message = msgspec.json.decode(frame.get_payload_as_bytes())
            if message["a"] == "subscribe":
                Client.subscribed.update(message["v"])
        elif frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        Client.transports.remove(transport)


class Feed:
    """The packets of the market, sent round and round."""

    def __init__(self, rows: np.ndarray) -> None:
        self._rows = rows
        self._sent = np.zeros(len(rows), dtype=np.uint32)
        self._at = 0

    def frame(self, size: int, intended_us: int) -> bytes:
        """Return the next frame of `size` packets, stamped."""
        chosen = np.arange(self._at, self._at + size) % len(self._rows)
        self._at = (self._at + size) % len(self._rows)
        packets = self._rows[chosen]
        packets["volume_traded"] = self._sent[chosen]
        self._sent[chosen] += 1
        packets["total_buy_quantity"] = intended_us >> 32
        packets["total_sell_quantity"] = intended_us & 0xFFFFFFFF
        return size.to_bytes(2, "big") + packets.tobytes()

    async def run(self, rate: int, size: int, seconds: float) -> dict[str, float]:
        """Send `rate` packets a second in frames of `size`; return what was sent and how late."""
        frames_total = round(rate * seconds / size)
        gap_s = size / rate
        start_s = time.time() + 0.05
        worst_s = 0.0
        for number in range(frames_total):
            due_s = start_s + number * gap_s
            while (ahead_s := due_s - time.time()) > 0:  # noqa: ASYNC110  # a schedule, not an event
                await asyncio.sleep(ahead_s if ahead_s > STEP_S else 0)
            worst_s = max(worst_s, -ahead_s)
            frame = self.frame(size, round(due_s * 1e6))
            for transport in Client.transports[:1]:
                transport.send(WSMsgType.BINARY, frame)
            if number % 64 == 63:
                await asyncio.sleep(0)
        behind_s = time.time() - (start_s + frames_total * gap_s)
        return {"sent": frames_total * size, "behind_s": behind_s, "worst_s": worst_s}


async def heartbeats() -> None:
    """Send Kite's heartbeat to every client, each second."""
    while True:
        await asyncio.sleep(HEARTBEAT_S)
        for transport in Client.transports:
            transport.send(WSMsgType.BINARY, b"\0")


async def serve() -> None:
    """Listen, print where, obey."""
    now_s = int(time.time())
    listed = market.contracts(now_s)
    dump = market.dump(market.indices() + listed)
    application = web.Application()

    async def instruments(_: web.Request) -> web.Response:
        return web.Response(body=dump, content_type="text/csv")

    async def prices(request: web.Request) -> web.Response:
        found = {name: {"last_price": market.SPOT} for name in request.query.getall("i", [])}
        return web.json_response({"status": "success", "data": found})

    application.router.add_get("/instruments", instruments)
    application.router.add_get("/quote/ltp", prices)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    rest = runner.addresses[0][1]

    def accept(_: WSUpgradeRequest) -> WSListener:
        return Client()

    server = await ws_create_server(accept, "127.0.0.1", 0)
    socket_port = server.sockets[0].getsockname()[1]
    feed = Feed(market.packets(listed, now_s))
    beat = asyncio.create_task(heartbeats(), name="heartbeats")
    _say({"rest_url": f"http://127.0.0.1:{rest}", "ws_url": f"ws://127.0.0.1:{socket_port}",
          "instruments": len(listed), "now_s": now_s})  # fmt: skip
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if line.strip() == "subscribed":
            _say({"subscribed": len(Client.subscribed)})
            continue
        rate, size, seconds = line.split()
        _say(await feed.run(int(rate), int(size), float(seconds)))
    beat.cancel()


def _say(answer: dict[str, object] | dict[str, float]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(serve())
