"""Raw ticks become records, over every trouble of Redis."""

from __future__ import annotations

import numpy as np
import pytest
from prometheus_client import REGISTRY

from enrich import metrics
from enrich.parameters import Parameters
from shared.streams import published
from shared.wire.instruments import Kind
from shared.wire.ticks import Status, TickFlag
from tests.support.eventually import eventually
from tests.support.kite_market import SHARE, chain, index_packet, instruments, option, packet

pytestmark = pytest.mark.integration


async def test_records_carry_their_lineage_and_the_raw_entry_is_acknowledged(start, market) -> None:
    async with start() as _:
        entry_id = await market.say(packet(SHARE, 1.0))
        await market.until_price(1.0)
        await market.until_done()
    ((head, records),) = await market.batches()
    milliseconds, sequence = entry_id.split("-")
    assert records["raw_entry_ms"].tolist() == [int(milliseconds)]
    assert records["raw_entry_sequence"].tolist() == [int(sequence)]
    assert records["instruments_version"].tolist() == [7]
    assert (head["sequence"], head["shard"], head["records"]) == (0, 1, 1)
    assert head["fence"] == records["fence"][0] > 0


async def test_chain_of_a_shard_comes_out_with_volatilities(start, market) -> None:
    async with start() as _:
        await market.say(index_packet(24_000.0), *chain(24_010.0), *chain(24_010.0), shard=0)
        await market.until_price(24_000.0, shard=0)
    ((_, records),) = await market.batches(0)
    assert Status.OK in records["status"]
    assert len(records) == 21


async def test_shards_held_are_told_beside_the_shards_there_are(start, market) -> None:
    async with start() as _:
        await market.say(packet(SHARE, 1.0))
        await market.until_price(1.0)
        there_are = (await published.get_shard_map(market.redis)).shards
        assert REGISTRY.get_sample_value("tickflow_enrich_shards_published") == there_are
        assert REGISTRY.get_sample_value("tickflow_enrich_shards_held") == there_are


async def test_poison_goes_to_the_dead_letters_and_the_rest_is_enriched(start, market) -> None:
    async with start() as _:
        await market.say(packet(SHARE, 1.0))
        await market.say(packet(SHARE, 2.0), head=b"poison")
        await market.say(packet(SHARE, 3.0))
        await market.until_price(3.0)
        await market.until_done()
        assert await market.prices() == [1.0, 3.0]
        (letter,) = await market.dead_letters()
        assert b"raw header is 6 bytes" in b" ".join(letter.values())


async def test_entry_is_acknowledged_only_once_its_records_are_written(start, market) -> None:
    async with start(lease_s=1.0) as worker:
        await market.redis.set("ticks.enriched.v1.1", "in the way")
        await market.say(packet(SHARE, 1.0))

        async def in_trouble() -> bool:
            return not (await worker.ready()).ok

        await eventually(in_trouble)
        assert await market.pending() == 1
        await market.redis.delete("ticks.enriched.v1.1")
        await market.until_price(1.0)
        await market.until_done()
        await eventually(worker.ready)


async def test_late_entries_are_cut_down_to_the_newest_and_counted(start, market) -> None:
    left_out = metrics.LEFT_OUT.labels("late")
    before = left_out._value.get()
    for price in range(1, 11):
        await market.say(packet(SHARE, float(price)))
    async with start(late_after_s=1e-9) as _:
        await market.until_price(10.0)
        await market.until_done()
    assert await market.prices() == [10.0]
    assert left_out._value.get() - before == 9


async def test_newer_instruments_are_taken_up_without_forgetting_the_market(start, market) -> None:
    call = option(Kind.CALL, 24_000.0)
    listed = instruments()
    async with start() as _:
        await market.say(index_packet(24_000.0), shard=0)
        await market.until_price(24_000.0, shard=0)
        await market.publish(8, listed[listed["instrument_token"] != SHARE])

        async def with_version_8() -> bool:
            await market.say(packet(call, 100.0), shard=0)
            _, records = (await market.batches(0))[-1]
            return records["instruments_version"][-1] == 8

        await eventually(with_version_8, every_s=0.1)
        _, records = (await market.batches(0))[-1]
        assert records["underlying_price"][-1] == 24_000.0
        await market.say(packet(SHARE, 5.0))
        await market.until_price(5.0)
        _, records = (await market.batches(1))[-1]
        assert records["tick_flags"][-1] == TickFlag.UNKNOWN_INSTRUMENT


