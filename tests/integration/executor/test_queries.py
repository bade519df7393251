"""Queries written into the stream, answered by an executor out of the sandbox."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import shlex
import sys
import time
from pathlib import Path

import msgspec
import pytest

from shared.clock import SystemClock
from shared.streams.asking import asking
from shared.streams.client import connect
from shared.wire import queries as wire
from shared.wire.topics import QUERIES, REPLIES, dead
from tests.integration.executor.conftest import limit_order
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

PAGE = Path(__file__).resolve().parents[3] / "docs" / "queries.md"
WHO = {"query_id": "-", "client": "-"}
INFY = ("NSE:INFY",)


@pytest.fixture
async def producer(room, orders_redis):
    """Give a connection with the rights of whoever writes commands, no more."""
    url = orders_redis.url_for("producer")
    async with connect(url, name="asker", settings=room.settings.redis) as redis:
        yield redis


@pytest.fixture
async def asker(producer):
    async with asking(producer, SystemClock(), "test", block_ms=50) as found:
        yield found


def data_of(reply):
    assert reply is not None, "nobody answered"
    assert reply.ok, reply.error
    return msgspec.json.decode(reply.data)


async def write(room, redis, **fields):
    body = json.dumps({"query_id": "q1", "client": "by-hand", **fields})
    await redis.xadd(QUERIES.name(room.account), {"json": body})


async def replies(room):
    entries = await room.redis.xrange(REPLIES.name("by-hand"))
    return [msgspec.json.decode(fields[b"json"], type=wire.Reply) for _, fields in entries]


async def calls(room, path, since=0):
    """Return the requests of a path that reached the broker."""
    found = await asyncio.to_thread(room.sandbox.get, "received", since=since)
    return [each for each in found["entries"] if each.get("path") == path]


async def waiting_at(room, path):
    """Tell whether the newest request of a path has not been answered yet."""
    found = await calls(room, path)
    return bool(found) and found[-1]["status"] is None


async def sequence(room):
    found = await asyncio.to_thread(room.sandbox.get, "received", since=10**9)
    return found["sequence"]


async def test_query_written_by_hand_is_answered_in_the_askers_own_stream(room, producer):
    async with room.executor():
        await write(room, producer, kind="margins", segment="equity")
        (reply,) = await eventually(lambda: replies(room))
        assert (reply.ok, reply.query_id, reply.kind) == (True, "q1", "margins")
        assert data_of(reply)["enabled"] is True
        assert 0 < await room.redis.pttl(REPLIES.name("by-hand")) <= 300_000

        async def acknowledged():
            (group,) = await room.redis.xinfo_groups(QUERIES.name(room.account))
            return group["pending"] == 0

        await eventually(acknowledged)


async def test_example_of_the_page_is_answered(room, producer):
    asking_line, reading_line = re.findall(r"^(?:XADD|XREAD) .*$", PAGE.read_text(), re.MULTILINE)
    async with room.executor():
        assert room.account in asking_line
        await producer.execute_command(*shlex.split(asking_line))
        ((_, ((_, fields),)),) = await producer.execute_command(*shlex.split(reading_line))
    assert json.loads(fields[b"json"])["data"]["enabled"] is True


async def test_order_book_has_the_order_just_placed_with_its_history(room, asker):
    async with room.executor():
        command_id = await room.send(**limit_order())
        order_id = (await room.until_state(command_id, "OPEN"))[-1].order_id
        book = data_of(await asker.ask(room.account, wire.Orders(**WHO), 5))
        steps = data_of(
            await asker.ask(room.account, wire.OrderHistory(**WHO, order_id=order_id), 5)
        )
    assert order_id in [row["order_id"] for row in book]
    assert [row["status"] for row in steps][-1] == "OPEN"


RECKONED = wire.MarginOrder(
    exchange="NSE", tradingsymbol="INFY", transaction_type="BUY", variety="regular",
    product="CNC", order_type="LIMIT", quantity=1, price=1500,
)  # fmt: skip
EXECUTED = wire.ChargedOrder(
    order_id="1", exchange="NSE", tradingsymbol="INFY", transaction_type="BUY", variety="regular",
    product="CNC", order_type="LIMIT", quantity=1, average_price=1500,
)  # fmt: skip
OF_KIND = {
    "order_history": {"order_id": "1"},
    "order_trades": {"order_id": "1"},
    "order_margins": {"orders": (RECKONED,)},
    "basket_margins": {"orders": (RECKONED,)},
    "charges": {"orders": (EXECUTED,)},
    "gtt": {"trigger_id": 1},
    "mf_order": {"order_id": "1"},
    "mf_sip": {"sip_id": "1"},
    "quote": {"instruments": INFY},
    "ohlc": {"instruments": INFY},
    "ltp": {"instruments": INFY},
    "trigger_range": {"transaction_type": "BUY", "instruments": INFY},
    "candles": {
        "instrument_token": 256265, "interval": "day",
        "begin": "2026-11-20 00:00:00", "end": "2026-11-20 23:59:59",
    },
}  # fmt: skip
#: Kinds that ask for one thing by an id nobody has here.
OF_ONE = {"order_history", "order_trades", "gtt", "mf_order", "mf_sip"}


async def test_every_kind_reaches_kite_and_comes_back(room, asker):
    async with room.executor():
        asked = {
            kind: asker.ask(room.account, made(**WHO, **OF_KIND.get(kind, {})), 25)
            for kind, made in wire.KINDS.items()
        }
        replies = dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))
    refused = {kind: reply.error.code for kind, reply in replies.items() if not reply.ok}
    assert refused == dict.fromkeys(OF_ONE, "broker_rejected")
    assert data_of(replies["mf_instruments"]).startswith("tradingsymbol,amc,name,")
    assert data_of(replies["basket_margins"])["final"]["total"] == 1500
    assert all(reply.as_of_us > 0 for reply in replies.values() if reply.ok)


async def test_equal_queries_at_once_share_one_call_and_the_next_is_cached(room, asker):
    async with room.executor():
        await room.fault(kind="slow", path="/quote/ltp", seconds=0.3)
        began = await sequence(room)
        asked = [asker.ask(room.account, wire.Ltp(**WHO, instruments=INFY), 5) for _ in range(5)]
        together = await asyncio.gather(*asked)
        again = await asker.ask(room.account, wire.Ltp(**WHO, instruments=INFY), 5)
        made = await calls(room, "/quote/ltp", began)
    assert len({reply.as_of_us for reply in (*together, again)}) == 1
    assert {reply.cached for reply in together} == {False}
    assert again.cached
    assert len(made) == 1


async def test_reads_keep_to_kites_rate_in_every_second_and_no_quote_is_refused(room, asker):
    await asyncio.to_thread(room.sandbox.post, "limits", enabled=True)
    async with room.executor():
        began = await sequence(room)
        queries = [
            wire.Ltp(**WHO, instruments=(name,)) for name in ("NSE:INFY", "NSE:TCS", "NSE:SBIN")
        ]
        got = await asyncio.gather(*(asker.ask(room.account, each, 9) for each in queries))
        made = await calls(room, "/quote/ltp", began)
    assert [reply.ok for reply in got] == [True] * 3
    sent_ns = sorted(int(each["time_ns"]) for each in made)
    # Measured where they arrive: the way there wavers on a busy machine.
    assert all(b - a > 0.9e9 for a, b in itertools.pairwise(sent_ns)), sent_ns
    assert {each["status"] for each in made} == {200}


async def has_entries(room, stream, count):
    return await room.redis.xlen(stream) >= count


async def test_turn_that_does_not_come_before_the_deadline_is_a_refusal(room, asker):
    def quote_of(symbol, within_s):
        return asker.ask(room.account, wire.Ohlc(**WHO, instruments=(f"NSE:{symbol}",)), within_s)

    async with room.executor(), asyncio.TaskGroup() as group:
        before = [
            group.create_task(quote_of(symbol, 10))
            for symbol in ("INFY", "TCS", "SBIN", "RELIANCE")
        ]
        stream = QUERIES.name(room.account)
        await eventually(lambda: has_entries(room, stream, len(before)))
        # Its turn would be the fifth second's.
        refused = await quote_of("HDFCBANK", 2)
    assert all(each.result().ok for each in before)
    assert refused.error.code == "rate_limited"


async def test_throttled_read_backs_off_and_is_answered(room, asker):
    # Margins are what the executor never reads for itself.
    async with room.executor():
        await room.fault(kind="http_429", path="/user/margins")
        began = await sequence(room)
        began_s = time.monotonic()
        reply = await asker.ask(room.account, wire.Margins(**WHO), 9)
        made = await calls(room, "/user/margins", began)
    assert "equity" in data_of(reply)
    assert [each["status"] for each in made] == [429, 200]
    assert time.monotonic() - began_s > 1.0


async def test_dead_token_is_answered_with_auth_required(room, asker):
    async with room.executor():
        wish = {"status": 403, "error_type": "TokenException", "message": "Incorrect `api_key`."}
        await room.fault(kind="http_error", path="/user/margins", **wish)
        reply = await asker.ask(room.account, wire.Margins(**WHO), 5)
    assert (reply.ok, reply.error.code) == (False, "auth_required")


async def test_refusal_of_the_broker_is_told_in_its_words_and_not_repeated(room, asker):
    async with room.executor():
        began = await sequence(room)
        query = wire.OrderHistory(**WHO, order_id="999")
        reply = await asker.ask(room.account, query, 5)
        made = await calls(room, "/orders/999", began)
    assert reply.error.code == "broker_rejected"
    assert "order_id" in reply.error.sentence
    assert len(made) == 1


async def test_broker_that_answers_pages_is_unavailable_after_three_calls(room, asker):
    async with room.executor(), asyncio.timeout(20):
        await room.fault(kind="http_html", path="/user/margins", count=9)
        reply = await asker.ask(room.account, wire.Margins(**WHO), 9)
        await asyncio.to_thread(room.sandbox.delete, "faults")
    assert reply.error.code == "broker_unavailable"


async def test_malformed_query_is_told_so_and_kept_as_a_dead_letter(room, producer):
    async with room.executor():
        await write(room, producer, kind="candles", instrument_token=256265, interval="1minute",
                    begin="2026-11-20 09:15:00", end="2026-11-20 09:16:00")  # fmt: skip
        await producer.xadd(QUERIES.name(room.account), {"json": "not json"})
        (reply,) = await eventually(lambda: replies(room))

        async def both_kept():
            return await room.redis.xlen(dead(QUERIES.name(room.account))) == 2

        await eventually(both_kept)
    assert (reply.ok, reply.error.code) == (False, "malformed")
    assert "`$.interval`: it is '1minute'" in reply.error.sentence


async def test_query_that_waited_past_its_deadline_is_not_asked(room, producer):
    await write(room, producer, kind="profile", deadline_us=1_500_000_000_000_000)
    async with room.executor():
        (reply,) = await eventually(lambda: replies(room))
    assert reply.error.code == "deadline_passed"


async def test_query_left_unanswered_by_one_executor_is_answered_by_the_next(room, producer):
    hasty = msgspec.structs.replace(room.settings.queries, drain_s=0.0)
    room.settings = msgspec.structs.replace(room.settings, queries=hasty)
    async with room.executor():
        await room.fault(kind="slow", path="/user/margins", seconds=30)
        deadline_us = time.time_ns() // 1000 + 30_000_000
        await write(room, producer, kind="margins", deadline_us=deadline_us)
        await eventually(lambda: room.redis.exists(QUERIES.name(room.account)))
        await eventually(lambda: waiting_at(room, "/user/margins"))
    assert await replies(room) == []
    await asyncio.to_thread(room.sandbox.delete, "faults")
    async with room.executor():
        (reply,) = await eventually(lambda: replies(room))
    assert reply.ok


async def test_order_leaves_while_slow_queries_are_being_asked(room, asker):
    async with room.executor():
        await room.ready()
        await room.fault(kind="slow", path="/user/margins", seconds=3)
        waiting = asyncio.create_task(asker.ask(room.account, wire.Margins(**WHO), 9))
        await eventually(lambda: waiting_at(room, "/user/margins"))
        command_id = await room.send(**limit_order())
        await room.until_state(command_id, "OPEN")
        assert not waiting.done()
        assert (await waiting).ok


async def test_candles_come_as_kite_writes_them(room, asker):
    span = {"begin": "2026-11-20 09:15:00", "end": "2026-11-20 09:19:00"}
    query = wire.CandlesOf(**WHO, instrument_token=256265, interval="minute", oi=True, **span)
    async with room.executor():
        rows = data_of(await asker.ask(room.account, query, 5))["candles"]
    assert [len(row) for row in rows] == [7] * 5
    assert rows[0][0] == "2026-11-20T09:15:00+0530"


async def tickflow(room, orders_redis, *words):
    """Run the operator's command line as somebody would; return exit code, output, notes."""
    url = orders_redis.url_for("ops").reveal()
    environ = os.environ | {"TICKFLOW_REDIS__ORDERS_URL": url, "TICKFLOW_ACCOUNT__ID": room.account}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "shared.ops", *words, env=environ,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, notes = await process.communicate()
    return process.returncode, output.decode(), notes.decode()


async def test_operator_reads_through_the_executor(room, orders_redis):
    async with room.executor():
        told, refused = await asyncio.gather(
            tickflow(room, orders_redis, "query", "holdings"),
            tickflow(room, orders_redis, "query", "order-history", "order_id=999", "--json"),
        )
    code, output, notes = told
    assert (code, "INFY" in output, "as of" in notes) == (0, True, True), told
    code, output, _ = refused
    assert (code, json.loads(output)["error"]["code"]) == (4, "broker_rejected"), refused
