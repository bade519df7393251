"""Queries: what may come in, what each asks, how answers are kept and shared."""

from __future__ import annotations

import asyncio
from random import Random

import msgspec
import pytest

from executor.gate import Bar, Gate
from executor.query_settings import QuerySettings
from executor.reads.cache import Answer, Answers
from executor.reads.call import Found, Reading
from executor.reads.door import address_of, query_of
from executor.reads.kinds import KINDS, question, rate_of
from executor.reads.queries import Queries
from executor.reads.turns import windows
from executor.steady import Patience
from shared.clock import ManualClock
from shared.errors import (
    KiteRejected,
    KiteSessionExpired,
    KiteUnavailable,
    MessageError,
    StreamError,
)
from shared.resilience.retry import RetryPolicy
from shared.runtime.logs import get_log
from shared.wire import queries as wire

WHO = {"query_id": "q", "client": "c"}
ORDER = wire.MarginOrder(
    exchange="NFO", tradingsymbol="NIFTY26NOVFUT", transaction_type="BUY", variety="regular",
    product="NRML", order_type="MARKET", quantity=65,
)  # fmt: skip
CHARGED = wire.ChargedOrder(
    order_id="1", exchange="NSE", tradingsymbol="INFY", transaction_type="BUY", variety="regular",
    product="CNC", order_type="LIMIT", quantity=1, average_price=10.5,
)  # fmt: skip
SPAN = {"instrument_token": 1, "begin": "2026-11-20 09:15:00", "end": "2026-11-20 15:30:00"}
EXTRA = {
    "order_history": {"order_id": "1"},
    "order_trades": {"order_id": "1"},
    "order_margins": {"orders": (ORDER,)},
    "basket_margins": {"orders": (ORDER,)},
    "charges": {"orders": (CHARGED,)},
    "gtt": {"trigger_id": 1},
    "mf_order": {"order_id": "a-1"},
    "mf_sip": {"sip_id": "1"},
    "quote": {"instruments": ("NSE:INFY",)},
    "ohlc": {"instruments": ("NSE:INFY",)},
    "ltp": {"instruments": ("NSE:NIFTY 50",)},
    "trigger_range": {"transaction_type": "BUY", "instruments": ("NSE:INFY",)},
    "candles": SPAN | {"interval": "minute"},
}


def made(kind, **fields):
    return wire.KINDS[kind](**WHO, **EXTRA.get(kind, {}), **fields)


def entry(**fields):
    return {b"json": msgspec.json.encode(WHO | fields)}


@pytest.mark.parametrize("kind", wire.KINDS)
def test_every_kind_comes_through_the_door_and_is_one_request_that_changes_nothing(kind):
    query = made(kind)
    assert query_of({b"json": msgspec.json.encode(query)}) == query
    request = KINDS[type(query)].asking(query)
    assert not request.changes
    assert rate_of(query) in windows(7)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"kind": "nothing"}, "Invalid value 'nothing' - at `$.kind`: it is 'nothing'"),
        ({"kind": "orders", "extra": 1}, "unknown field `extra`"),
        ({"kind": "orders", "client": "Bad Name"}, "at `$.client`: it is 'Bad Name'"),
        ({"kind": "quote", "instruments": []}, "length >= 1 - at `$.instruments`: it is"),
        ({"kind": "quote", "instruments": ["INFY"]}, "it is"),
        ({"kind": "margins", "segment": "gold"}, "at `$.segment`: it is 'gold'"),
        ({"kind": "orders", "deadline_us": 1}, "at `$.deadline_us`: it is '1'"),
        (
            SPAN | {"kind": "candles", "interval": "minute", "begin": "2026-09-01 00:00:00"},
            "end must be at most 60 days after begin, 2026-09-01 00:00:00, for interval minute",
        ),
        (
            SPAN | {"kind": "candles", "interval": "minute", "end": "2026-11-19 00:00:00"},
            "end must not be before begin, 2026-11-20 09:15:00: it is 2026-11-19 00:00:00",
        ),
        (
            SPAN | {"kind": "candles", "interval": "day", "begin": "2026-02-30 00:00:00"},
            "begin must be a date and a time of day: it is 2026-02-30 00:00:00",
        ),
        (
            SPAN | {"kind": "candles", "interval": "minute", "continuous": True},
            "continuous must be false for interval minute: it is true",
        ),
    ],
)
def test_door_names_field_value_and_rule(fields, sentence):
    with pytest.raises(MessageError) as caught:
        query_of(entry(**fields))
    assert sentence in str(caught.value)


def test_asker_of_a_malformed_query_is_known_where_its_name_can_be_read():
    assert address_of(entry(kind="nothing", extra=1)).client == "c"
    assert address_of({b"json": b'{"query_id":"q","client":"NOT ALLOWED"}'}) is None
    assert address_of({b"other": b""}) is None


def test_same_question_of_two_askers_is_one():
    one = made("margins", segment="equity")
    other = msgspec.structs.replace(one, query_id="x", client="y", deadline_us=10**15)
    assert question(one) == question(other) != question(made("margins"))


