"""The tables of past candles."""

from __future__ import annotations

import numpy as np
import pytest

from shared.store.candles import CANDLE_DTYPE, GREEKS_DTYPE, CandleTable, Range, SeriesName
from shared.store.migrate import migrate
from shared.store.pool import open_pool
from shared.store.settings import PostgresSettings

pytestmark = pytest.mark.integration

NAME = SeriesName("NFO", "NIFTY26DEC26000CE", 20261229, "minute")
WHOLE = Range(0, 10_000)


@pytest.fixture
async def table(postgres_url):
    async with open_pool(PostgresSettings(url=postgres_url)) as pool:
        await migrate(pool)
        yield CandleTable(pool)


def candles(*begins_s, close=100.0, oi=5):
    made = np.zeros(len(begins_s), CANDLE_DTYPE)
    made["begins_s"], made["oi"] = begins_s, oi
    for name in ("open", "high", "low", "close"):
        made[name] = close
    return made


def greeks(rows, *, parameters_id=1, status=0):
    made = np.zeros(len(rows), GREEKS_DTYPE)
    made["begins_s"], made["price"] = rows["begins_s"], rows["close"]
    made["parameters_id"], made["status"] = parameters_id, status
    made["implied_vol"] = 0.15 if status == 0 else np.nan
    return made


async def test_series_belongs_to_a_contract_whatever_its_token(table):
    series = await table.find(NAME)
    assert await table.find(NAME) == series
    assert await table.find(NAME._replace(expiry=20271228)) != series
    assert await table.find(NAME._replace(interval="day")) != series
    assert await table.find(NAME._replace(continuous=True)) != series


async def test_ranges_that_touch_or_overlap_become_one_and_holes_stay(table):
    series = await table.find(NAME)
    for part in (Range(0, 100), Range(300, 400), Range(100, 200), Range(350, 500)):
        await table.put(series, candles(), final=part, fetched_us=1)
    assert await table.covered(series) == [Range(0, 200), Range(300, 500)]
    await table.put(series, candles(), final=Range(150, 320), fetched_us=2)
    assert await table.covered(series) == [Range(0, 500)]


async def test_candle_that_grew_is_overwritten_and_covers_nothing(table):
    series = await table.find(NAME)
    await table.put(series, candles(60, 120), final=Range(60, 120), fetched_us=1)
    await table.put(series, candles(120, close=101.0, oi=-1), final=None, fetched_us=2)
    assert await table.covered(series) == [Range(60, 120)]
    kept = await table.read(series, WHOLE)
    assert kept["close"].tolist() == [100.0, 101.0]
    assert kept["oi"].tolist() == [5, -1]
    assert len(await table.read(series, Range(121, 200))) == 0


async def test_candles_are_priced_once_unless_they_or_the_parameters_change(table):
    series = await table.find(NAME)
    rows = candles(60, 120, 180)
    await table.put(series, rows, final=WHOLE, fetched_us=1)
    assert len(await table.unpriced(series, WHOLE, 1)) == 3
    await table.put_greeks(series, greeks(rows[:2]))
    await table.put_greeks(series, greeks(rows[2:], status=30))
    # The one without an underlying may find it now.
    assert (await table.unpriced(series, WHOLE, 1))["begins_s"].tolist() == [180]
    assert len(await table.unpriced(series, WHOLE, 2)) == 3
    await table.put(series, candles(60, close=101.0), final=None, fetched_us=2)
    assert (await table.unpriced(series, WHOLE, 1))["begins_s"].tolist() == [60, 180]
