"""The market moves reproducibly and its books agree with its prices."""

from datetime import datetime

import numpy as np
import pytest

from deploy.sandbox.contracts import Kind
from deploy.sandbox.expiry_calendar import IST
from deploy.sandbox.market import Market, MarketTerms
from deploy.sandbox.pricing import RATE, option_start
from deploy.sandbox.smile import SECONDS_PER_YEAR

NOW_S = int(datetime(2026, 11, 25, 10, tzinfo=IST).timestamp())


def market(seed: int = 3, step_s: float = 0.25) -> Market:
    return Market(MarketTerms(seed=seed, strikes_each_side=4, step_s=step_s), NOW_S)


def test_market_of_one_seed_walks_the_same_way_twice() -> None:
    first, second = market(), market()
    for step in range(20):
        first.step(NOW_S + step)
        second.step(NOW_S + step)
    assert np.array_equal(first.columns.last, second.columns.last)
    assert np.array_equal(first.columns.depth_quantity, second.columns.depth_quantity)


def test_market_of_another_seed_walks_another_way() -> None:
    assert not np.array_equal(market(3).columns.last, market(4).columns.last)


def test_market_books_are_symmetric_round_the_last_price_wherever_it_allows() -> None:
    found = market()
    found.step(NOW_S + 1)
    columns = found.columns
    tradable = found.listing.kind != Kind.INDEX
    bid, ask, last = columns.depth_price[:, 0], columns.depth_price[:, 5], columns.last
    two_sided = tradable & (bid > 0)
    assert two_sided.sum() > 100
    assert ((bid + ask)[two_sided] == 2 * last[two_sided]).all()
    assert (ask[tradable] > last[tradable]).all()
    assert (columns.depth_quantity[tradable & (bid == 0), 0] == 0).all()


def test_market_prices_lie_on_their_ticks() -> None:
    found = market()
    assert (found.columns.last % found.listing.tick_paise == 0).all()


def test_market_option_prices_are_worth_rounded_to_the_tick() -> None:
    found = market()
    found.step(NOW_S + 1)
    first = option_start(found.listing)
    exact = found.worth.price[first:] * 100
    away = np.abs(found.columns.last[first:] - np.maximum(exact, 5))
    assert (away <= 2.5 + 1e-6).all()


def test_market_calls_and_puts_of_an_expiry_agree_on_one_forward() -> None:
    found = market()
    found.step(NOW_S + 7)
    listing, worth = found.listing, found.worth
    for number in range(len(listing.groups)):
        calls = [
            row
            for row, c in enumerate(listing.contracts)
            if c.group == number and c.kind is Kind.CALL
        ]
        row = calls[len(calls) // 2]
        strike = listing.contracts[row].strike
        time = (listing.expiry_s[row] - NOW_S - 7) / SECONDS_PER_YEAR
        parity = strike + (worth.price[row] - worth.price[row + 1]) * np.exp(RATE * time)
        assert parity == pytest.approx(worth.forward[number], rel=1e-12)


def test_market_frozen_stands_still_and_keeps_sending_one_timestamp() -> None:
    found = market()
    found.step(NOW_S + 1)
    found.freeze(NOW_S + 2, frozen=True)
    before = found.columns.last.copy()
    changed = found.step(NOW_S + 900)
    assert changed.all()
    assert np.array_equal(found.columns.last, before)
    assert (found.columns.timestamp == NOW_S + 2).all()


def test_market_unfrozen_moves_on_with_the_time_of_now() -> None:
    found = market(step_s=60.0)
    found.freeze(NOW_S, frozen=True)
    found.freeze(NOW_S + 5, frozen=False)
    changed = found.step(NOW_S + 6)
    assert (found.columns.timestamp[changed] == NOW_S + 6).all()


def test_market_told_a_spot_price_moves_its_whole_chain() -> None:
    found = market()
    row = found.listing.row_of_key["NFO:NIFTY26DECFUT"]
    found.set_spot(0, 26_000.0, NOW_S + 1)
    assert found.spot(0) == 26_000.0
    assert found.columns.last[found.listing.row_of_token[256265]] == 2_600_000
    assert found.columns.last[row] > 2_600_000


def test_market_pinned_instrument_keeps_its_price_until_it_is_let_go() -> None:
    found = market(step_s=60.0)
    row = found.listing.row_of_key["NFO:NIFTY26DECFUT"]
    found.pin(row, 1_234_500, NOW_S)
    found.step(NOW_S + 1)
    assert found.columns.last[row] == 1_234_500
    found.pin(row, None, NOW_S + 2)
    assert found.columns.last[row] != 1_234_500


def test_market_past_an_expiry_drops_it_and_keeps_the_others_day() -> None:
    found = market()
    token = found.listing.contracts[found.listing.row_of_key["NFO:NIFTY26DECFUT"]].token
    volume = int(found.columns.volume[found.listing.row_of_token[token]])
    found.step(int(datetime(2026, 11, 26, 15, 39, tzinfo=IST).timestamp()))
    assert any(key.startswith("BFO:SENSEX26NOV") for key in found.listing.row_of_key)
    day_volume = int(found.columns.volume[found.listing.row_of_token[token]])
    found.step(int(datetime(2026, 11, 26, 15, 40, tzinfo=IST).timestamp()))
    assert not any(key.startswith("BFO:SENSEX26NOV") for key in found.listing.row_of_key)
    after = int(found.columns.volume[found.listing.row_of_token[token]])
    assert after >= day_volume
    assert volume > 0


def test_market_on_a_new_day_takes_yesterdays_last_as_its_close() -> None:
    found = market()
    found.step(NOW_S + 1)
    row = found.listing.row_of_token[256265]
    last = int(found.columns.last[row])
    found.step(NOW_S + 86_400)
    assert found.columns.close[found.listing.row_of_token[256265]] == last
