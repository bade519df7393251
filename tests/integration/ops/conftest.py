"""A command line between two real Redis with a small market in them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from deploy.local.redis import RedisServer
from shared.clock import ManualClock, SystemClock
from shared.ops.root import cli
from shared.ops.session import Session
from shared.streams import groups, published
from shared.streams.client import Connection, connect
from shared.streams.settings import RedisSettings
from shared.streams.writer import Append, StreamWriter
from shared.wire import codec, topics
from shared.wire.orders import OrderEvent, State
from shared.wire.shards import ShardMap
from shared.wire.ticks import BATCH_HEADER_DTYPE
from tests.support.option_chain import market

ACCOUNT = "SB0001"
ROOT = Path(__file__).resolve().parents[3]
#: 24 November 2026, before both expiries.
NOW_NS = 1_795_500_000_000_000_000
#: Longest run of a command that ends by itself.
WITHIN_S = 30.0


class Upstream:
    """Everybody whose traces the operator looks at."""

    def __init__(self, ticks: Connection, orders: Connection) -> None:
        self.ticks = ticks
        self.orders = orders
        self._ticks_writer = StreamWriter(ticks, SystemClock())
        self._orders_writer = StreamWriter(orders, SystemClock())

    async def publish(self) -> None:
        await published.put_instruments(self.ticks, 20261122, market())
        shard_map = ShardMap(version=1, shards=2, underlyings={})
        await published.put_shard_map(self.ticks, shard_map)

    async def last(self, records: np.ndarray, shard: int = 0) -> None:
        await published.put_last(self.ticks, shard, records)

    async def enriched(self, records: np.ndarray, shard: int = 0) -> None:
        header = np.zeros(1, BATCH_HEADER_DTYPE)
        header["records"] = len(records)
        fields = {b"h": header.tobytes(), b"r": records.tobytes()}
        await self._ticks_writer.append([Append(topics.ENRICHED_TICKS, shard, fields)])

    async def accept_commands(self) -> None:
        await groups.create(self.orders, topics.COMMANDS.name(ACCOUNT), "executor", "0")

    async def event(self, command_id: str, sequence: int, state: State, **more: str) -> None:
        event = OrderEvent(
            sequence=sequence,
            account=ACCOUNT,
            command_id=command_id,
            at_us=NOW_NS // 1000,
            state=state,
            **{"kind": "place", "event": "received" if sequence == 1 else "updated", **more},
        )
        await self._orders_writer.append([Append(topics.EVENTS, ACCOUNT, codec.encode(event))])


class Operator:
    """Runs command lines: in this process, or beside it while something happens."""

    def __init__(self, ticks: RedisServer, orders: RedisServer, nowhere: Path) -> None:
        self.clock = ManualClock(NOW_NS)
        self._settings = RedisSettings(
            ticks_url=ticks.url_for("ops"), orders_url=orders.url_for("ops")
        )
        self.environ = {
            "TICKFLOW_LOCAL__STATE_DIR": str(nowhere),
            "TICKFLOW_REDIS__TICKS_URL": ticks.url_for("ops").reveal(),
            "TICKFLOW_REDIS__ORDERS_URL": orders.url_for("ops").reveal(),
            "TICKFLOW_ACCOUNT__ID": ACCOUNT,
        }

    def run(self, *words: str, **extra: str) -> Result:
        session = Session(environ={**self.environ, **extra}, clock=self.clock)
        return CliRunner().invoke(cli, list(words), obj=session, prog_name="tickflow")

    def seed(self, what: Callable[[Upstream], Awaitable[None]]) -> None:
        async def seeding() -> None:
            async with self.upstream() as upstream:
                await what(upstream)

        asyncio.run(seeding())

    @asynccontextmanager
    async def upstream(self) -> AsyncIterator[Upstream]:
        settings = self._settings
        async with (
            connect(settings.ticks_url, name="test", settings=settings) as ticks,
            connect(settings.orders_url, name="test", settings=settings) as orders,
        ):
            yield Upstream(ticks, orders)

    @asynccontextmanager
    async def running(self, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run a command as a process of its own; it is ended with the block."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "shared.ops", *words),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **self.environ},
            cwd=ROOT,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            # Reads the pipes to their end, so that their transports close with the loop alive.
            await process.communicate()


@pytest.fixture
def operator(ticks_redis: RedisServer, orders_redis: RedisServer, tmp_path: Path) -> Operator:
    return Operator(ticks_redis, orders_redis, tmp_path)