def test_answers_are_forgotten_when_old_or_when_there_is_no_room():
    answers = Answers(bytes_max=100)
    answers.keep(b"a", Answer(b"x" * 40, 1), until_s=10.0)
    answers.keep(b"b", Answer(b"y" * 40, 2), until_s=10.0)
    assert answers.find(b"a", 9.9).as_of_us == 1
    answers.keep(b"c", Answer(b"z" * 40, 3), until_s=10.0)
    assert answers.find(b"a", 9.9) is None
    answers.keep(b"d", Answer(b"w" * 400, 4), until_s=10.0)
    assert answers.find(b"d", 0.0) is None
    assert (len(answers), answers.size_bytes) == (2, 82)
    assert answers.find(b"b", 10.0) is None
    assert answers.size_bytes == 41


class FakeTurns:
    def __init__(self, takes_s=0.0):
        self.takes_s = takes_s

    async def wait(self, _rate):
        await asyncio.sleep(self.takes_s)

    async def hold(self, _rate, seconds):
        self.held = seconds


class FakeReads:
    """Answers with what it was given, errors raised, one after another."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0

    async def json(self, _request):
        self.asked += 1
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    csv = json


def reading(reads, *, takes_s=0.0, **changed):
    clock = ManualClock(10**18)
    settings = QuerySettings(attempt_gap_s=0.01, **changed)
    return Reading(reads, FakeTurns(takes_s), clock, settings, bytes_max=1000), clock


async def test_answer_is_given_again_until_it_is_no_longer_fresh():
    reads = FakeReads(b"[1]", b"[2]")
    desk, clock = reading(reads)
    first = await desk.read(made("positions"), 5.0)
    clock.advance(0.9)
    again = await desk.read(made("positions"), 5.0)
    clock.advance(0.2)
    later = await desk.read(made("positions"), 5.0)
    assert [(each.answer.data, each.is_cached) for each in (first, again, later)] == [
        (b"[1]", False),
        (b"[1]", True),
        (b"[2]", False),
    ]


async def test_followers_of_a_leader_out_of_luck_ask_for_themselves():
    reads = FakeReads(b"[1]")
    desk, _ = reading(reads, takes_s=0.05)
    leader = asyncio.create_task(desk.read(made("trades"), 0.02))
    await asyncio.sleep(0)
    follower = await desk.read(made("trades"), 5.0)
    assert isinstance(follower, Found)
    assert (await leader).code == "rate_limited"


async def test_refusal_that_holds_for_all_is_told_to_all_after_one_call():
    reads = FakeReads(KiteSessionExpired("dead", error_type="TokenException", status=403))
    desk, _ = reading(reads)
    told = await asyncio.gather(*(desk.read(made("orders"), 5.0) for _ in range(3)))
    assert [reason.code for reason in told] == ["auth_required"] * 3
    assert reads.asked == 1


async def test_read_is_repeated_only_where_asking_again_can_help():
    away = FakeReads(KiteUnavailable("away"), KiteUnavailable("away"), b"[1]")
    assert isinstance(await reading(away)[0].read(made("gtts"), 5.0), Found)
    gone = FakeReads(KiteUnavailable("away"))
    assert (await reading(gone)[0].read(made("gtts"), 5.0)).code == "broker_unavailable"
    assert gone.asked == 3
    refused = FakeReads(KiteRejected("no", error_type="InputException", status=400))
    reason = await reading(refused)[0].read(made("gtts"), 5.0)
    assert (reason.code, reason.measured) == ("broker_rejected", "InputException 400")
    assert refused.asked == 1


async def test_answer_too_long_for_an_entry_is_refused_with_its_size():
    reason = await reading(FakeReads(b"x" * 1001))[0].read(made("orders"), 5.0)
    assert (reason.code, reason.measured, reason.limit) == (
        "reply_too_large",
        "1001 bytes",
        "1000 bytes",
    )


class FailingReader:
    """A stream that cannot be read a few times; then whoever reads is stopped."""

    def __init__(self, stopping):
        self.stopping = stopping
        self.failures = 2

    async def ensure(self):
        pass

    async def claim_abandoned(self, _idle_ms):
        return []

    async def read(self):
        if self.failures:
            self.failures -= 1
            raise StreamError("no rights")
        self.stopping.set()
        return []


async def test_stream_of_queries_that_cannot_be_read_keeps_no_order_back():
    async def nothing():
        return 0

    stopping, gate = asyncio.Event(), Gate()
    reader = FailingReader(stopping)
    queries = Queries(
        account="A",
        reader=reader,
        reading=None,
        put=None,
        trim=nothing,
        clock=ManualClock(10**18),
        patience=Patience(gate, RetryPolicy(base_s=0.001, ceiling_s=0.01), Random(1), get_log()),
        settings=QuerySettings(),
    )
    await asyncio.wait_for(queries.run(stopping), 5)
    assert reader.failures == 0
    assert not gate.is_closed(Bar.STREAMS)
