from __future__ import annotations

import numpy as np
import pytest

from ingest.registry import Market, Registry
from ingest.settings import IngestOptions
from shared.clock import ManualClock
from shared.errors import KiteUnavailable, MessageError
from shared.market.instruments import HEADER
from shared.wire.instruments import INSTRUMENT_DTYPE
from shared.wire.shards import ShardMap

#: 2026-09-21 20:00 UTC, when it is already the 22nd in India.
EVENING_NS = 1_790_020_800_000_000_000
#: 10:00 in India on that day, a Tuesday.
MORNING_NS = 1_790_051_400_000_000_000
STRIKES = range(23_000, 25_050, 50)


def dump(*underlyings: str, strikes=STRIKES) -> bytes:
    lines = [HEADER]
    for number, name in enumerate(underlyings or ("NIFTY",)):
        token = (number + 1) * 100_000
        lines.append(f"{token * 256 + 9},{token},{name},{name},0,,0,0,0,EQ,INDICES,NSE")
        for at, strike in enumerate(strikes):
            for side, kind in enumerate(("CE", "PE")):
                exchange_token = token + 1 + 2 * at + side
                symbol = f"{name}26SEP{strike}{kind}"
                tail = f"2026-09-29,{strike},0.05,65,{kind},NFO-OPT,NFO"
                row = f"{exchange_token * 256 + 2},{exchange_token},{symbol},{name},0,{tail}"
                lines.append(row)
    return ("\n".join(lines) + "\n").encode()


class Kite:
    """Answers with what a test put there."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.price: float | None = 24_000.0
        self.asked = self.fetched = 0

    async def instruments(self) -> bytes:
        self.fetched += 1
        return self.answer

    async def ltp(self, names: list[str]) -> dict[str, dict[str, float]]:
        self.asked += 1
        if self.price is None:
            raise KiteUnavailable("no quotes")
        return {name: {"last_price": self.price} for name in names}


class Seen:
    """Prices that passed by, as a test put them."""

    def __init__(self) -> None:
        self.watched: list[int] = []
        self.prices: dict[int, float] = {}

    def watch(self, tokens: list[int]) -> None:
        self.watched = list(tokens)

    def read(self) -> dict[int, float]:
        return self.prices


class Told:
    """Deltas as enrich would keep them: every held option of NIFTY, money at 24,000."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    async def read(self, _shard: int, tokens: list[int]) -> dict[int, float]:
        self.asked.append(len(tokens))
        found = {}
        for token in tokens:
            at, side = divmod((token >> 8) - 100_001, 2)
            found[token] = 1.0 / (1.0 + np.exp((STRIKES[at] - 24_000) / 200.0)) - side
        return found


def registry(kite: Kite, *, clock=None, prices=None, deltas=None, **options: object) -> Registry:
    chosen = {"underlyings": ("NIFTY",), "strikes_each_side": 2, "dwell_s": 0.0, **options}
    clock = clock or ManualClock(EVENING_NS)
    made = Registry(kite, IngestOptions(**chosen), clock, prices=prices)
    if deltas is not None:
        made.go_by(deltas)
    return made


def strikes_of(market: Market) -> list[float]:
    rows = market.instruments[np.isin(market.instruments["instrument_token"], market.tokens)]
    return sorted(set(rows["strike"].tolist()) - {0.0})


async def test_load_gives_the_window_round_the_money() -> None:
    market = await registry(Kite(dump())).load()
    assert strikes_of(market) == [23_900.0, 23_950.0, 24_000.0, 24_050.0]
    assert len(market.instruments) == 1 + 2 * len(STRIKES)


async def test_version_is_that_of_the_day_in_india() -> None:
    assert (await registry(Kite(dump())).load()).version == 2026092200


async def test_window_follows_the_money_that_passes_by_only_when_it_moved_far_enough() -> None:
    seen = Seen()
    listed = registry(Kite(dump()), prices=seen)
    await listed.load()
    assert seen.watched == [100_000 * 256 + 9]
    seen.prices = {100_000 * 256 + 9: 24_099.0}
    assert not await listed.recentre()
    assert not listed.moved
    seen.prices = {100_000 * 256 + 9: 24_101.0}
    assert await listed.recentre()
    assert listed.moved == {"NIFTY"}
    assert strikes_of(listed.current()) == [24_050.0, 24_100.0, 24_150.0, 24_200.0]


