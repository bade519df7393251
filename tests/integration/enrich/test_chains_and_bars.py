"""Chains and bars of a worker, as a consumer finds them in Redis."""

from __future__ import annotations

import numpy as np
import pytest

from shared.wire import codec
from shared.wire.bars import BAR, BAR_DTYPE
from shared.wire.chains import Chain
from shared.wire.ticks import BATCH_HEADER_DTYPE
from shared.wire.topics import BARS, CHAINS
from tests.support.eventually import eventually
from tests.support.kite_market import chain, index_packet

pytestmark = pytest.mark.integration


async def test_chain_and_bars_of_a_live_market_are_published(start, market) -> None:
    async def chains() -> list[Chain]:
        return [codec.decode(f, Chain) for _, f in await market.redis.xrange(CHAINS.name())]

    async def more() -> bool:
        await market.say(index_packet(24_000.0), shard=0)
        await market.say(*chain(24_010.0), shard=0)
        kinds = [message.kind for message in await chains()]
        return kinds[:2] == ["snapshot", "delta"] and await market.redis.exists(BARS.name(0))

    async with start() as _:
        await eventually(more, within_s=15)
    first, second, *_ = await chains()
    assert (first.underlying, first.sequence, second.sequence) == ("NIFTY", 0, 1)
    assert first.fence == second.fence > 0
    assert any(vol is not None for vol in first.calls.implied_vol)
    _, fields = (await market.redis.xrange(BARS.name(0)))[0]
    header = np.frombuffer(fields[b"h"], BATCH_HEADER_DTYPE)[0]
    bars = np.frombuffer(fields[b"r"], BAR_DTYPE)
    assert (header["sequence"], header["layout_version"]) == (0, BAR.version)
    assert (header["records"], header["record_bytes"]) == (len(bars), BAR_DTYPE.itemsize)
    assert set(bars["interval_s"]) == {1}
    assert set(bars["fence"]) == {first.fence}
