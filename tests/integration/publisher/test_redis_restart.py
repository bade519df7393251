"""A Redis that goes away and comes back empty: who stays, and who comes back, goes on."""

import pytest

from shared.errors import StreamError
from tests.support.eventually import eventually
from tests.support.publisher_rows import CALL, rows
from tests.support.restartable_redis import RestartableRedis

pytestmark = pytest.mark.integration

ACCOUNT = "SB0001"


@pytest.fixture
async def ticks_redis(tmp_path):
    redis = RestartableRedis(tmp_path)
    await redis.start()
    yield redis
    redis.stop()


@pytest.fixture
def orders_redis(ticks_redis):
    return ticks_redis


async def test_ticks_and_orders_go_on_over_a_restart(start, upstream, ticks_redis) -> None:
    await upstream.ticks(rows((999, 0.0)), shard=0)
    await upstream.ticks(rows((999, 0.0)), shard=1)
    asked = {
        "ticks": {"tokens": [CALL], "mode": "ltp"},
        "policy": {"mode": "strict"},
        "orders": [ACCOUNT],
    }
    async with start() as publisher:
        async with publisher.subscriber() as client:
            subscribed, _ = await client.subscribe(**asked)
            at = subscribed["at"]
            await upstream.ticks(rows((CALL, 1.0)))
            message = await client.hear_of("ticks")
            at |= message["at"]
            await ticks_redis.restart()

            async def is_written() -> bool:
                try:
                    await upstream.ticks(rows((CALL, 2.0)))
                    await upstream.order(1)
                except StreamError:
                    return False
                return True

            await eventually(is_written, within_s=15.0)
            await eventually(lambda: not publisher.worker._away, within_s=15.0)
            prices, orders = [], []
            while not (prices and orders):
                message = await client.hear()
                prices += [row["last_price"] for row in message.get("ticks", ())]
                at |= message.get("at", {}) if message["op"] == "ticks" else {}
                if message["op"] == "order":
                    orders.append(message["id"])
            assert set(prices) == {2.0}
        await upstream.ticks(rows((CALL, 3.0)))
        await upstream.order(2)
        async with publisher.subscriber() as client:
            resume = {"at": at, "orders": {ACCOUNT: orders[-1]}}
            await client.say("subscribe", **asked, resume=resume)
            subscribed = await client.hear_of("subscribed")
            assert (subscribed["recovered"], subscribed["missed"]) == (True, [])
            assert (await client.hear_of("order"))["event"]["sequence"] == 2
            assert (await client.hear_of("ticks"))["ticks"][-1]["last_price"] == 3.0