async def test_window_by_delta_narrows_from_every_strike_to_those_worth_it() -> None:
    told, clock = Told(), ManualClock(MORNING_NS)
    listed = registry(Kite(dump()), clock=clock, deltas=told, windows=("NIFTY:0.2d:1",))
    assert len(strikes_of(await listed.load())) == len(STRIKES)
    clock.advance(5.0)
    assert await listed.recentre()
    held = strikes_of(listed.current())
    # Where 1 / (1 + exp(x / 200)) is 0.2 or 0.8: 277 rupees from the money; one strike beyond.
    assert (held[0], held[-1]) == (23_700.0, 24_300.0)
    assert listed.moved == {"NIFTY"}
    assert not await listed.recentre()
    assert told.asked == [2 * len(STRIKES)]


async def test_price_that_no_socket_brings_is_asked_for_at_a_pace_while_the_market_is_open() -> (
    None
):
    kite, clock = Kite(dump()), ManualClock(MORNING_NS)
    listed = registry(kite, clock=clock)
    await listed.load()
    for _ in range(60):
        clock.advance(1.0)
        await listed.recentre()
    assert kite.asked == 3
    kite.price = 25_000.0
    clock.advance(30.0)
    assert await listed.recentre()


async def test_closed_market_is_not_asked_for_prices() -> None:
    kite, clock = Kite(dump()), ManualClock(EVENING_NS)
    listed = registry(kite, clock=clock)
    await listed.load()
    clock.advance(600.0)
    await listed.recentre()
    assert kite.asked == 1


async def test_window_rolls_over_when_the_day_changes() -> None:
    clock = ManualClock(MORNING_NS)
    listed = registry(Kite(dump()), clock=clock)
    await listed.load()
    clock.advance(7 * 86_400.0)
    assert not await listed.recentre()
    clock.advance(86_400.0)
    assert await listed.recentre()
    assert listed.moved == {"NIFTY"}
    assert strikes_of(listed.current()) == []


async def test_money_nobody_tells_leaves_the_window_where_it_is() -> None:
    kite = Kite(dump())
    listed = registry(kite)
    before = await listed.load()
    kite.price = None
    assert not await listed.recentre()
    kite.price = 0.0
    assert not await listed.recentre()
    assert listed.current().tokens == before.tokens


@pytest.mark.parametrize(
    ("bad", "reason"),
    [(b"<html>", "header"), (dump(strikes=STRIKES[:19]), "39 rows after 83")],
)
async def test_bad_or_half_a_dump_never_replaces_the_good_one(bad: bytes, reason: str) -> None:
    kite = Kite(dump())
    listed = registry(kite)
    good = await listed.load()
    kite.answer = bad
    with pytest.raises(MessageError, match=reason):
        await listed.load()
    assert np.array_equal(listed.current().instruments, good.instruments)
    assert listed.current().tokens == good.tokens


async def test_half_a_dump_is_told_by_what_an_earlier_run_published() -> None:
    earlier = (await registry(Kite(dump())).load()).instruments
    listed = registry(Kite(dump(strikes=STRIKES[:19])))
    listed.resume(earlier, None)
    with pytest.raises(MessageError, match="39 rows after 83"):
        await listed.load()


async def test_operator_may_accept_a_smaller_dump() -> None:
    listed = registry(Kite(dump(strikes=STRIKES[:3])), shrinkage_max=1.0)
    listed.resume((await registry(Kite(dump())).load()).instruments, None)
    assert len((await listed.load()).instruments) == 7


async def test_shard_map_stays_while_weights_drift() -> None:
    names = ("NIFTY", "BANKNIFTY")
    kite = Kite(dump(*names))
    listed = registry(kite, underlyings=names)
    before = await listed.load()
    kite.answer = dump(*names, strikes=STRIKES[4:])
    after = await listed.load()
    assert after.shard_map == before.shard_map
    assert set(before.shard_map.underlyings.values()) == {0, 1}


