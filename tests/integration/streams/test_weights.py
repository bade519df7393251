from __future__ import annotations

import pytest

from shared.errors import MessageError
from shared.streams import weights

pytestmark = pytest.mark.integration


async def test_packets_add_up_by_day_and_old_days_go(redis):
    assert await weights.read(redis) == {}
    await weights.add(redis, 20261120, {})
    for day in range(20261120, 20261127):
        await weights.add(redis, day, {"NIFTY": 5, "M&M": 1})
        await weights.add(redis, day, {"NIFTY": 2_000_000_000_000})
    found = await weights.read(redis)
    assert found["NIFTY"] == dict.fromkeys(range(20261122, 20261127), 2_000_000_000_005)
    assert found["M&M"][20261126] == 1


async def test_packets_that_are_none_are_replaced_and_told(redis):
    await redis.hset("shards.weights.v1", "NIFTY", b"{")
    with pytest.raises(MessageError, match=r"shards\.weights\.v1"):
        await weights.read(redis)
    await weights.add(redis, 20261120, {"NIFTY": 5})
    assert await weights.read(redis) == {"NIFTY": {20261120: 5}}
