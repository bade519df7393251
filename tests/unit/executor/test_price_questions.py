"""Questions for last prices: one request for all, never for ever, never where nobody answers."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal
from types import SimpleNamespace

import pytest
from msgspec.structs import replace
from prometheus_client import REGISTRY

from executor.gate import Bar, Gate
from executor.market.price_questions import EXPECTED_MAX, REFUSED_S, End, Line, Questions, prices_in
from executor.market.prices import Prices
from executor.market.quotes import Quotes
from executor.rules.risk import Risk
from shared.clock import ManualClock
from shared.errors import KiteRejected, KiteSessionExpired, KiteThrottled, KiteUnavailable
from shared.kite.limits import LTP_NAMES_MAX
from shared.resilience.breaker import Breaker, BreakerPolicy
from tests.support.eventually import eventually
from tests.unit.executor.builders import LIMITS, NOW_US, a_modify, a_place, an_order, facts_of

INFY = ("NSE", "INFY")
LONG_S = 5.0


class Turns:
    def __init__(self):
        self.free = asyncio.Event()
        self.free.set()
        self.taken, self.held = 0, []

    async def wait_first(self, rate):
        assert rate == "quote"
        await self.free.wait()
        self.taken += 1

    async def hold(self, rate, seconds):
        self.held.append((rate, seconds))


class Kite:
    """Tells 1500 of whatever is asked, but for what it does not know; or fails as told."""

    def __init__(self):
        self.asked, self.fails_with, self.unknown = [], None, set()
        self.answers = asyncio.Event()
        self.answers.set()

    async def ltp(self, names):
        self.asked.append(list(names))
        await self.answers.wait()
        if self.fails_with is not None:
            raise self.fails_with
        return {name: {"last_price": 1500} for name in names if name not in self.unknown}


class Nothing:
    async def read(self, _shard, _tokens):
        raise AssertionError("nothing is listed here")

    def find(self, *_name):
        return None


class Desk:
    def __init__(self, wait_s=LONG_S):
        self.clock = ManualClock(NOW_US * 1000)
        self.kite, self.turns, self.gate, self.session = Kite(), Turns(), Gate(), [True]
        self.gate.open(*Bar)
        self.quotes = Quotes(
            instruments=Nothing(), read=Nothing().read, clock=self.clock, age_s_max=30
        )
        line = Line(
            ltp=self.kite.ltp,
            turns=self.turns,
            has_session=lambda: self.session[0],
            breaker=Breaker(BreakerPolicy(failures_max=2, window_s=30, open_s=5)),
            gate=self.gate,
            clock=self.clock,
        )
        self.questions = Questions(line, self.quotes.keep, wait_s=wait_s)

    @asynccontextmanager
    async def running(self):
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.questions.run(stopping))
            try:
                yield
            finally:
                stopping.set()
                self.questions.stop()

    async def ask(self, name=INFY, patience_s=LONG_S):
        return await self.questions.ask(name, patience_s)


@pytest.fixture
async def desk():
    return Desk()


async def test_many_that_wait_for_one_instrument_and_for_others_are_one_request(desk):
    others = [("NFO", f"NIFTY{number}CE") for number in range(20)]
    async with desk.running():
        ends = await asyncio.gather(*(desk.ask(name) for name in [INFY] * 50 + others))
    assert set(ends) == {End.ANSWERED}
    (asked,) = desk.kite.asked
    assert sorted(asked) == sorted(["NSE:INFY", *(":".join(each) for each in others)])
    assert desk.turns.taken == 1
    assert desk.quotes.find(*INFY) == Decimal(1500)


async def test_who_comes_while_kite_is_being_asked_waits_for_the_same_answer(desk):
    desk.kite.answers.clear()
    async with desk.running():
        first = asyncio.create_task(desk.ask())
        await eventually(lambda: desk.kite.asked)
        second = asyncio.create_task(desk.ask())
        await asyncio.sleep(0)
        desk.kite.answers.set()
        assert [await first, await second] == [End.ANSWERED, End.ANSWERED]
    assert len(desk.kite.asked) == 1


async def test_request_names_no_more_than_kite_takes_the_rest_is_the_next(desk):
    names = [("NFO", f"OPTION{number}") for number in range(LTP_NAMES_MAX + 3)]
    async with desk.running():
        ends = await asyncio.gather(*(desk.ask(name) for name in names))
    assert set(ends) == {End.ANSWERED}
    assert [len(each) for each in desk.kite.asked] == [LTP_NAMES_MAX, 3]


async def test_request_names_what_is_expected_up_to_a_limit_and_alone_it_makes_none(desk):
    async with desk.running():
        for number in range(EXPECTED_MAX + 50):
            desk.questions.expect(("NFO", f"OPTION{number}"))
        await asyncio.sleep(0.05)
        assert desk.kite.asked == []
        await desk.ask()
    assert len(desk.kite.asked[0]) == EXPECTED_MAX + 1


async def test_price_told_serves_until_it_is_old_then_it_is_none(desk):
    async with desk.running():
        await desk.ask()
    desk.clock.advance(30)
    assert (desk.quotes.find(*INFY), desk.quotes.told_s(*INFY)) == (Decimal(1500), 30)
    desk.clock.advance(0.5)
    assert desk.quotes.find(*INFY) is None
    assert not desk.quotes.was_told(*INFY), "it may be asked again"


async def test_instrument_without_a_price_is_not_asked_for_again_at_once(desk):
    desk.kite.unknown = {"NSE:INFY"}
    async with desk.running():
        assert await desk.ask() is End.UNPRICED
    assert desk.quotes.find(*INFY) is None
    assert desk.quotes.was_told(*INFY)
    desk.clock.advance(5.5)
    assert not desk.quotes.was_told(*INFY)


async def test_who_waits_gives_up_after_his_patience_and_the_answer_serves_the_next(desk):
    desk.kite.answers.clear()
    async with desk.running():
        assert await desk.ask(patience_s=0.05) is End.LATE
        desk.kite.answers.set()
        await eventually(lambda: desk.quotes.find(*INFY) is not None)


async def test_slow_request_is_given_up_and_the_next_may_be_asked():
    desk = Desk(wait_s=0.05)
    desk.kite.answers.clear()
    async with desk.running():
        assert await desk.ask() is End.LATE
        desk.kite.answers.set()
        assert await desk.ask() is End.ANSWERED


async def test_no_turn_of_the_quote_budget_is_late_and_makes_no_request():
    desk = Desk(wait_s=0.05)
    desk.turns.free.clear()
    async with desk.running():
        assert await desk.ask() is End.LATE
    assert desk.kite.asked == []


@pytest.mark.parametrize("how", ["token", "bar"])
async def test_nothing_is_asked_without_a_session_and_nobody_waits(desk, how):
    if how == "token":
        desk.session[0] = False
    else:
        desk.gate.close(Bar.SESSION, "the token is dead")
    async with desk.running():
        assert not desk.questions.may_be_asked
        assert await desk.ask() is End.NO_SESSION
    assert (desk.kite.asked, desk.turns.taken) == ([], 0)


async def test_dead_token_ends_the_question(desk):
    desk.kite.fails_with = KiteSessionExpired("dead", error_type="TokenException", status=403)
    async with desk.running():
        assert await desk.ask() is End.NO_SESSION


async def test_failures_open_a_breaker_of_the_questions_own_then_nobody_waits(desk):
    desk.kite.fails_with = KiteUnavailable("502")
    async with desk.running():
        assert [await desk.ask(), await desk.ask()] == [End.FAILED, End.FAILED]
        assert await desk.ask() is End.BREAKER_OPEN
        assert not desk.questions.may_be_asked, "orders go as if nobody could be asked"
        assert desk.gate.passes("place"), "orders themselves are not held by it"
        assert len(desk.kite.asked) == 2
        desk.kite.fails_with = None
        desk.clock.advance(5.1)
        assert desk.questions.may_be_asked
        assert await desk.ask() is End.ANSWERED


async def test_broker_that_is_left_alone_is_asked_no_price(desk):
    desk.gate.close(Bar.BROKER, "it failed five times")
    async with desk.running():
        assert await desk.ask() is End.BREAKER_OPEN
    assert desk.kite.asked == []


async def test_429_holds_the_budget_and_nobody_waits_until_it_may_be_asked_again(desk):
    desk.kite.fails_with = KiteThrottled("slowly", retry_after_s=7.0)
    async with desk.running():
        assert await desk.ask() is End.THROTTLED
    assert desk.turns.held == [("quote", 7.0)]
    assert not desk.questions.may_be_asked


async def test_plan_without_market_data_is_asked_seldom(desk):
    refusal = KiteRejected("no permission", error_type="PermissionException", status=403)
    desk.kite.fails_with = refusal
    async with desk.running():
        assert await desk.ask() is End.REFUSED
        desk.clock.advance(REFUSED_S - 1)
        assert not desk.questions.may_be_asked
        desk.clock.advance(2)
        assert desk.questions.may_be_asked


async def test_bug_in_a_question_ends_neither_the_executor_nor_those_who_wait(desk):
    desk.kite.fails_with = ZeroDivisionError("a bug")
    async with desk.running():
        assert await desk.ask() is End.FAILED
        desk.kite.fails_with = None
        assert await desk.ask() is End.ANSWERED


async def test_stopping_lets_everybody_go(desk):
    desk.kite.answers.clear()
    async with desk.running():
        waiting = asyncio.create_task(desk.ask())
        await eventually(lambda: desk.kite.asked)
        desk.questions.stop()
        assert await waiting is End.LATE
        assert await desk.ask() is End.LATE
    assert not desk.kite.answers.is_set(), "nor does the worker wait for Kite"


@pytest.mark.parametrize(
    ("row", "price"),
    [
        ({"last_price": 1500}, Decimal(1500)),
        ({"last_price": 0.05, "instrument_token": 1}, Decimal("0.05")),
        ({"last_price": 0}, None),
        ({"last_price": -3.5}, None),
        ({"last_price": 1e12}, None),
        ({"last_price": "1500"}, None),
        ({"last_price": None}, None),
        ({}, None),
        (None, None),
        ([1500], None),
    ],
)
def test_whatever_cannot_be_a_price_is_none(row, price):
    assert prices_in({"NSE:INFY": row}, [INFY]) == {INFY: price}
    assert prices_in({}, [INFY]) == {INFY: None}


BAND = Risk(price_band_percent=20.0)


def lacking(**facts):
    return facts_of(a_place(**facts), limits=replace(LIMITS, risk=BAND))


def prices_of(desk, wait_s=LONG_S):
    return Prices(quotes=desk.quotes, questions=desk.questions, clock=desk.clock, wait_s=wait_s)


def outcomes():
    name = "tickflow_executor_price_questions_total"
    return {end: REGISTRY.get_sample_value(name, {"outcome": end}) or 0 for end in End}


async def test_command_waits_once_and_goes_on_without_a_price_then(desk):
    desk.kite.fails_with = KiteUnavailable("502")
    prices, facts = prices_of(desk), lacking()
    async with desk.running():
        prices.note(facts, INFY)
        assert await prices.is_awaited(facts.row)
        await prices.wait(facts.row)
        prices.note(facts, INFY)
        assert not await prices.is_awaited(facts.row), "asked once, it goes"
        await prices.wait(facts.row)
    assert len(desk.kite.asked) == 1


async def test_command_that_something_else_kept_back_long_after_its_wait_may_wait_again(desk):
    prices, facts = prices_of(desk), lacking()
    async with desk.running():
        prices.note(facts, INFY)
        await prices.wait(facts.row)
        desk.clock.advance(31)
        prices.note(facts, INFY)
        assert await prices.is_awaited(facts.row)


@pytest.mark.parametrize("why", ["told", "streamed", "no session", "switched off", "no rule"])
async def test_command_does_not_wait_where_that_brings_nothing(desk, why):
    prices, facts = prices_of(desk, wait_s=0 if why == "switched off" else LONG_S), lacking()
    risk = Risk() if why == "no rule" else BAND
    if why == "no rule":
        facts = facts_of(a_place())
    if why == "told":
        desk.quotes.keep(INFY, Decimal(1500))
    if why == "streamed":
        desk.quotes.find = lambda *_name: Decimal(1500)
    desk.session[0] = why != "no session"
    assert not prices.lacks(facts.command, INFY, risk)
    prices.note(facts, INFY)
    assert not await prices.is_awaited(facts.row)


async def test_modify_that_is_hurried_stops_waiting_and_is_counted_so(desk):
    desk.kite.answers.clear()
    prices, before = prices_of(desk), outcomes()
    riskier = a_modify(quantity=None, price=Decimal(103))
    facts = facts_of(
        riskier, limits=replace(LIMITS, risk=BAND), order=an_order(transaction_type="BUY")
    )
    prices.note(facts, INFY)
    async with desk.running():
        waiting = asyncio.create_task(prices.wait(facts.row))
        await eventually(lambda: desk.kite.asked)
        waiting.cancel()
        await asyncio.wait([waiting])
        desk.kite.answers.set()
    assert outcomes()[End.HURRIED] == before[End.HURRIED] + 1


async def test_claimed_command_is_expected_only_where_its_price_lacks(desk):
    prices, expected = prices_of(desk), []
    prices = Prices(
        quotes=desk.quotes,
        questions=SimpleNamespace(expect=expected.append, may_be_asked=True),
        clock=desk.clock,
        wait_s=LONG_S,
    )
    prices.expect(a_place(), INFY, BAND)
    desk.quotes.keep(("NSE", "SBIN"), Decimal(500))
    prices.expect(a_place(tradingsymbol="SBIN"), ("NSE", "SBIN"), BAND)
    assert expected == [INFY]