async def test_shard_map_of_an_earlier_run_stays_and_grows_by_what_is_new() -> None:
    names = ("NIFTY", "BANKNIFTY", "FINNIFTY")
    listed = registry(Kite(dump(*names)), underlyings=names)
    earlier = {"NIFTY": 1, "BANKNIFTY": 1}
    listed.resume(
        np.empty(0, listed.current().instruments.dtype),
        ShardMap(version=2026092277, shards=2, underlyings=earlier),
    )
    market = await listed.load()
    assert market.shard_map.underlyings == {**earlier, "FINNIFTY": 0}
    assert market.shard_map.version == 2026092278
    shards = dict(zip(market.instruments["underlying"], market.instruments["shard"], strict=True))
    assert shards == {b"NIFTY": 1, b"BANKNIFTY": 1, b"FINNIFTY": 0}


#: 08:31 in India on the 22nd: the day's dump is there, nothing trades.
BEFORE_OPEN_NS = 1_790_046_060_000_000_000
NAMES = ("NIFTY", "BANKNIFTY", "FINNIFTY")
TOGETHER = ShardMap(version=2026092100, shards=3, underlyings=dict.fromkeys(NAMES, 0))


class Counted:
    """Packets as enrich counted them: NIFTY much the busiest."""

    def __init__(self, days: dict[int, int] | None = None) -> None:
        self._days = {20260921: 1_000} if days is None else days

    async def read(self) -> dict[str, dict[int, int]]:
        parts = {"NIFTY": 10, "BANKNIFTY": 2, "FINNIFTY": 2}
        return {
            name: {day: part * packets for day, packets in self._days.items()}
            for name, part in parts.items()
        }


def listed_at(now_ns: int, before: ShardMap, counted: Counted) -> tuple[Registry, ManualClock]:
    clock = ManualClock(now_ns)
    made = registry(Kite(dump(*NAMES)), clock=clock, underlyings=NAMES, shards=3)
    made.weigh_by(counted)
    made.resume(np.empty(0, made.current().instruments.dtype), before)
    return made, clock


async def test_shards_are_balanced_by_measured_packets_before_the_session() -> None:
    listed, _ = listed_at(BEFORE_OPEN_NS, TOGETHER, Counted())
    market = await listed.load()
    shards = market.shard_map.underlyings
    assert market.shard_map.version == 2026092200
    assert [name for name in NAMES if shards[name] == shards["NIFTY"]] == ["NIFTY"]
    rows = market.instruments
    for name in NAMES:
        of_name = rows["shard"][rows["underlying"] == name.encode()]
        assert set(of_name.tolist()) == {shards[name]}, "one shard a version"


async def test_shards_are_balanced_once_a_day_at_most() -> None:
    before = ShardMap(version=2026092201, shards=3, underlyings=TOGETHER.underlyings)
    listed, _ = listed_at(BEFORE_OPEN_NS, before, Counted())
    assert (await listed.load()).shard_map == before


async def test_shards_stay_while_anything_trades() -> None:
    listed, _ = listed_at(MORNING_NS, TOGETHER, Counted())
    assert (await listed.load()).shard_map == TOGETHER


@pytest.mark.parametrize("days", [{}, {20260922: 1_000}])
async def test_shards_stay_where_no_whole_day_was_measured(days: dict[int, int]) -> None:
    listed, _ = listed_at(BEFORE_OPEN_NS, TOGETHER, Counted(days))
    assert (await listed.load()).shard_map == TOGETHER


async def test_moving_window_never_moves_an_underlying_to_another_shard() -> None:
    listed, clock = listed_at(BEFORE_OPEN_NS, TOGETHER, Counted())
    market = await listed.load()
    clock.advance(86_400.0)
    await listed.recentre()
    assert listed.current().shard_map == market.shard_map


async def test_shard_map_for_another_number_of_shards_is_made_anew() -> None:
    listed = registry(Kite(dump()), shards=1)
    listed.resume(
        np.empty(0, listed.current().instruments.dtype),
        ShardMap(version=1, shards=2, underlyings={"NIFTY": 1}),
    )
    assert (await listed.load()).shard_map.underlyings == {"NIFTY": 0}


