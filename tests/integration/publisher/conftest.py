"""A publisher in this process, between a real Redis and real WebSockets."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp
import msgspec
import numpy as np
import pytest

from deploy.local.redis import RedisServer
from publisher.access.auth import digest
from publisher.http_settings import HttpSection, PublisherPostgres, WebhookSection
from publisher.settings import PublisherSection, PublisherSettings
from publisher.worker import PublisherWorker, build
from shared.clock import SystemClock
from shared.runtime.logs import get_log
from shared.runtime.probe import Probe
from shared.runtime.resources import Resources
from shared.runtime.settings import ProbeSettings
from shared.secret import Secret
from shared.streams import published
from shared.streams.client import connect
from shared.streams.settings import RedisSettings
from shared.streams.writer import Append, StreamWriter
from shared.wire import codec, topics
from shared.wire.bars import BAR
from shared.wire.control import Control, Gap
from shared.wire.orders import BrokerUpdate, OrderEvent, State
from shared.wire.segments import segment
from shared.wire.shards import ShardMap
from shared.wire.ticks import RAW_HEADER_DTYPE
from tests.support import kite_frames as kf
from tests.support.eventually import eventually
from tests.support.publisher_rows import bars, batch, instruments

KEY, TICKS_KEY = "k" * 43, "t" * 43
ACCOUNT = "SB0001"
#: Longest wait for a message that must come.
WITHIN_S = 30.0
HEARD_WITHIN_S = 60.0


class Upstream:
    """Everybody who writes what a publisher reads."""

    def __init__(self, ticks, orders) -> None:
        self._ticks = ticks
        self._orders = orders
        self._ticks_writer = StreamWriter(ticks, SystemClock())
        self._orders_writer = StreamWriter(orders, SystemClock())

    async def publish(self, listed=None, *, version: int = 20261122, shards: int = 2) -> None:
        listed = instruments() if listed is None else listed
        await published.put_instruments(self._ticks, version, listed)
        shard_map = ShardMap(version=version, shards=shards, underlyings={})
        await published.put_shard_map(self._ticks, shard_map)

    async def last(self, records, *, shard: int = 0) -> None:
        await published.put_last(self._ticks, shard, records)

    async def ticks(self, records, *, shard: int = 0, fence: int = 1) -> None:
        fields = batch(records, shard=shard, fence=fence)
        await self._ticks_writer.append([Append(topics.ENRICHED_TICKS, shard, fields)])

    async def raw(self, *packets: bytes, shard: int = 0) -> None:
        """Write one entry of Kite's own packets."""
        header = np.zeros(1, RAW_HEADER_DTYPE)
        header["packets"], header["shard"] = len(packets), shard
        fields = {b"h": header.tobytes(), b"s": segment(1, kf.frame(packets))}
        await self._ticks_writer.append([Append(topics.RAW_TICKS, shard, fields)])

    async def update(self, row: str, *, source: str = "socket") -> None:
        """Write what the broker says of an order."""
        update = BrokerUpdate(source=source, received_at_us=1, row=msgspec.Raw(row.encode()))
        await self._orders_writer.append([Append(topics.UPDATES, ACCOUNT, codec.encode(update))])

    async def broken(self, fields: dict[bytes, bytes]) -> None:
        await self._ticks_writer.append([Append(topics.ENRICHED_TICKS, 0, fields)])

    async def order(self, *sequences: int, state: State = State.OPEN, text: str = "") -> None:
        appends = [
            Append(topics.EVENTS, ACCOUNT, codec.encode(order_event(sequence, state, text)))
            for sequence in sequences
        ]
        await self._orders_writer.append(appends)

    async def gap(self, *tokens: int) -> None:
        gap = Gap(
            from_us=1,
            to_us=2,
            account=ACCOUNT,
            socket=0,
            instrument_tokens=list(tokens),
            cause="silent",
        )
        await self._ticks_writer.append([Append(topics.GAPS, "", codec.encode(gap))])

    async def chain(self, kind: str, sequence: int, **facts) -> None:
        """Write what of a chain passing it on needs, and a sequence to know it by."""
        chain = {
            "kind": kind, "underlying": "NIFTY", "exchange": "NFO", "expiry": "2026-11-24",
            "sequence": sequence, "strikes": [24000.0], **facts,
        }  # fmt: skip
        fields = {b"json": json.dumps(chain).encode()}
        await self._ticks_writer.append([Append(topics.CHAINS, "", fields)])

    async def bars(self, *closed: tuple[int, int, float], shard: int = 0, fence: int = 1) -> None:
        """Write closed bars of (token, interval in seconds, close)."""
        fields = batch(bars(*closed), shard=shard, fence=fence, layout=BAR)
        await self._ticks_writer.append([Append(topics.BARS, shard, fields)])

    async def cut(self) -> None:
        """Cut everybody else's connections to both servers."""
        for redis in (self._ticks, self._orders):
            await redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    async def hint(self, kind: str) -> None:
        hint = codec.encode(Control(kind=kind))
        await self._ticks_writer.append([Append(topics.CONTROL, "", hint)])


