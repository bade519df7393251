"""A worker goes on where another was: the change in open interest, no Greeks off old prices.

Over a Redis with users: with the rights an enrichment worker has, and no others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deploy.local.redis import RedisServer
from enrich.engine import Derived
from enrich.listing import Listing
from enrich.parameters import Parameters
from enrich.scaleout.partition import Workshop
from enrich.settings import EnrichOptions
from shared.clock import SystemClock
from shared.secret import Secret
from shared.streams import published, weights
from shared.streams.client import connect
from shared.streams.entry import Entry
from shared.streams.ids import EntryId
from shared.streams.settings import RedisSettings
from shared.wire import codec
from shared.wire.chains import Chain
from shared.wire.instruments import Kind
from shared.wire.ticks import Status
from shared.wire.topics import CHAINS, RAW_TICKS
from tests.integration.enrich.conftest import Market
from tests.support.eventually import eventually
from tests.support.kite_market import SHARE, header, index_packet, option, packet, segments

pytestmark = pytest.mark.integration

CALL = option(Kind.CALL, 24_000.0)


class _AsEnrich:
    """A server as its enrichment user sees it."""

    def __init__(self, server: RedisServer) -> None:
        self.url: Secret = server.url_for("enrich")


@pytest.fixture
def server(ticks_redis: RedisServer) -> _AsEnrich:
    return _AsEnrich(ticks_redis)


@pytest.fixture
async def market(ticks_redis: RedisServer) -> AsyncIterator[Market]:
    url = ticks_redis.url_for("ops")
    settings = RedisSettings(ticks_url=url, orders_url=url, answer_timeout_s=5)
    async with connect(url, name="market", settings=settings) as redis:
        made = Market(redis)
        await made.publish()
        yield made


async def _changes(market: Market, fence_above: int = 0) -> list[tuple[int, int | None]]:
    """Return fence and change in open interest of the call, message by message."""
    found = []
    for _, fields in await market.redis.xrange(CHAINS.name()):
        message = codec.decode(fields, Chain)
        if 24_000.0 in message.strikes and message.fence > fence_above:
            change = message.calls.oi_change[message.strikes.index(24_000.0)]
            found.append((message.fence, change))
    return found


async def _until_change(market: Market, oi: int, change: int, fence_above: int = 0) -> int:
    """Say the same again and again until a chain tells the change; return its fence."""

    async def told() -> bool:
        await market.say(index_packet(24_000.0), packet(CALL, 130.0, oi=oi), shard=0)
        return change in [each for _, each in await _changes(market, fence_above)]

    await eventually(told, within_s=15, every_s=0.1)
    return (await _changes(market, fence_above))[-1][0]


async def test_change_in_open_interest_goes_on_with_another_worker(start, market) -> None:
    async with start("one"):
        await _until_change(market, 5_000, 0)
        fence = await _until_change(market, 5_700, 700)
    async with start("two"):
        await _until_change(market, 5_700, 700, fence_above=fence)
    assert (await _changes(market, fence))[0][1] == 700, "the very first message of the new owner"


async def test_change_in_open_interest_goes_on_in_a_partition_of_kafka(start, market) -> None:
    async with start("one"):
        await _until_change(market, 5_000, 0)
        await _until_change(market, 5_700, 700)
    clock, options = SystemClock(), EnrichOptions()
    listing = Listing(market.redis, options.pricing, Derived(options.chains, options.bars), clock)
    listed = await listing.newer_published()
    assert listed is not None
    workshop = Workshop(listed, options, market.redis, clock)
    held = await workshop.begin(0, 0, 1, clock.now_ns() // 1_000_000)
    seen = []
    for second in range(3):
        at_ns = clock.now_ns() + second * 1_000_000_000
        raw = segments([index_packet(24_000.0), packet(CALL, 130.0, oi=5_900)], at_ns=at_ns)
        fields = {b"h": header(2), b"s": raw}
        entry = Entry(RAW_TICKS.name(0), EntryId(at_ns // 1_000_000, 0), fields, 1)
        appends, poison = workshop.enrich(held, [entry], at_ns)
        assert poison == []
        seen += [each.fields for each in appends if each.topic is CHAINS]
    message = codec.decode(seen[0], Chain)
    assert message.calls.oi_change[message.strikes.index(24_000.0)] == 900


async def test_chain_of_a_new_owner_begins_with_a_snapshot_under_a_higher_fence(
    start, market
) -> None:
    async with start("one"):
        fence = await _until_change(market, 5_000, 0)
    async with start("two"):
        await _until_change(market, 5_010, 10, fence_above=fence)
    messages = [codec.decode(fields, Chain) for _, fields in await market.redis.xrange("chains.v1")]
    first = next(message for message in messages if message.fence > fence)
    assert (first.kind, first.sequence) == ("snapshot", 0)


async def test_owner_after_an_outage_gives_no_greeks_off_the_old_underlying(start, market) -> None:
    async with start("one"):
        await market.say(index_packet(24_000.0), packet(CALL, 130.0), shard=0)
        await market.until_price(130.0, shard=0)
    # As if nobody had looked for a minute: what is kept of the index is that old.
    records = (await published.get_last(market.redis, 0)).copy()
    records["received_at_ns"] -= 60_000_000_000
    await published.put_last(market.redis, 0, records)
    async with start("two"):
        await market.say(packet(CALL, 131.0), shard=0)
        await market.until_price(131.0, shard=0)
        await market.say(index_packet(24_001.0), packet(CALL, 132.0), shard=0)
        await market.until_price(132.0, shard=0)
    found = {
        float(row["last_price"]): int(row["status"])
        for _, rows in await market.batches(0)
        for row in rows
    }
    assert found[131.0] == Status.NO_UNDERLYING
    assert found[132.0] == Status.OK


async def test_owner_that_replays_what_was_left_pending_restores_prices_of_that_time(
    start, market
) -> None:
    async with start("one"):
        await market.say(index_packet(24_000.0), shard=0)
        await market.until_price(24_000.0, shard=0)
    # A minute ago, by a stream whose entries nobody has taken since.
    then_ns = SystemClock().now_ns() - 60_000_000_000
    records = (await published.get_last(market.redis, 0)).copy()
    records["received_at_ns"] = then_ns
    await published.put_last(market.redis, 0, records)
    await market.redis.delete(RAW_TICKS.name(0))
    raw = segments([packet(CALL, 131.0)], at_ns=then_ns + 1_000_000_000)
    fields = {b"h": header(1), b"s": raw}
    await market.redis.xadd(RAW_TICKS.name(0), fields, id=f"{then_ns // 1_000_000 + 1_000}-0")
    async with start("two", pricing=Parameters()):
        await market.until_price(131.0, shard=0)
    _, rows = (await market.batches(0))[-1]
    assert rows["status"].tolist() == [Status.OK]


async def test_packets_of_each_underlying_are_counted_over_workers(start, market) -> None:
    async with start("one"):
        await market.say(index_packet(24_000.0), packet(CALL, 130.0), shard=0)
        await market.say(packet(SHARE, 1.0), shard=1)
        await market.until_price(130.0, shard=0)
        await market.until_price(1.0)
    async with start("two"):
        await market.say(packet(CALL, 131.0), shard=0)
        await market.until_price(131.0, shard=0)
    counted = await weights.read(market.redis)
    assert {name: sum(days.values()) for name, days in counted.items()} == {"NIFTY": 3, "INFY": 1}