async def test_whole_expiries_ask_nobody_where_the_money_is() -> None:
    kite = Kite(dump())
    kite.price = None
    market = await registry(kite, strikes_each_side=0).load()
    assert len(market.tokens) == len(market.instruments)


async def test_window_without_its_money_stands_for_whole_expiries_until_it_is_known() -> None:
    kite = Kite(dump())
    kite.price = None
    clock = ManualClock(EVENING_NS)
    listed = registry(kite, clock=clock)
    assert len((await listed.load()).tokens) == 1 + 2 * len(STRIKES)
    assert listed.lacks_money
    kite.price = 24_000.0
    clock.advance(2.0)
    assert await listed.recentre()
    assert not listed.lacks_money
    assert listed.moved == {"NIFTY"}
    assert strikes_of(listed.current()) == [23_900.0, 23_950.0, 24_000.0, 24_050.0]


async def test_day_without_kite_begins_with_what_an_earlier_run_published() -> None:
    earlier = (await registry(Kite(dump())).load()).instruments
    clock = ManualClock(MORNING_NS)
    kite = Kite(b"<html>maintenance</html>")
    listed = registry(kite, clock=clock)
    with pytest.raises(MessageError, match="header"):
        await listed.begin()
    listed.resume(earlier, None)
    market = await listed.begin()
    assert np.array_equal(market.instruments["instrument_token"], earlier["instrument_token"])
    assert strikes_of(market) == [23_900.0, 23_950.0, 24_000.0, 24_050.0]
    kite.answer = dump()
    assert await listed.reload() is None
    clock.advance(300.0)
    assert await listed.reload() is not None


async def test_new_dump_is_fetched_after_half_past_eight_of_a_trading_day() -> None:
    kite, clock = Kite(dump()), ManualClock(EVENING_NS)
    listed = registry(kite, clock=clock)
    await listed.load()
    clock.advance(6.9 * 3600.0)
    assert await listed.reload() is None
    clock.advance(0.2 * 3600.0)
    assert await listed.reload() is not None
    assert await listed.reload() is None
    assert kite.fetched == 2


async def test_bad_dump_at_its_hour_leaves_the_windows_following() -> None:
    kite, clock, seen = Kite(dump()), ManualClock(EVENING_NS), Seen()
    listed = registry(kite, clock=clock, prices=seen)
    await listed.load()
    clock.advance(8 * 3600.0)
    kite.answer = b""
    assert await listed.reload() is None
    assert await listed.reload() is None
    assert kite.fetched == 2
    seen.prices = {100_000 * 256 + 9: 24_500.0}
    assert await listed.recentre()


async def test_windows_of_their_own_win_over_the_general_one() -> None:
    names = ("NIFTY", "BANKNIFTY")
    kite = Kite(dump(*names))
    listed = registry(kite, underlyings=names, windows=("BANKNIFTY:0.1%:1", "SENSEX:3:1"))
    market = await listed.load()
    rows = market.instruments[np.isin(market.instruments["instrument_token"], market.tokens)]
    counts = {
        name: len(np.unique(rows["strike"][(rows["underlying"] == name) & (rows["strike"] > 0)]))
        for name in (b"NIFTY", b"BANKNIFTY")
    }
    assert counts == {b"NIFTY": 4, b"BANKNIFTY": 1}


class Kept:
    """A shelf with room for one dump."""

    def __init__(self) -> None:
        self.versions: list[int] = []
        self.records = np.empty(0, INSTRUMENT_DTYPE)

    async def put(self, version: int, records: np.ndarray, *, fetched_us: int) -> None:
        assert fetched_us > 0
        self.versions.append(version)
        self.records = records

    async def current(self) -> np.ndarray:
        return self.records


async def test_good_dump_is_kept_and_stands_in_on_a_day_without_kite() -> None:
    kite, shelf = Kite(dump()), Kept()
    options = IngestOptions(underlyings=("NIFTY",), strikes_each_side=2)
    clock = ManualClock(EVENING_NS)
    good = await Registry(kite, options, clock, shelf=shelf).load()
    assert shelf.versions == [2026092200]
    kite.answer = b"<html>"
    market = await Registry(kite, options, clock, shelf=shelf).begin()
    assert market.tokens == good.tokens
    assert shelf.versions == [2026092200]