async def test_second_worker_stands_by_then_goes_on_after_a_drain(start, market) -> None:
    async with start("two", lease_s=1.0, rebalance=False) as first:
        async with start("three") as second:
            assert (await second.ready()).reason.startswith("standing by")
            await market.say(packet(SHARE, 1.0))
            await market.until_price(1.0)
            assert first is not second
        await market.say(packet(SHARE, 2.0))
        await market.until_price(2.0)
    fences = {int(head["fence"]) for head, _ in await market.batches()}
    assert len(fences) == 1
    async with start("four"):
        await market.say(packet(SHARE, 3.0))
        await market.until_price(3.0)
    batches = await market.batches()
    assert batches[-1][0]["fence"] > max(fences)
    assert batches[-1][0]["sequence"] == 0
    assert await market.pending() == 0


async def test_new_owner_knows_what_the_one_before_last_saw(start, market) -> None:
    async with start("one"):
        await market.say(index_packet(24_000.0), shard=0)
        await market.until_price(24_000.0, shard=0)
    assert (await published.get_last(market.redis, 0))["last_price"].tolist() == [24_000.0]
    # However long a slow machine takes between the two.
    async with start("two", pricing=Parameters(underlying_age_max_s=60)):
        await market.say(packet(option(Kind.CALL, 24_000.0), 100.0), shard=0)
        await market.until_price(100.0, shard=0)
    _, records = (await market.batches(0))[-1]
    assert records["underlying_price"].tolist() == [24_000.0]
    assert records["status"].tolist() == [Status.OK]


async def test_restarted_redis_is_served_again_with_all_last_values(start, market, server) -> None:
    async with start() as worker:
        await market.say(packet(SHARE, 1.0))
        await market.until_price(1.0)
        await server.restart()
        await market.publish()
        await market.say(packet(SHARE, 2.0))
        await market.until_price(2.0)
        await market.until_done()

        async def kept() -> bool:
            return (await published.get_last(market.redis, 1))["last_price"].tolist() == [2.0]

        await eventually(kept)
        assert (await worker.ready()).ok


async def test_last_values_that_redis_lost_are_written_again_without_a_tick(
    start, market, server
) -> None:
    async with start() as _:
        await market.say(packet(SHARE, 1.0))
        await market.until_price(1.0)
        await server.restart()
        await market.publish()

        async def kept() -> np.ndarray:
            return (await published.get_last(market.redis, 1))["last_price"].tolist() == [1.0]

        await eventually(kept)


async def test_redis_without_instruments_does_not_empty_the_engine(start, market) -> None:
    async with start() as _:
        await market.redis.delete("instruments.v1")
        await market.redis.delete("shards.v1")
        await eventually(lambda: _enriches(market), within_s=4.0, every_s=0.1)


async def _enriches(market) -> bool:
    """Look longer than the worker does: what is not published must stay without effect."""
    await market.say(packet(SHARE, 1.0))
    batches = await market.batches()
    if len(batches) < 25:
        return False
    flags = {int(flag) for _, records in batches for flag in records["tick_flags"]}
    return TickFlag.UNKNOWN_INSTRUMENT not in flags


async def test_entry_that_ended_its_workers_again_and_again_is_given_up(start, market) -> None:
    entry_id = await market.say(packet(SHARE, 1.0))
    stream = "ticks.raw.v1.1"
    await market.redis.xgroup_create(stream, "enrich", "0")
    await market.redis.xreadgroup("enrich", "dead", {stream: ">"})
    await market.redis.xclaim(stream, "enrich", "dead", 0, [entry_id], retrycount=5)
    async with start() as _:
        await market.say(packet(SHARE, 2.0))
        await market.until_price(2.0)
        await market.until_done()
    assert await market.prices() == [2.0]
    assert len(await market.dead_letters()) == 1
