"""A partition that moves: known inputs go with it while they are fresh, never when they are old."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest

from shared.streams import published
from shared.wire.instruments import Kind
from shared.wire.ticks import Status
from tests.kafka.test_faults import PATIENCE_S
from tests.support.eventually import eventually
from tests.support.kafka_market import end_of
from tests.support.kafka_workers import kafka_environment
from tests.support.kite_market import (
    EXPIRY_S,
    NEAR,
    NOW_S,
    STRIKES,
    YEAR_S,
    fair,
    index_packet,
    instruments,
    option,
    packet,
)
from tests.support.workers import worker

pytestmark = [pytest.mark.integration, pytest.mark.e2e]
#: Index and options of NIFTY.
SHARD = 0
BEFORE, AFTER = 24_000.0, 23_900.0


def calls(forward: float, *, strikes: Sequence[float] = STRIKES) -> list[bytes]:
    """Return calls priced now, off one forward; without puts nothing but the index tells it."""
    years = (EXPIRY_S[NEAR] - NOW_S) / YEAR_S
    now_s = int(time.time())
    return [
        packet(option(Kind.CALL, strike), fair(Kind.CALL, strike, forward, years), stamp_s=now_s)
        for strike in strikes
    ]


def index(price: float) -> bytes:
    return index_packet(price, int(time.time()))


async def listed_from_now(market) -> None:
    """Publish the market with expiries as far away as its prices say."""
    listed = instruments()
    shift_ns = (int(time.time()) - NOW_S) * 1_000_000_000
    listed["expiry_ns"][listed["expiry"] > 0] += shift_ns
    await published.put_instruments(market.redis, 8, listed)


async def options(market, *, at_least: int, fence_above: int = -1) -> np.ndarray:
    """Return the options' records of owners above a fence, once there are so many."""
    found: list[np.ndarray] = []

    async def complete() -> bool:
        await market.read()
        found[:] = [
            records[records["status"] != Status.NOT_AN_OPTION]
            for head, records in market.seen[SHARD]
            if int(head["fence"]) > fence_above
        ]
        return sum(map(len, found)) >= at_least

    await eventually(complete, within_s=PATIENCE_S)
    return np.concatenate(found)


def fence_of(market) -> int:
    return int(market.seen[SHARD][-1][0]["fence"])


async def test_partition_that_moves_emits_no_greeks_of_an_old_reference_but_a_status(
    server, market, tmp_path
) -> None:
    await listed_from_now(market)
    told = {"pricing__underlying_age_max_s": 0.5}
    async with worker(
        "enrich", kafka_environment(server, market.kafka, name="first", **told), tmp_path
    ) as one:
        await market.say(index(BEFORE), *calls(BEFORE), shard=SHARD)
        before = await options(market, at_least=len(STRIKES))
        assert (before["status"] == Status.OK).all()
        await market.until_committed(SHARD, await end_of(market, SHARD))
        fence = fence_of(market)
        one.kill()
    async with worker(
        "enrich", kafka_environment(server, market.kafka, name="second", **told), tmp_path
    ) as two:
        # Of the market an hour later, as it were; the index has not said so yet.
        await market.say(*calls(AFTER), shard=SHARD)
        moved = await options(market, at_least=len(STRIKES), fence_above=fence)
        unsolved = moved[-len(STRIKES) :]
        assert (unsolved["status"] == Status.NO_UNDERLYING).all()
        assert np.isnan(unsolved["implied_vol"]).all()
        assert np.isnan(unsolved["delta"]).all()
        await market.say(index(AFTER), *calls(AFTER), shard=SHARD)
        fresh = (await options(market, at_least=len(moved) + len(STRIKES), fence_above=fence))[
            -len(STRIKES) :
        ]
        assert (fresh["status"] == Status.OK).all()
        assert (abs(fresh["forward"] - AFTER) < 50).all()
        assert await two.drain() == 0


async def test_partition_that_moves_between_two_ticks_of_its_reference_keeps_it(
    server, market, tmp_path
) -> None:
    await listed_from_now(market)
    told = {"pricing__underlying_age_max_s": 300, "last_every_s": 0.2}
    first = worker(
        "enrich", kafka_environment(server, market.kafka, name="first", **told), tmp_path
    )
    second = worker(
        "enrich", kafka_environment(server, market.kafka, name="second", **told), tmp_path
    )
    async with first as one:
        await market.say(index(BEFORE), *calls(BEFORE), shard=SHARD)
        await options(market, at_least=len(STRIKES))
        await market.until_committed(SHARD, await end_of(market, SHARD))
        fence = fence_of(market)
        assert await one.drain() == 0
    async with second as two:
        await market.say(*calls(BEFORE + 5), shard=SHARD)
        moved = await options(market, at_least=len(STRIKES), fence_above=fence)
        assert (moved["status"] == Status.OK).all()
        assert (moved["underlying_price"] == BEFORE).all()
        assert await two.drain() == 0
