"""The client of the documentation comes back by itself and misses nothing."""

import asyncio
import importlib.util
from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tests.support.publisher_rows import CALL, rows

pytestmark = pytest.mark.integration

CLIENT = Path(__file__).resolve().parents[3] / "docs" / "client" / "tickflow_client.py"
KEY, ACCOUNT = "k" * 43, "SB0001"


@pytest.fixture
def client_module():
    spec = importlib.util.spec_from_file_location("tickflow_client", CLIENT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_the_client_goes_on_at_a_new_publisher_where_it_was(
    start, upstream, client_module
) -> None:
    for shard in (0, 1):
        await upstream.ticks(rows((999, 0.0)), shard=shard)
    prices: list[float] = []
    orders: list[int] = []
    recovered: list[bool] = []
    heard = asyncio.Event()

    async def read(client) -> None:
        async for message in client.messages():
            prices.extend(row["last_price"] for row in message.get("ticks", ()))
            if message["op"] == "order":
                orders.append(message["event"]["sequence"])
            if message["op"] == "subscribed":
                recovered.append(message["recovered"])
            heard.set()

    async def until(count: int, order_count: int) -> None:
        async with asyncio.timeout(15):
            while len(prices) < count or len(orders) < order_count:
                heard.clear()
                await heard.wait()

    ticks = {"tokens": [CALL], "mode": "ltp"}
    async with start(return_within_s=0.01) as publisher:
        port = int(publisher.worker.address.rpartition(":")[2])
        client = client_module.Client(
            publisher.url, KEY, ticks=ticks, orders=[ACCOUNT], policy={"mode": "strict"}
        )
        reading = asyncio.create_task(read(client))
        await eventually(lambda: recovered)
        await upstream.ticks(rows((CALL, 1.0), (CALL, 2.0)))
        await upstream.order(1)
        await until(2, 1)
    await upstream.ticks(rows((CALL, 3.0)))
    await upstream.order(2)
    async with start(port=port):
        await until(3, 2)
        await upstream.ticks(rows((CALL, 4.0)))
        await until(4, 2)
    reading.cancel()
    assert prices == [1.0, 2.0, 3.0, 4.0]
    assert orders == [1, 2]
    assert recovered == [False, True]


async def test_the_client_gives_up_where_coming_back_is_of_no_use(
    start, upstream, client_module
) -> None:
    async with start() as publisher:
        for key, asked in (("w" * 43, {}), (KEY, {"ticks": {"tokens": ["x"]}})):
            with pytest.raises(client_module.GivenUp):
                async for _ in client_module.Client(publisher.url, key, **asked).messages():
                    pass


async def test_the_client_hears_each_bar_once_over_a_broken_connection(
    start, upstream, client_module
) -> None:
    heard: asyncio.Queue = asyncio.Queue()

    async def read(client) -> None:
        async for message in client.messages():
            if message["op"] == "bars":
                closes = [bar["close"] for bar in message["bars"]]
                heard.put_nowait((message["snapshot"], closes))

    async def hear():
        async with asyncio.timeout(15):
            return await heard.get()

    await upstream.bars((CALL, 60, 1.0))
    async with start() as publisher:
        await eventually(lambda: len(publisher.worker._desk.bars.newest(60, [CALL])) == 1)
        client = client_module.Client(publisher.url, KEY, bars={"tokens": [CALL]})
        reading = asyncio.create_task(read(client))
        try:
            assert await hear() == (True, [1.0])
            await upstream.bars((CALL, 60, 2.0))
            assert await hear() == (False, [2.0])
            for connection in publisher.worker.doors[0]._connections.values():
                connection._transport.abort()
            await upstream.bars((CALL, 60, 3.0))
            assert await hear() == (False, [3.0])
        finally:
            reading.cancel()
