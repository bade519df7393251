from __future__ import annotations

from datetime import date, time

import numpy as np

from ingest.registry import Market
from ingest.silence import Expectation
from ingest.stillness import Stillness
from shared.market.calendar import moment_ns, packaged_calendar
from shared.wire.instruments import INSTRUMENT_DTYPE, Kind
from shared.wire.shards import ShardMap

NOON = moment_ns(date(2026, 9, 22), time(12))
SECOND = 1_000_000_000
INDEX, OPTION = 265, 514


def market() -> Market:
    rows = np.zeros(2, INSTRUMENT_DTYPE)
    rows["instrument_token"] = [INDEX, OPTION]
    rows["underlying_token"] = INDEX
    rows["kind"] = [Kind.INDEX, Kind.CALL]
    rows["exchange"] = [b"NSE", b"NFO"]
    shard_map = ShardMap(version=1, shards=1, underlyings={})
    return Market(1, rows, shard_map, (INDEX, OPTION))


def test_socket_with_an_index_is_still_when_nothing_ticked_for_its_time() -> None:
    known = market()
    clock = Stillness(packaged_calendar(), Expectation(), lambda: known).clock()
    clock.opened(NOON)
    assert clock.still(frozenset({INDEX}), NOON + 9 * SECOND) is None
    clock.ticked(NOON + 9 * SECOND)
    assert clock.still(frozenset({INDEX}), NOON + 18 * SECOND) is None
    found = clock.still(frozenset({INDEX}), NOON + 20 * SECOND)
    assert found is not None
    assert found.silence_s == 11.0


def test_socket_with_one_quiet_option_is_left_alone() -> None:
    known = market()
    clock = Stillness(packaged_calendar(), Expectation(), lambda: known).clock()
    clock.opened(NOON)
    assert clock.still(frozenset({OPTION}), NOON + 3_000 * SECOND) is None


def test_nothing_is_expected_before_instruments_are_known_and_something_after() -> None:
    known: list[Market | None] = [None]
    clock = Stillness(packaged_calendar(), Expectation(), lambda: known[0]).clock()
    clock.opened(NOON)
    assert clock.still(frozenset({INDEX}), NOON + 60 * SECOND) is None
    known[0] = market()
    assert clock.still(frozenset({INDEX}), NOON + 60 * SECOND) is not None


def test_instrument_that_joins_a_socket_brings_its_expectation() -> None:
    known = market()
    clock = Stillness(packaged_calendar(), Expectation(), lambda: known).clock()
    clock.opened(NOON)
    assert clock.still(frozenset({OPTION}), NOON + 60 * SECOND) is None
    assert clock.still(frozenset({OPTION, INDEX}), NOON + 60 * SECOND) is not None


def test_socket_that_stays_still_is_opened_again_at_growing_intervals() -> None:
    known = market()
    clock = Stillness(packaged_calendar(), Expectation(), lambda: known).clock()
    found, now = [], NOON
    clock.opened(now)
    for second in range(1, 200):
        if clock.still(frozenset({INDEX}), now + second * SECOND):
            found.append(second)
            clock.opened(now + second * SECOND)
    assert found == [10, 30, 70, 150]


def test_socket_that_is_not_open_is_silent_as_well_once_instruments_are_known() -> None:
    known: list[Market | None] = [None]
    clock = Stillness(packaged_calendar(), Expectation(), lambda: known[0]).clock()
    held, now = frozenset({INDEX}), NOON + 20 * SECOND
    assert clock.lasting(held, since_ns=NOON, now_ns=now).silent_s == 0.0
    known[0] = market()
    assert clock.lasting(held, since_ns=NOON, now_ns=now).silent_s == 20.0
    assert clock.lasting(frozenset({OPTION}), since_ns=NOON, now_ns=now).silent_s == 0.0
