from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from executor.market.quotes import Quotes
from executor.rules.guard import Instrument
from shared.clock import ManualClock
from shared.errors import StreamError
from tests.support.option_chain import INFY, RECEIVED_AT_NS, tick


class Listed:
    def find(self, _exchange, symbol):
        return Instrument(token=INFY, shard=1) if symbol == "INFY" else None


class Kept:
    def __init__(self):
        self.records = tick(INFY, 101.55)
        self.asked = []

    async def read(self, shard, tokens):
        self.asked.append((shard, list(tokens)))
        if self.records is None:
            raise StreamError("away")
        return self.records


@pytest.fixture
def kept():
    return Kept()


@pytest.fixture
def clock():
    return ManualClock(RECEIVED_AT_NS)


@pytest.fixture
def quotes(kept, clock):
    return Quotes(instruments=Listed(), read=kept.read, clock=clock, age_s_max=30)


async def test_quotes_read_a_price_once_while_it_is_fresh(quotes, kept, clock):
    for _ in range(2):
        await quotes.look("NSE", "INFY")
    assert quotes.find("NSE", "INFY") == Decimal("101.55")
    assert kept.asked == [(1, [INFY])]
    clock.advance(1.5)
    await quotes.look("NSE", "INFY")
    assert len(kept.asked) == 2


async def test_quotes_take_a_price_that_is_too_old_for_none(quotes, clock):
    clock.advance(31)
    await quotes.look("NSE", "INFY")
    assert quotes.find("NSE", "INFY") is None


@pytest.mark.parametrize("records", [None, np.empty(0)])
async def test_quotes_forget_a_price_they_cannot_read_again(quotes, kept, clock, records):
    await quotes.look("NSE", "INFY")
    clock.advance(2)
    kept.records = records
    await quotes.look("NSE", "INFY")
    assert quotes.find("NSE", "INFY") is None


async def test_quotes_know_nothing_of_what_is_not_listed(quotes, kept):
    await quotes.look("NSE", "TCS")
    assert quotes.find("NSE", "TCS") is None
    assert kept.asked == []


async def test_price_that_is_read_goes_before_the_one_kite_told(quotes, kept, clock):
    quotes.keep(("NSE", "INFY"), Decimal(99))
    assert (quotes.find("NSE", "INFY"), quotes.told_s("NSE", "INFY")) == (Decimal(99), 0)
    await quotes.look("NSE", "INFY")
    assert (quotes.find("NSE", "INFY"), quotes.told_s("NSE", "INFY")) == (Decimal("101.55"), None)
    kept.records = None
    clock.advance(2)
    await quotes.look("NSE", "INFY")
    assert (quotes.find("NSE", "INFY"), quotes.told_s("NSE", "INFY")) == (Decimal(99), 2)


async def test_price_told_is_forgotten_where_kite_tells_none_any_more(quotes):
    quotes.keep(("NSE", "INFY"), Decimal(99))
    quotes.keep(("NSE", "INFY"), None)
    assert quotes.find("NSE", "INFY") is None
