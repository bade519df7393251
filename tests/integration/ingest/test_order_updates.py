"""Order updates of a broker that is late, repeats itself, or says nothing, on their way onwards."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest
from kiteconnect import KiteConnect

from ingest.settings import IngestOptions
from shared.streams.client import connect
from shared.streams.settings import RedisSettings
from shared.wire.topics import UPDATES
from tests.support.eventually import eventually
from tests.support.sandbox import SandboxInfo, sandbox_process

pytestmark = pytest.mark.integration
OPTIONS = IngestOptions(symbols=("NSE:INFY",))


@pytest.fixture
def sandbox() -> Iterator[SandboxInfo]:
    with sandbox_process(3, ["--strikes", "1", "--step-ms", "100"]) as running:
        yield running


@pytest.fixture
def place(sandbox):
    """Give `place()`: buy one share far below the market, return the order's id."""
    account = sandbox.account
    client = KiteConnect(account.api_key, account.access_token, root=sandbox.rest_url)
    price = client.ltp("NSE:INFY")["NSE:INFY"]["last_price"]
    order = {
        "variety": "regular",
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "transaction_type": "BUY",
        "quantity": 1,
        "product": "CNC",
        "order_type": "LIMIT",
        "price": round(price * 0.95),
    }

    async def placed() -> str:
        return await asyncio.to_thread(lambda: client.place_order(**order))

    return placed


@pytest.fixture
async def told(orders_redis, sandbox):
    """Give `told()`: the updates that were written, as (order id, status)."""
    url = orders_redis.url_for("ops")
    settings = RedisSettings(ticks_url=url, orders_url=url)
    async with connect(url, name="test", settings=settings) as redis:

        async def read() -> list[tuple[str, str]]:
            entries = await redis.xrange(UPDATES.name(sandbox.account.id))
            rows = [json.loads(fields[b"json"])["row"] for _, fields in entries]
            return [(row["order_id"], row["status"]) for row in rows]

        yield read


async def test_updates_go_on_as_said_whether_late_overtaken_repeated_or_lost(
    start, sandbox, place, told
) -> None:
    async with start(OPTIONS, account=sandbox.account):
        sandbox.post("faults", kind="delay_updates", seconds=1.0, count=1)
        late, prompt = await place(), await place()
        await eventually(lambda: _count(told, 2))
        sandbox.post("faults", kind="duplicate_updates")
        twice = await place()
        await eventually(lambda: _count(told, 4))
        sandbox.post("faults", kind="drop_updates")
        await place()
        await eventually(lambda: not sandbox.get("state")["faults"])
        after_the_lost_one = await place()
        await eventually(lambda: _count(told, 5))
    order_ids = [prompt, late, twice, twice, after_the_lost_one]
    assert await told() == [(order_id, "OPEN") for order_id in order_ids]


async def _count(told, count: int) -> bool:
    return len(await told()) >= count
