from __future__ import annotations

import numpy as np
import pytest

from ingest.lookout import Lookout
from ingest.registry import Market
from ingest.sweep import FAILURES_MAX, Means, Sweeper
from shared.clock import ManualClock
from shared.errors import KiteThrottled, KiteUnavailable, StreamError
from shared.kite.codec.decode import decode_frame
from shared.streams.limiter import Granted, WaitUntil
from shared.wire.control import Gap
from shared.wire.instruments import INSTRUMENT_DTYPE
from shared.wire.segments import iterate
from shared.wire.shards import ShardMap
from shared.wire.ticks import RAW_HEADER_DTYPE, SOCKET_REPAIR
from tests.support.kite_frames import frame, ltp

NOW_NS = 1_790_051_400_000_000_000


def market(count: int = 3) -> Market:
    rows = np.zeros(count, INSTRUMENT_DTYPE)
    rows["instrument_token"] = [token(number) for number in range(count)]
    rows["tradingsymbol"] = [b"S%d" % number for number in range(count)]
    rows["exchange"], rows["shard"] = b"NSE", np.arange(count) % 2
    tokens = tuple(token(number) for number in reversed(range(count)))
    return Market(2026092200, rows, ShardMap(version=1, shards=2, underlyings={}), tokens)


def token(number: int) -> int:
    return (number + 1) * 256 + 1


