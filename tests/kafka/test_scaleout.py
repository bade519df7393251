"""Enrichment on Kafka, whole processes: what comes out, what is committed, how they end."""

from __future__ import annotations

import pytest

from tests.support.kafka_workers import kafka_environment
from tests.support.kite_market import SHARE, packet
from tests.support.workers import worker

pytestmark = [pytest.mark.integration, pytest.mark.e2e]


async def test_ticks_come_out_are_committed_and_a_drain_is_clean(server, market, tmp_path) -> None:
    told = kafka_environment(server, market.kafka, name="one")
    async with worker("enrich", told, tmp_path) as one:
        for n in range(1, 101):
            await market.say(packet(SHARE, float(n)))
        await market.until_price(100.0)
        assert await market.prices() == [float(n) for n in range(1, 101)]
        assert await one.drain() == 0
    await market.until_committed(1, 100)
