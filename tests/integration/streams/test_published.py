from __future__ import annotations

import numpy as np
import pytest

from shared.errors import MessageError
from shared.streams import published
from shared.wire.chains import OPENING_OI_DTYPE
from shared.wire.instruments import INSTRUMENT, INSTRUMENT_DTYPE
from shared.wire.shards import ShardMap
from shared.wire.ticks import TICK, TICK_DTYPE

pytestmark = pytest.mark.integration


def ticks_of(*tokens, price=1.0):
    records = np.zeros(len(tokens), TICK_DTYPE)
    records["instrument_token"] = tokens
    records["last_price"] = price
    return records


async def test_instruments_come_back_as_published_sorted_by_token(redis):
    records = np.zeros(3, INSTRUMENT_DTYPE)
    records["instrument_token"] = [30, 10, 20]
    records["tradingsymbol"] = [b"C", b"A", b"B"]
    await published.put_instruments(redis, 20261123, records)
    version, found = await published.get_instruments(redis)
    assert version == await published.get_instruments_version(redis) == 20261123
    assert found["instrument_token"].tolist() == [10, 20, 30]
    assert found["tradingsymbol"].tolist() == [b"A", b"B", b"C"]


async def test_instruments_nobody_published_are_version_zero(redis):
    version, found = await published.get_instruments(redis)
    assert (version, len(found)) == (0, 0)
    assert await published.get_instruments_version(redis) == 0


async def test_instruments_of_another_size_are_refused(redis):
    await published.put_instruments(redis, 1, np.zeros(2, INSTRUMENT_DTYPE))
    await redis.hset("instruments.v1", "count", 3)
    with pytest.raises(MessageError, match="bytes for 3 records"):
        await published.get_instruments(redis)
    with pytest.raises(ValueError, match="not instruments"):
        await published.put_instruments(redis, 1, np.zeros(2, TICK_DTYPE))


async def test_shard_map_comes_back_as_published(redis):
    assert await published.get_shard_map(redis) is None
    shard_map = ShardMap(version=3, shards=2, underlyings={"NIFTY": 0, "BANKNIFTY": 1})
    await published.put_shard_map(redis, shard_map)
    assert await published.get_shard_map(redis) == shard_map
    await redis.set("shards.v1", b"{}")
    with pytest.raises(MessageError, match="shards"):
        await published.get_shard_map(redis)


async def test_layouts_come_back_by_name(redis):
    assert await published.get_layouts(redis) == {}
    await published.put_layouts(redis, [TICK, INSTRUMENT])
    layouts = await published.get_layouts(redis)
    assert layouts["tick"]["size_bytes"] == TICK_DTYPE.itemsize
    assert set(layouts) == {"tick", "instrument"}


async def test_last_ticks_keep_the_newest_of_each_instrument(redis):
    assert len(await published.get_last(redis, 0)) == 0
    await published.put_last(redis, 0, ticks_of(*range(1, 3001)))
    await published.put_last(redis, 0, ticks_of(7, 5000, price=2.0)[::-1])
    last = await published.get_last(redis, 0)
    assert len(last) == 3001
    assert sorted(last["instrument_token"][last["last_price"] == 2.0].tolist()) == [7, 5000]
    assert len(await published.get_last(redis, 1)) == 0


async def test_last_ticks_of_some_instruments_come_in_the_order_asked(redis):
    await published.put_last(redis, 0, ticks_of(1, 2, 3))
    found = await published.get_last_of(redis, 0, [3, 9, 1])
    assert found["instrument_token"].tolist() == [3, 1]
    assert len(await published.get_last_of(redis, 0, [])) == 0


async def test_last_ticks_of_another_layout_are_refused(redis):
    await redis.hset("ticks.last.v1.0", "1", b"short")
    with pytest.raises(MessageError, match="not 392 bytes"):
        await published.get_last(redis, 0)
    with pytest.raises(ValueError, match="are not ticks"):
        await published.put_last(redis, 0, np.zeros(1, INSTRUMENT_DTYPE))


async def test_opening_interest_comes_back_as_kept_and_of_another_layout_is_refused(redis):
    assert len(await published.get_opening_oi(redis, 2)) == 0
    records = np.array([(30, 650, 20_000), (10, 65, 20_000)], OPENING_OI_DTYPE)
    await published.put_opening_oi(redis, 2, records)
    assert (await published.get_opening_oi(redis, 2)).tolist() == records.tolist()
    await published.put_opening_oi(redis, 2, records[:1])
    assert (await published.get_opening_oi(redis, 2)).tolist() == records[:1].tolist()
    await redis.set("chains.opening.v1.2", b"short")
    with pytest.raises(MessageError, match="5 bytes are no 12 a record"):
        await published.get_opening_oi(redis, 2)
    with pytest.raises(ValueError, match="no opening interest"):
        await published.put_opening_oi(redis, 2, np.zeros(1, TICK_DTYPE))