class Outside:
    """Kite's quotes, the budget of calls, the stream, as a test wants them."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.appends: list = []
        self.gaps: list[Gap] = []
        self.trouble: Exception | None = None
        self.wait_s = 0.0
        self.meanwhile = lambda: None
        self.prices = dict.fromkeys((f"NSE:S{number}" for number in range(2_000)), 100.0)

    async def quote(self, names):
        self.asked.append(names)
        if self.trouble:
            raise self.trouble
        self.meanwhile()
        return {name: self.row(name) for name in names if name in self.prices}

    def row(self, name: str) -> dict:
        day = dict.fromkeys(("open", "high", "low", "close"), 1.0)
        number = int(name.removeprefix("NSE:S"))
        price = self.prices[name]
        return {"instrument_token": token(number), "last_price": price, "ohlc": day}

    async def take(self, _account, _endpoint_class):
        return WaitUntil(self.wait_s) if self.wait_s else Granted((0,))

    async def append(self, appends) -> None:
        if isinstance(self.trouble, StreamError):
            raise self.trouble
        self.appends += appends


class Swept:
    def __init__(self, known: Market | None = None) -> None:
        self.outside, self.lookout, self.clock = Outside(), Lookout(), ManualClock(NOW_NS)
        self.market = known or market()
        means = Means(
            kite=self.outside,
            limiter=self.outside,
            writer=self.outside,
            lookout=self.lookout,
            clock=self.clock,
            tell_gap=self.outside.gaps.append,
            market=lambda: self.market,
        )
        self.sweeper = Sweeper("AB1234", means)

    def gap(self, *numbers: int, **fields) -> None:
        tokens = [token(number) for number in numbers]
        told = {"from_us": 1, "to_us": 2, "account": "AB1234", "socket": 0, "cause": "silent"}
        self.sweeper.gap(Gap(instrument_tokens=tokens, **{**told, **fields}))

    def ticks(self, *numbers: int) -> None:
        self.lookout.look(frame([ltp(token(number), 5) for number in numbers]))

    def repaired(self) -> list[tuple[int, int, float]]:
        """Return (shard, token, price) of what was written."""
        found = []
        for append in self.outside.appends:
            for _, body in iterate(append.fields[b"s"]):
                rows = decode_frame(bytes(body))
                found += [
                    (append.part, int(row["instrument_token"]), float(row["last_price"]))
                    for row in rows
                ]
        return found


async def test_whoever_has_not_ticked_since_the_gap_is_repaired() -> None:
    swept = Swept()
    swept.gap(0, 1, 2)
    swept.ticks(1)
    assert await swept.sweeper.step() == 0.0
    assert swept.outside.gaps
    assert swept.outside.asked == [["NSE:S2", "NSE:S0"]]
    assert sorted(swept.repaired()) == [(0, token(0), 100.0), (0, token(2), 100.0)]
    assert swept.sweeper.pending == 0
    assert swept.lookout.awaited is None


async def test_entries_say_that_they_are_repairs_and_count_for_themselves() -> None:
    swept = Swept()
    for _ in range(2):
        swept.gap(0, 1, 2)
        await swept.sweeper.step()
    heads = [
        np.frombuffer(append.fields[b"h"], RAW_HEADER_DTYPE)[0] for append in swept.outside.appends
    ]
    assert {int(head["socket"]) for head in heads} == {SOCKET_REPAIR}
    assert [(int(head["shard"]), int(head["sequence"])) for head in heads] == [
        (0, 0),
        (1, 0),
        (0, 1),
        (1, 1),
    ]
    assert [int(head["packets"]) for head in heads] == [2, 1, 2, 1]
    assert {head["account"] for head in heads} == {b"AB1234"}
    assert {int(head["instruments_version"]) for head in heads} == {2026092200}
    received = {at for append in swept.outside.appends for at, _ in iterate(append.fields[b"s"])}
    assert received == {NOW_NS}


async def test_tick_that_came_while_the_quote_was_asked_for_is_newer() -> None:
    swept = Swept()
    swept.gap(0, 2)
    swept.outside.meanwhile = lambda: swept.ticks(2)
    await swept.sweeper.step()
    assert swept.repaired() == [(0, token(0), 100.0)]


async def test_many_are_asked_for_five_hundred_at_a_time_most_important_first() -> None:
    swept = Swept(market(1_100))
    swept.gap(*range(1_100))
    while swept.sweeper.pending:
        await swept.sweeper.step()
    assert [len(names) for names in swept.outside.asked] == [500, 500, 100]
    assert swept.outside.asked[0][0] == "NSE:S1099"
    assert len(swept.repaired()) == 1_100


async def test_budget_that_is_spent_is_waited_for() -> None:
    swept = Swept()
    swept.gap(0)
    swept.outside.wait_s = 0.7
    assert await swept.sweeper.step() == 0.7
    assert not swept.outside.asked
    assert swept.sweeper.pending == 1


@pytest.mark.parametrize(
    ("trouble", "pause_s"),
    [(KiteThrottled("429", retry_after_s=7.0), 7.0), (KiteUnavailable("away"), 0.5)],
)
async def test_call_that_failed_is_made_again_later(trouble: Exception, pause_s: float) -> None:
    swept = Swept()
    swept.gap(0)
    swept.outside.trouble = trouble
    assert await swept.sweeper.step() >= pause_s
    swept.outside.trouble = None
    await swept.sweeper.step()
    assert swept.repaired() == [(0, token(0), 100.0)]


async def test_stream_that_is_away_keeps_the_repair_due() -> None:
    swept = Swept()
    swept.gap(0)
    swept.outside.trouble = StreamError("away")
    assert await swept.sweeper.step() > 0.0
    assert swept.sweeper.pending == 1


async def test_repair_is_given_up_after_so_many_failures() -> None:
    swept = Swept()
    swept.gap(0)
    swept.outside.trouble = KiteUnavailable("away")
    for _ in range(FAILURES_MAX):
        await swept.sweeper.step()
    assert swept.sweeper.pending == 0
    assert swept.lookout.awaited is None


async def test_quote_that_is_absent_or_fits_no_packet_leaves_the_others() -> None:
    swept = Swept()
    del swept.outside.prices["NSE:S1"]
    swept.outside.prices["NSE:S2"] = 1e12
    swept.gap(0, 1, 2)
    await swept.sweeper.step()
    assert swept.repaired() == [(0, token(0), 100.0)]
    assert swept.sweeper.pending == 0


async def test_instrument_that_is_not_listed_any_more_is_not_asked_for() -> None:
    swept = Swept()
    swept.gap(0, 77)
    swept.market = market(2)
    await swept.sweeper.step()
    assert swept.outside.asked == [["NSE:S0"]]
    assert swept.sweeper.pending == 0


def test_gap_of_dropped_packets_is_told_and_not_swept() -> None:
    swept = Swept()
    swept.gap(0, packets_dropped=5, cause="intake_full")
    assert len(swept.outside.gaps) == 1
    assert swept.sweeper.pending == 0


def test_gap_before_any_instruments_is_only_told() -> None:
    swept = Swept()
    swept.market = None
    swept.gap(0)
    assert swept.outside.gaps
    assert swept.sweeper.pending == 0
