"""A made-up past that is always the same."""

from datetime import datetime

from deploy.sandbox.expiry_calendar import IST
from deploy.sandbox.history import Span, candles
from deploy.sandbox.market import Market, MarketTerms

MARKET = Market(MarketTerms(seed=1, strikes_each_side=1, step_s=0.25), 1_795_000_000)


def span(minutes: int, start: tuple[int, ...], end: tuple[int, ...]) -> Span:
    first, last = (int(datetime(*parts, tzinfo=IST).timestamp()) for parts in (start, end))  # type: ignore[arg-type]
    return Span(first, last, minutes)


def test_candles_of_minutes_include_both_ends() -> None:
    found = candles(MARKET, 0, span(1, (2026, 11, 20, 9, 15), (2026, 11, 20, 9, 20)), 1, oi=False)
    assert [candle[0] for candle in found] == [
        f"2026-11-20T09:{minute}:00+0530" for minute in range(15, 21)
    ]
    assert all(len(candle) == 6 for candle in found)


def test_candles_asked_for_twice_are_the_same() -> None:
    asked = span(5, (2026, 11, 18), (2026, 11, 20, 23))
    assert candles(MARKET, 30, asked, 1, oi=True) == candles(MARKET, 30, asked, 1, oi=True)


def test_candles_have_their_high_above_and_their_low_below_everything() -> None:
    found = candles(
        MARKET,
        len(MARKET.listing.contracts) - 1,
        span(15, (2026, 11, 18), (2026, 11, 20, 23)),
        1,
        oi=True,
    )
    assert found
    for _, opened, high, low, closed, volume, oi in found:
        assert low <= min(opened, closed)
        assert high >= max(opened, closed)
        assert volume > 0
        assert oi > 0


def test_candles_of_days_leave_out_weekends() -> None:
    found = candles(MARKET, 0, span(385, (2026, 11, 14), (2026, 11, 22)), 1, oi=False)
    assert [candle[0][:10] for candle in found] == [
        f"2026-11-{day}" for day in (16, 17, 18, 19, 20)
    ]
