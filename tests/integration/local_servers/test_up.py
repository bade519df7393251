"""A run as a person sees it: what it prints, what it returns."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from redis.asyncio import Redis
from rich.console import Console

from deploy.local.up import Options, Session, up
from shared.clock import SystemClock
from shared.streams import published
from shared.wire import codec, topics
from shared.wire.instruments import INSTRUMENT_DTYPE, Kind
from shared.wire.orders import Command, OrderEvent, State
from shared.wire.shards import ShardMap
from shared.wire.ticks import BATCH_HEADER_DTYPE, TICK_DTYPE
from tests.support.eventually import eventually
from tests.support.fake_programs import request

pytestmark = pytest.mark.integration
ACCOUNT = "SB0001"
NS_PER_MS = 1_000_000


def _instruments() -> np.ndarray:
    rows = np.zeros(3, INSTRUMENT_DTYPE)
    rows["instrument_token"] = [1, 2, 3]
    rows["kind"] = [Kind.EQUITY, Kind.CALL, Kind.PUT]
    rows["exchange"] = [b"NSE", b"NFO", b"NFO"]
    rows["tradingsymbol"] = [b"INFY", b"NIFTY99", b"NIFTY99"]
    rows["underlying"] = [b"INFY", b"NIFTY", b"NIFTY"]
    rows["strike"] = [0, 25_000, 25_000]
    rows["expiry"] = [0, 21_000_101, 21_000_101]
    rows["tick_size"] = 0.05
    return rows


async def _market(ingest: Redis, enrich: Redis, *, moves: bool) -> None:
    """Publish what those two would, each with its own rights."""
    await published.put_instruments(ingest, 20261122, _instruments())
    await published.put_shard_map(ingest, ShardMap(version=1, shards=1, underlyings={}))
    clock = SystemClock()
    for sequence in range(10_000):
        header, records = np.zeros(1, BATCH_HEADER_DTYPE), np.zeros(3, TICK_DTYPE)
        header["sequence"] = sequence
        records["instrument_token"] = [1, 2, 3]
        records["received_at_ns"] = clock.now_ns()
        records["raw_entry_ms"] = clock.now_ns() // NS_PER_MS
        step = sequence if moves else 0
        records["last_price"] = records["underlying_price"] = 25_000 + step / 100
        records["implied_vol"] = 0.1 + step / 10_000
        await published.put_last(enrich, 0, records)
        await enrich.xadd(
            topics.ENRICHED_TICKS.name(0), {"h": header.tobytes(), "r": records.tobytes()}
        )
        await asyncio.sleep(0.05)


async def _desk(redis: Redis, answer: State) -> None:
    """Answer commands as the executor would."""
    last = "0"
    while True:
        found = await redis.xread({topics.COMMANDS.name(ACCOUNT): last}, block=100) or []
        for _, entries in found:
            for entry_id, fields in entries:
                last = entry_id
                command = codec.decode(fields, Command)
                for sequence, state in enumerate((State.RECEIVED, answer)):
                    event = OrderEvent(
                        sequence=sequence,
                        account=ACCOUNT,
                        command_id=command.command_id,
                        kind="place",
                        event=state.lower(),
                        state=state,
                        at_us=1,
                        order_id="2611220001",
                    )
                    await redis.xadd(topics.EVENTS.name(ACCOUNT), codec.encode(event))


@asynccontextmanager
async def _client(state: Path, role: str, which: str) -> AsyncIterator[Redis]:
    file = state / "secrets" / role / f"redis__{which}_url"
    url = await eventually(lambda: file.exists() and file.read_text(), within_s=30)
    async with Redis.from_url(url, protocol=2) as client:
        yield client


async def _run(state: Path, *, moves: bool, answer: State) -> tuple[int, str]:
    said = io.StringIO()
    session = Session(
        request=request(state),
        options=Options(duration_s=7.0),
        clock=SystemClock(),
        console=Console(file=said, width=200),
    )
    running = asyncio.create_task(up(session))
    async with (
        _client(state, "enrich", "ticks") as ticks,
        _client(state, "executor", "orders") as orders,
        _client(state, "ingest", "ticks") as ingest,
    ):
        market = asyncio.create_task(_market(ingest, ticks, moves=moves))
        desk = asyncio.create_task(_desk(orders, answer))
        code = await running
        for task in (market, desk):
            task.cancel()
        await asyncio.wait((market, desk))
    return code, said.getvalue()


async def test_a_run_in_which_all_flows_returns_0_and_says_where_things_are(state: Path) -> None:
    code, said = await _run(state, moves=True, answer=State.OPEN)
    assert code == 0, said
    assert "try next" in said
    assert "ticks/s" in said
    assert "tickflow: done" in said
    assert "BUY 1 INFY is OPEN, order 2611220001" in said


async def test_a_run_whose_picture_froze_and_whose_order_was_refused_returns_1(
    state: Path,
) -> None:
    code, said = await _run(state, moves=False, answer=State.REFUSED)
    assert code == 1
    assert "the NIFTY implied volatilities showed the same for" in said
    assert "the order did not go through: BUY 1 INFY ended REFUSED" in said


async def test_a_run_without_ticks_returns_1(state: Path) -> None:
    said = io.StringIO()
    session = Session(
        request=request(state),
        options=Options(duration_s=1.0, shows_view=False),
        clock=SystemClock(),
        console=Console(file=said, width=200),
    )
    assert await up(session) == 1
    assert "no tick reached the consumer" in said.getvalue()
    assert "no order was sent" in said.getvalue()


async def test_a_run_with_a_worker_that_dies_returns_1_with_its_last_words(state: Path) -> None:
    said = io.StringIO()
    session = Session(
        request=request(state, behaviour={"ingest": "dies"}),
        options=Options(),
        clock=SystemClock(),
        console=Console(file=said, width=200),
    )
    assert await up(session) == 1
    assert "tickflow: ingest ended by itself (exit code 1)" in said.getvalue()
    assert "ingest: cannot reach anything" in said.getvalue()


async def test_a_run_that_is_asked_to_stop_returns_0(state: Path) -> None:
    session = Session(
        request=request(state),
        options=Options(shows_view=False),
        clock=SystemClock(),
        console=Console(file=io.StringIO()),
    )
    running = asyncio.create_task(up(session))
    operator_file = state / "operator.env"
    await eventually(operator_file.exists, within_s=30)
    session.stop.asked.set()
    assert await running == 0
