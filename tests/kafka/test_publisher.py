"""A publisher that reads its ticks from Kafka, with the same hub."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import AsyncExitStack

import aiohttp
import pytest

from publisher.access.auth import digest
from publisher.settings import PublisherSection, PublisherSettings
from publisher.worker import build
from shared.clock import SystemClock
from shared.runtime.logs import get_log
from shared.runtime.probe import Probe
from shared.runtime.resources import Resources
from shared.runtime.settings import ProbeSettings
from shared.secret import Secret
from shared.streams import published
from shared.streams.kafka_settings import TicksSettings
from shared.streams.writer import Append
from shared.wire.topics import ENRICHED_TICKS
from tests.support.eventually import eventually
from tests.support.publisher_rows import CALL, INFY, batch, instruments, rows

pytestmark = pytest.mark.integration
KEY = "k" * 43
WITHIN_S = 30.0


def settings(server, market) -> PublisherSettings:
    section = PublisherSection(
        port=0, keys=(Secret(f"all:ticks:{digest(KEY)}"),), block_ms=50, kite_enabled=False
    )
    return PublisherSettings(
        redis=server.settings,
        ticks=TicksSettings(backend="kafka"),
        kafka=market.settings,
        publisher=section,
    )


async def test_subscriber_gets_what_lies_in_kafka_then_what_comes(server, market) -> None:
    await published.put_instruments(market.redis, 8, instruments())

    async def write(token: int, price: float, at_ns: int, shard: int) -> None:
        fields = batch(rows((token, price), received_at_ns=at_ns), shard=shard)
        await market.writer.append([Append(ENRICHED_TICKS, shard, fields)])

    await write(CALL, 10.0, 1, 0)
    async with AsyncExitStack() as stack:
        resources = Resources(
            probe=Probe(ProbeSettings(), worker="publisher"),
            clock=SystemClock(),
            log=get_log(),
            random=random.Random(1),
            stack=stack,
        )
        worker = await build(settings(server, market), resources)
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(worker.run(stopping), name="publisher")
            await eventually(lambda: worker.doors[0].address, within_s=WITHIN_S)
            url = f"ws://{worker.doors[0].address}/v1/stream"
            headers = {"Authorization": f"Bearer {KEY}"}
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(url, headers=headers) as ws,
            ):
                wanted = {"underlyings": ["NIFTY"], "symbols": ["NSE:INFY"], "mode": "ltp"}
                await ws.send_str(json.dumps({"op": "subscribe", "ticks": wanted}))
                assert await _price_of(ws, CALL) == 10.0
                await write(INFY, 1500.0, 2, 1)
                assert await _price_of(ws, INFY) == 1500.0
            stopping.set()


async def _price_of(ws: aiohttp.ClientWebSocketResponse, token: int) -> float:
    """Return the next price of an instrument, in a snapshot or a tick."""
    while True:
        message = await ws.receive(timeout=WITHIN_S)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        for row in json.loads(message.data).get("ticks", []):
            if isinstance(row, dict) and row["instrument_token"] == token:
                return float(row["last_price"])
