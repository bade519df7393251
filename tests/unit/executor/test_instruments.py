from __future__ import annotations

import asyncio

import numpy as np
import pytest

from executor.market.instruments import Instruments
from executor.rules.guard import Instrument
from shared.errors import MessageError, StreamError
from shared.runtime.logs import get_log
from shared.wire.instruments import INSTRUMENT_DTYPE


def listing(*rows):
    records = np.zeros(len(rows), INSTRUMENT_DTYPE)
    for record, (exchange, symbol, lot, tick) in zip(records, rows, strict=True):
        record["exchange"], record["tradingsymbol"] = exchange, symbol
        record["lot_size"], record["tick_size"] = lot, tick
    return records


class Published:
    def __init__(self, version, records):
        self.now, self.records, self.reads = version, records, 0
        self.error = None

    async def version(self):
        if self.error:
            raise self.error
        return self.now

    async def read(self):
        self.reads += 1
        return self.now, self.records


@pytest.fixture
def published():
    return Published(
        20261120,
        listing(
            (b"NFO", b"NIFTY26NOVFUT", 75, 0.1),
            (b"MCX", b"GOLD26DECFUT", 100, 1.0),
            (b"CDS", b"USDINR26NOVFUT", 1000, 0.0025),
            (b"NSE", b"NIFTY 50", 0, 0.0),
        ),
    )


@pytest.fixture
async def instruments(published):
    known = Instruments(version=published.version, read=published.read, log=get_log())
    await known.try_refresh()
    return known


@pytest.mark.parametrize(
    ("exchange", "symbol", "steps"),
    [
        ("NFO", "NIFTY26NOVFUT", Instrument(75, 10)),
        ("MCX", "GOLD26DECFUT", Instrument(0, 100, units=100)),
        ("CDS", "USDINR26NOVFUT", Instrument(1000, 0)),
        ("NSE", "NIFTY 50", Instrument(0, 0)),
        ("BFO", "NIFTY26NOVFUT", None),
    ],
)
async def test_instrument_has_the_published_steps(instruments, exchange, symbol, steps):
    assert instruments.find(exchange, symbol) == steps


async def test_instruments_are_read_again_only_in_a_newer_version(instruments, published):
    await instruments.try_refresh()
    assert published.reads == 1
    published.now, published.records = 20261121, listing()
    await instruments.try_refresh()
    assert instruments.find("NFO", "NIFTY26NOVFUT") is None


async def test_dump_of_many_instruments_is_listed_while_others_work():
    many = listing(*((b"NFO", f"SYMBOL{number}".encode(), 75, 0.05) for number in range(5_000)))
    published = Published(1, many)
    known = Instruments(version=published.version, read=published.read, log=get_log())
    turns = 0

    async def work():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    working = asyncio.create_task(work())
    await known.refresh()
    working.cancel()
    assert turns >= 5
    assert known.find("NFO", "SYMBOL4999") == Instrument(75, 5)


async def test_instruments_known_stay_while_redis_is_away(instruments, published):
    published.error = StreamError("away")
    await instruments.try_refresh()
    assert instruments.find("NFO", "NIFTY26NOVFUT") is not None


async def test_instruments_of_another_layout_judge_nothing(instruments, published):
    published.error = MessageError("layout")
    await instruments.try_refresh()
    assert instruments.find("NFO", "NIFTY26NOVFUT") is None
