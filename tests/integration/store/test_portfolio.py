"""Holdings beside positions: what may still be sold."""

from __future__ import annotations

import pytest

from shared.store.portfolio import Holding

pytestmark = pytest.mark.integration

SBIN = ("NSE", "SBIN", "CNC")


def holding(quantity, t1=0, used=0):
    return Holding(
        exchange="NSE",
        tradingsymbol="SBIN",
        product="CNC",
        quantity=quantity,
        t1_quantity=t1,
        used_quantity=used,
    )


@pytest.mark.parametrize(
    ("held", "position", "sellable"),
    [
        (holding(10), 0, 10),
        (holding(10, t1=5), 0, 15),
        (holding(10), 3, 13),
        (holding(10), -4, 6),
        (holding(10, used=4), -4, 6),
        (holding(10, used=4), 0, 6),
        (holding(10, used=4), 3, 9),
        (holding(4), -6, -2),
    ],
)
async def test_what_is_held_and_what_is_left_to_sell(journal, held, position, sellable):
    async with journal.change(at_us=5) as change:
        await change.portfolio.replace_holdings([holding(99)], looked_us=4)
        await change.portfolio.replace_holdings([held], looked_us=5)
    async with journal.change(at_us=6) as change:
        found = await change.portfolio.sellable(*SBIN, position=position, since_us=5)
    assert found == sellable


async def test_holdings_of_another_day_or_instrument_are_not_counted(journal):
    async with journal.change(at_us=5) as change:
        await change.portfolio.replace_holdings([holding(10)], looked_us=5)
        portfolio = change.portfolio
        assert await portfolio.sellable(*SBIN, position=2, since_us=6) == 2
        assert await portfolio.sellable("BSE", "SBIN", "CNC", position=2, since_us=5) == 2
        assert await portfolio.sellable("NSE", "SBIN", "MTF", position=-2, since_us=5) == -2
