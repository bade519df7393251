"""An ingest worker between the sandbox's sockets and real Redis."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import msgspec
import numpy as np
import pytest

from ingest.settings import IngestOptions
from shared.kite.codec.scan import check_frame
from shared.streams import published
from shared.wire.control import Control
from shared.wire.segments import iterate
from shared.wire.ticks import RAW_HEADER_DTYPE, SOCKET_REPAIR
from shared.wire.topics import CONTROL, RAW_TICKS
from tests.support.eventually import eventually
from tests.support.sandbox import SandboxInfo, sandbox_process
from tests.support.workers import ingest_environment, worker

pytestmark = pytest.mark.integration
OPTIONS = IngestOptions(
    underlyings=("NIFTY", "BANKNIFTY"), expiries=1, strikes_each_side=3, symbols=("NSE:INFY",)
)
#: Two indices with three futures each, six strikes of calls and puts each, one share.
WANTED = 2 * (1 + 3 + 12) + 1


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxInfo]:
    with sandbox_process(3, ["--strikes", "6"]) as running:
        yield running


@pytest.fixture
def started(start, sandbox):
    """Give `started()`: an ingest worker of the sandbox's account, wanting `OPTIONS`."""
    return partial(start, OPTIONS, account=sandbox.account)


async def raw(redis, shard: int) -> list[tuple[np.void, bytes]]:
    return [
        (np.frombuffer(fields[b"h"], RAW_HEADER_DTYPE)[0], fields[b"s"])
        for _, fields in await redis.xrange(RAW_TICKS.name(shard))
    ]


def tokens_in(segments: bytes) -> set[int]:
    found = set()
    for _, frame in iterate(segments):
        body, at = bytes(frame), 2
        for _ in range(check_frame(body)):
            length = int.from_bytes(body[at : at + 2], "big")
            found.add(int.from_bytes(body[at + 2 : at + 6], "big"))
            at += 2 + length
    return found


async def test_ticks_arrive_in_the_shard_of_their_underlying_as_published(
    started, redis, gaps
) -> None:
    async with started():
        version, listed = await published.get_instruments(redis)
        shard_map = await published.get_shard_map(redis)
        for shard in (0, 1):
            await eventually(lambda shard=shard: _entries(redis, shard, 3))
            heads, bodies = zip(*await raw(redis, shard), strict=True)
            assert [int(head["sequence"]) for head in heads] == list(range(len(heads)))
            assert {int(head["shard"]) for head in heads} == {shard}
            assert {int(head["instruments_version"]) for head in heads} == {version}
            seen = set().union(*map(tokens_in, bodies))
            rows = listed[np.isin(listed["instrument_token"], list(seen))]
            assert set(rows["shard"]) == {shard}
            assert {shard_map.shard_of(name.decode()) for name in rows["underlying"]} == {shard}
    assert await gaps() == []


async def _entries(redis, shard: int, count: int) -> bool:
    return len(await raw(redis, shard)) >= count


async def test_every_wanted_instrument_is_subscribed_once_and_ticks(
    started, redis, sandbox
) -> None:
    async with started():
        # The sandbox answers one look at the money a second; whole expiries stand in until then.
        await eventually(lambda: _subscribed(sandbox) == [WANTED], within_s=10)
        await eventually(lambda: _all_ticked(redis, WANTED))


def _subscribed(sandbox: SandboxInfo) -> list[int]:
    return [connection["instruments"] for connection in sandbox.get("state")["connections"]]


async def _all_ticked(redis, count: int) -> bool:
    seen: set[int] = set()
    for shard in (0, 1):
        for _, segments in await raw(redis, shard):
            seen |= tokens_in(segments)
    return len(seen) >= count


async def test_lost_connection_is_a_gap_with_its_instruments(started, redis, gaps, sandbox) -> None:
    async with started():
        await eventually(lambda: _subscribed(sandbox) == [WANTED], within_s=10)
        await eventually(lambda: _entries(redis, 0, 1))
        sandbox.post("faults", kind="ws_abort", account=sandbox.account.id)
        (gap,) = await eventually(gaps, within_s=15)
    assert (gap.cause, gap.socket, gap.account) == ("disconnected", 0, sandbox.account.id)
    assert len(gap.instrument_tokens) == WANTED
    assert 0 < gap.to_us - gap.from_us < 10_000_000


async def _repaired(redis) -> set[int]:
    return {
        token
        for shard in (0, 1)
        for head, segments in await raw(redis, shard)
        if int(head["socket"]) == SOCKET_REPAIR
        for token in tokens_in(segments)
    }


async def test_who_stays_quiet_after_a_reconnect_is_repaired_by_a_quote(
    started, sandbox, redis
) -> None:
    async with started():
        _, listed = await published.get_instruments(redis)
        infy = int(listed["instrument_token"][listed["tradingsymbol"] == b"INFY"][0])
        account = sandbox.account.id
        sandbox.post("faults", kind="ws_mute_token", count=None, account=account, token=infy)
        sandbox.post("faults", kind="ws_abort", account=account)
        try:
            repaired = await eventually(lambda: _repaired(redis), within_s=15)
        finally:
            sandbox.delete("faults")
    assert infy in repaired
    assert len(repaired) < WANTED


async def test_publication_that_redis_lost_is_there_again_under_its_version(started, redis) -> None:
    async with started():
        version, listed = await published.get_instruments(redis)
        await redis.delete("instruments.v1", "shards.v1", "layouts.v1")
        again = await eventually(lambda: published.get_instruments_version(redis))
        assert again == version
        assert np.array_equal((await published.get_instruments(redis))[1], listed)
        assert await published.get_shard_map(redis) is not None
        assert await published.get_layouts(redis)


async def test_second_run_publishes_nothing_that_is_there_already(started, redis) -> None:
    async with started():
        pass
    version = await published.get_instruments_version(redis)
    async with started():
        pass
    assert await published.get_instruments_version(redis) == version
    hints = [
        msgspec.json.decode(fields[b"json"], type=Control)
        for _, fields in await redis.xrange(CONTROL.name())
    ]
    assert [(hint.kind, hint.version) for hint in hints] == [("instruments_changed", version)]


async def test_other_instruments_are_published_under_a_higher_version(
    started, start, sandbox, redis
) -> None:
    async with started():
        pass
    version = await published.get_instruments_version(redis)
    async with start(msgspec.structs.replace(OPTIONS, shards=1), account=sandbox.account):
        assert await published.get_instruments_version(redis) > version


async def test_ingest_process_told_to_stop_writes_what_it_took_and_ends_cleanly(
    ticks_redis, orders_redis, sandbox, redis, tmp_path
) -> None:
    told = ingest_environment(ticks_redis, orders_redis, sandbox, underlyings="NIFTY", shards=1)
    async with worker("ingest", told, tmp_path) as process:
        await eventually(lambda: _entries(redis, 0, 2))
        assert await process.drain() == 0
    heads = [int(head["sequence"]) for head, _ in await raw(redis, 0)]
    assert heads == list(range(len(heads)))
