"""A Kite that sends at a rate of its own: REST, WebSocket, an open loop of full packets.

`python -m tests.benchmarks.load.feed` prints its addresses as one JSON line, then obeys lines
`RATE PER_FRAME SECONDS` on standard input, answering each with one JSON line.
Each packet says in volume_traded how many packets of its instrument came before it, and in the two
quantity totals when it was meant to be sent (Unix microseconds, high then low 32 bits).
"""

from __future__ import annotations

import asyncio
import json
import struct
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
TIMER_S = 0.001
PACKET_BYTES = market.FULL.itemsize
#: volume_traded, total_buy_quantity, total_sell_quantity lie side by side in a full packet.
STAMP = struct.Struct(">III")
STAMP_AT = market.FULL.fields["volume_traded"][1]
#: Below this many packets a loop is faster than columns.
FEW = 16


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
        # Twice over, so that every frame is one stretch of memory, stamped where it lies.
        self._count = len(rows)
        self._rows = np.concatenate((rows.view("V186"), rows.view("V186"))).view(rows.dtype)
        self._bytes = memoryview(self._rows.view(np.uint8))
        self._sent = np.zeros(self._count, dtype=np.uint32)
        self._at = 0

    def frame(self, size: int, intended_us: int) -> bytes:
        """Return the next frame of `size` packets, stamped."""
        at, high, low = self._at, intended_us >> 32, intended_us & 0xFFFFFFFF
        numbers = np.arange(at, at + size) % self._count
        if size < FEW:
            for row, number in enumerate(numbers.tolist(), start=at):
                STAMP.pack_into(
                    self._bytes, row * PACKET_BYTES + STAMP_AT, self._sent[number], high, low
                )
        else:
            packets = self._rows[at : at + size]
            packets["volume_traded"] = self._sent[numbers]
            packets["total_buy_quantity"], packets["total_sell_quantity"] = high, low
        self._sent[numbers] += 1
        self._at = (at + size) % self._count
        return size.to_bytes(2, "big") + self._bytes[at * PACKET_BYTES : (at + size) * PACKET_BYTES]

    async def run(self, rate: int, size: int, seconds: float) -> dict[str, float]:
        """Send `rate` packets a second in frames of `size`; return what was sent and how late."""
        frames_total = round(rate * seconds / size)
        gap_s, at = size / rate, self._at
        start_s = time.time() + 0.05
        worst_s = 0.0
        for number in range(frames_total):
            due_s = start_s + number * gap_s
            # The loop's timer counts whole milliseconds; below one it would spin, on a core that
            # the pipeline needs. Frames due meanwhile follow at once, and their lateness counts
            # against the pipeline, since stamps are those of the schedule.
            while (ahead_s := due_s - time.time()) > 0:  # noqa: ASYNC110  # a schedule, not an event
                await asyncio.sleep(max(ahead_s, TIMER_S))
            worst_s = max(worst_s, -ahead_s)
            frame = self.frame(size, round(due_s * 1e6))
            for transport in Client.transports[:1]:
                transport.send(WSMsgType.BINARY, frame)
            if number % 64 == 63:
                await asyncio.sleep(0)
        behind_s = time.time() - (start_s + frames_total * gap_s)
        return {"sent": frames_total * size, "behind_s": behind_s, "worst_s": worst_s,
                "start_s": start_s, "gap_s": gap_s, "at": at}  # fmt: skip


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
          "tokens": [each.token for each in listed], "now_s": now_s})  # fmt: skip
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
