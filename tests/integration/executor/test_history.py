"""Past candles and their Greeks: fetched through the executor, kept, never fetched twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import urllib.request

import pytest

from shared.market.instruments import parse
from shared.store.instruments import InstrumentTable
from shared.store.pool import open_pool
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

DAYS = ("--from", "2026-11-18", "--to", "2026-11-20")


@pytest.fixture
async def pool(room):
    async with open_pool(room.settings.postgres) as opened:
        async with opened.connection() as connection:
            await connection.execute(
                "TRUNCATE candle_series, candles, candle_coverage, candle_greeks"
            )
        yield opened


@pytest.fixture
async def listed(room, pool):
    """Keep the sandbox's instruments as ingest would; return them."""

    def fetch():
        with urllib.request.urlopen(f"{room.sandbox.rest_url}/instruments") as answer:
            return answer.read()

    records = parse(await asyncio.to_thread(fetch)).records
    await InstrumentTable(pool).put(2026112700, records, fetched_us=1)
    return records


async def start(room, orders_redis, *words, command=("-m", "shared.ops", "backfill")):
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TICKFLOW")}
    environ |= {
        "TICKFLOW_REDIS__ORDERS_URL": orders_redis.url_for("enrich").reveal(),
        "TICKFLOW_REDIS__TICKS_URL": orders_redis.url_for("enrich").reveal(),
        "TICKFLOW_POSTGRES__URL": room.settings.postgres.url.reveal(),
        "TICKFLOW_ACCOUNT__ID": room.account,
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, *command, *words, env=environ,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def backfill(room, orders_redis, *words):
    """Run `tickflow backfill` to its end; return exit code and what it reports."""
    process = await start(room, orders_redis, *words, "--json")
    output, notes = await process.communicate()
    lines = output.decode().splitlines()
    assert lines, notes.decode()
    return process.returncode, json.loads(lines[-1])


async def rows(pool, query):
    async with pool.connection() as connection:
        return [tuple(row.values()) for row in await connection.fetch(query)]


def near_strikes(listed, count):
    """Return the words for the strikes nearest NIFTY's money."""
    options = listed[(listed["underlying"] == b"NIFTY") & (listed["kind"] == 3)]
    nearest = options[options["expiry"] == options["expiry"].min()]
    strikes = sorted(set(nearest["strike"].tolist()))
    middle = len(strikes) // 2
    return ("--strike-from", str(strikes[middle]), "--strike-to", str(strikes[middle + count - 1]))


async def test_options_of_an_expiry_come_with_greeks_and_a_second_run_asks_nothing(
    room, pool, listed, orders_redis
):
    words = ("--underlying", "NIFTY", "--interval", "60minute", *DAYS, *near_strikes(listed, 1))
    async with room.executor():
        code, told = await backfill(room, orders_redis, *words)
        again_code, again = await backfill(room, orders_redis, *words)
    assert (code, told["failures"], told["done"]) == (0, {}, told["total"])
    assert told["candles"] > 0
    assert (again_code, again["requests"], again["priced"]) == (0, 0, 0)
    kept = await rows(pool, "SELECT tradingsymbol, expiry, count(*), max(oi) FROM candle_series"
                            " JOIN candles USING (series) GROUP BY 1, 2")  # fmt: skip
    # Seven candles a day of the options, of their future where it is listed, of the index.
    assert {count for _, _, count, _ in kept} == {21}
    assert ("NIFTY 50", 0) in {row[:2] for row in kept}
    priced = await rows(pool, "SELECT status, implied_vol, forward_source FROM candle_greeks")
    assert len(priced) == told["priced"] == 2 * 21
    solved = [vol for status, vol, _ in priced if status == 0]
    assert len(solved) == told["solved"] > 30
    assert all(0.03 < vol < 0.6 for vol in solved)
    assert {vol for status, vol, _ in priced if status} <= {None}


async def test_backfill_killed_in_the_middle_goes_on_with_what_is_missing(
    room, pool, listed, orders_redis
):
    words = ("--underlying", "NIFTY", "--interval", "day", *DAYS, *near_strikes(listed, 4))
    words = (*words, "--no-greeks")
    child = ("-m", "enrich.backfill", "--account", room.account)
    await asyncio.to_thread(room.sandbox.post, "limits", enabled=True)
    async with room.executor():
        process = await start(room, orders_redis, *words, command=child)

        async def some_are_kept():
            ((count,),) = await rows(pool, "SELECT count(*) FROM candle_coverage")
            return count

        await eventually(some_are_kept, within_s=30)
        process.send_signal(signal.SIGKILL)
        await process.communicate()
        before = await some_are_kept()
        code, told = await backfill(room, orders_redis, *words)
    assert code == 0
    ((series,),) = await rows(pool, "SELECT count(*) FROM candle_series")
    assert 0 < before < series
    assert told["requests"] == series - before


async def test_candle_that_still_grows_is_fetched_again_and_a_dead_session_says_so(
    room, pool, listed, orders_redis
):
    today = ("--from", "2026-11-20", "NSE:INFY", "--interval", "day")
    async with room.executor():
        _, first = await backfill(room, orders_redis, *today)
        _, second = await backfill(room, orders_redis, *today)
        wish = {"status": 403, "error_type": "TokenException", "message": "Incorrect `api_key`."}
        await room.fault(kind="http_error", path="/instruments/historical", count=9, **wish)
        process = await start(room, orders_redis, *today)
        _, notes = await process.communicate()
    assert first["requests"] == 1
    # The day that is not over is asked for again, the days before it are not.
    assert second["requests"] == 1
    assert second["candles"] <= 1 < first["candles"]
    assert process.returncode == 1
    assert "is dead: log in, start again" in notes.decode()


async def test_what_cannot_be_fetched_is_named_and_the_rest_is_kept(
    room, pool, listed, orders_redis
):
    async with room.executor():
        await room.fault(
            kind="http_error", path="/instruments/historical/408065", count=9, status=400,
            error_type="InputException", message="invalid token",
        )  # fmt: skip
        code, told = await backfill(room, orders_redis, *DAYS, "NSE:INFY", "NSE:TCS",
                                    "--interval", "day")  # fmt: skip
    assert code == 3
    assert told["failures"] == {"INFY": "broker_rejected: invalid token"}
    assert told["candles"] == 3