def order_event(sequence: int, state: State, text: str) -> OrderEvent:
    return OrderEvent(
        sequence=sequence,
        account=ACCOUNT,
        command_id=f"command-{sequence:04d}",
        kind="place",
        event="accepted",
        state=state,
        at_us=1_764_000_000_000_000,
        broker_message=text,
    )


@dataclass
class Subscriber:
    """A WebSocket client that speaks the protocol."""

    ws: aiohttp.ClientWebSocketResponse

    async def say(self, op: str, **fields) -> None:
        await self.ws.send_str(json.dumps({"op": op, **fields}))

    async def hear(self) -> dict:
        message = await self.ws.receive(timeout=WITHIN_S)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        return json.loads(message.data)

    async def hear_of(self, op: str) -> dict:
        # Heartbeats go on for ever where the message does not come.
        async with asyncio.timeout(HEARD_WITHIN_S):
            while (message := await self.hear())["op"] != op:
                pass
        return message

    async def farewell(self) -> tuple[int, str]:
        """Read to the end; return the close code with its reason."""
        while (message := await self.ws.receive(timeout=WITHIN_S)).type is aiohttp.WSMsgType.TEXT:
            pass
        return self.ws.close_code, message.extra or ""

    async def subscribe(self, **fields) -> tuple[dict, dict]:
        """Return the answer with the snapshot's ticks by token."""
        await self.say("subscribe", **fields)
        subscribed = await self.hear_of("subscribed")
        ticks = {}
        while "ticks" in fields:
            part = await self.hear_of("snapshot")
            ticks.update({row["instrument_token"]: row for row in part["ticks"]})
            if part["last"]:
                break
        return subscribed, ticks


class Publisher:
    """A running publisher: its address, the way to stop it."""

    def __init__(self, worker: PublisherWorker, stopping: asyncio.Event, probe: Probe) -> None:
        self.worker = worker
        self.stopping = stopping
        self.probe = probe

    @property
    def url(self) -> str:
        return f"ws://{self.worker.address}/v1/stream"

    @property
    def kite_url(self) -> str:
        return f"ws://{self.worker.doors[1].address}"

    @asynccontextmanager
    async def subscriber(self, key: str | None = KEY, **options) -> AsyncIterator[Subscriber]:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(self.url, headers=headers, **options) as ws,
        ):
            client = Subscriber(ws)
            if key:
                assert (await client.hear())["op"] == "welcome"
            yield client


Start = Callable[..., AbstractAsyncContextManager[Publisher]]


@pytest.fixture
def start(ticks_redis: RedisServer, orders_redis: RedisServer) -> Start:
    """Give `start(**settings)`: a publisher for the length of an `async with`."""

    @asynccontextmanager
    async def running(
        http: HttpSection | None = None,
        postgres: PublisherPostgres | None = None,
        webhooks: WebhookSection | None = None,
        **section,
    ) -> AsyncIterator[Publisher]:
        settings = PublisherSettings(
            http=http or HttpSection(),
            postgres=postgres or PublisherPostgres(),
            webhooks=webhooks or WebhookSection(),
            redis=RedisSettings(
                ticks_url=ticks_redis.url_for("publisher"),
                orders_url=orders_redis.url_for("publisher"),
            ),
            publisher=PublisherSection(
                **{
                    "port": 0,
                    "kite_port": 0,
                    "keys": (
                        Secret(f"all:ticks+orders:*:{digest(KEY)}"),
                        Secret(f"ticks:ticks:{digest(TICKS_KEY)}"),
                    ),
                    "accounts": (ACCOUNT,),
                    "block_ms": 50,
                    "return_within_s": 1.0,
                    **section,
                }
            ),
        )
        async with AsyncExitStack() as stack:
            probe = Probe(ProbeSettings(), worker="publisher")
            resources = Resources(
                probe=probe,
                clock=SystemClock(),
                log=get_log(),
                random=random.Random(1),
                stack=stack,
            )
            worker = await build(settings, resources)
            stopping = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(worker.run(stopping), name="publisher")
                await eventually(lambda: all(door.address for door in worker.doors))
                yield Publisher(worker, stopping, probe)
                stopping.set()

    return running


@pytest.fixture
async def upstream(ticks_redis: RedisServer, orders_redis: RedisServer) -> AsyncIterator[Upstream]:
    """Give the writers, with instruments published in two shards."""
    async with AsyncExitStack() as stack:
        clients = []
        for server in (ticks_redis, orders_redis):
            url = server.url_for("ops")
            settings = RedisSettings(ticks_url=url, orders_url=url)
            clients.append(
                await stack.enter_async_context(connect(url, name="t", settings=settings))
            )
        upstream = Upstream(*clients)
        await upstream.publish()
        yield upstream
