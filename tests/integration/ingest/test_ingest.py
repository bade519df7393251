"""An ingest worker between the sandbox's sockets and real Redis."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import numpy as np
import pytest

from ingest import wiring
from ingest.settings import IngestAccount, IngestOptions, IngestSettings
from shared.clock import SystemClock
from shared.kite.codec.scan import check_frame
from shared.kite.settings import KiteSettings
from shared.runtime.logs import get_log
from shared.runtime.probe import Probe
from shared.runtime.resources import Resources
from shared.runtime.settings import ProbeSettings
from shared.secret import Secret
from shared.streams import published
from shared.streams.client import connect
from shared.streams.settings import RedisSettings
from shared.wire.control import Control, Gap
from shared.wire.segments import iterate
from shared.wire.ticks import RAW_HEADER_DTYPE, SOCKET_REPAIR
from shared.wire.topics import CONTROL, GAPS, RAW_TICKS
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
async def redis(ticks_redis):
    url = ticks_redis.url_for("ops")
    settings = RedisSettings(ticks_url=url, orders_url=url)
    async with connect(url, name="test", settings=settings) as client:
        yield client


@pytest.fixture
def start(ticks_redis, orders_redis, sandbox):
    """Give `start()`: an ingest worker, ready, for the length of an `async with`."""

    @asynccontextmanager
    async def running(options: IngestOptions = OPTIONS):
        account = sandbox.account
        settings = IngestSettings(
            redis=RedisSettings(
                ticks_url=ticks_redis.url_for("ingest"), orders_url=orders_redis.url_for("ingest")
            ),
            account=IngestAccount(
                id=account.id, api_key=account.api_key, access_token=Secret(account.access_token)
            ),
            kite=KiteSettings(
                rest_url=sandbox.rest_url, ws_url=sandbox.ws_url, socket_close_timeout_s=0.5
            ),
            ingest=options,
        )
        async with AsyncExitStack() as stack:
            probe = Probe(ProbeSettings(), worker="ingest")
            resources = Resources(
                probe=probe,
                clock=SystemClock(),
                log=get_log(),
                random=random.Random(1),
                stack=stack,
            )
            made = await wiring.build(settings, resources)
            probe.started()
            stopping = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(made.run(stopping), name="ingest")
                await eventually(lambda: _ready(probe), within_s=30)
                yield made
                stopping.set()

    return running


async def _ready(probe: Probe) -> bool:
    return (await probe.readiness()).status == "pass"


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


async def gaps(redis) -> list[Gap]:
    entries = await redis.xrange(GAPS.name())
    return [msgspec.json.decode(fields[b"json"], type=Gap) for _, fields in entries]


async def test_ticks_arrive_in_the_shard_of_their_underlying_as_published(start, redis) -> None:
    async with start():
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
    assert await gaps(redis) == []


async def _entries(redis, shard: int, count: int) -> bool:
    return len(await raw(redis, shard)) >= count


async def test_every_wanted_instrument_is_subscribed_once_and_ticks(start, redis, sandbox) -> None:
    async with start():
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


async def test_lost_connection_is_a_gap_with_its_instruments(start, redis, sandbox) -> None:
    async with start():
        await eventually(lambda: _subscribed(sandbox) == [WANTED], within_s=10)
        await eventually(lambda: _entries(redis, 0, 1))
        sandbox.post("faults", kind="ws_abort", account=sandbox.account.id)
        (gap,) = await eventually(lambda: gaps(redis), within_s=15)
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
    start, sandbox, redis
) -> None:
    async with start():
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


async def test_publication_that_redis_lost_is_there_again_under_its_version(start, redis) -> None:
    async with start():
        version, listed = await published.get_instruments(redis)
        await redis.delete("instruments.v1", "shards.v1", "layouts.v1")
        again = await eventually(lambda: published.get_instruments_version(redis))
        assert again == version
        assert np.array_equal((await published.get_instruments(redis))[1], listed)
        assert await published.get_shard_map(redis) is not None
        assert await published.get_layouts(redis)


async def test_second_run_publishes_nothing_that_is_there_already(start, redis) -> None:
    async with start():
        pass
    version = await published.get_instruments_version(redis)
    async with start():
        pass
    assert await published.get_instruments_version(redis) == version
    hints = [
        msgspec.json.decode(fields[b"json"], type=Control)
        for _, fields in await redis.xrange(CONTROL.name())
    ]
    assert [(hint.kind, hint.version) for hint in hints] == [("instruments_changed", version)]


async def test_other_instruments_are_published_under_a_higher_version(start, redis) -> None:
    async with start():
        pass
    version = await published.get_instruments_version(redis)
    async with start(msgspec.structs.replace(OPTIONS, shards=1)):
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
