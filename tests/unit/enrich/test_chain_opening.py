"""The day's first open interest, from which a chain's rows count: by whichever owner."""

from __future__ import annotations

import numpy as np

from enrich.chain import ChainOptions
from enrich.engine import Derived, Engine, Lineage
from enrich.parameters import Parameters
from shared.wire.chains import OPENING_OI_DTYPE, Chain
from shared.wire.instruments import Kind
from tests.support.kite_market import (
    DAY_S,
    FAR,
    NOW_NS,
    NOW_S,
    RATE,
    header,
    index_packet,
    instruments,
    option,
    packet,
    segments,
)

CALL, PUT = option(Kind.CALL, 24_000.0), option(Kind.PUT, 24_000.0)
FAR_CALL = option(Kind.CALL, 24_000.0, FAR)
TODAY = (NOW_S + 19_800) // DAY_S


def engine() -> Engine:
    return Engine(instruments(), 7, Parameters(rate=RATE), Derived(ChainOptions()))


def told(made: Engine, after_s: float, *packets: bytes) -> list[Chain]:
    """Give packets at a time, then the index so late that what is due is made; return it."""
    at_ns = NOW_NS + round(after_s * 1e9)
    stamp_s = NOW_S + int(after_s)
    raw = segments([index_packet(24_000.0, stamp_s), *packets], at_ns=at_ns)
    for later_ns in (1_100_000_000, 1_150_000_000):  # one chain a look
        raw += segments([index_packet(24_000.0, stamp_s)], at_ns=at_ns + later_ns)
    made.enrich(header(500), raw, Lineage(1, 2, 9))
    return made.chains()


def call_at(after_s: float, oi: int, token: int = CALL) -> bytes:
    return packet(token, 130.0, stamp_s=NOW_S + int(after_s), oi=oi)


def changes(messages: list[Chain], expiry: str = "2026-09-01") -> list[int | None]:
    of_expiry = [message for message in messages if message.expiry == expiry]
    strikes = of_expiry[-1].strikes
    return [of_expiry[-1].calls.oi_change[strikes.index(24_000.0)]]


def kept(*rows: tuple[int, int, int]) -> np.ndarray:
    return np.array(list(rows), OPENING_OI_DTYPE)


def test_new_owner_counts_from_where_the_one_before_did() -> None:
    first, second = engine(), engine()
    told(first, 0, call_at(0, 5_000))
    assert changes(told(first, 2, call_at(2, 5_700))) == [700]
    opening = first.unkept_opening(0)
    assert opening is not None
    assert opening.tolist() == [(CALL, 5_000, TODAY)]
    second.begin(0)
    second.restore_opening(0, opening)
    assert changes(told(second, 4, call_at(4, 5_700))) == [700]
    assert changes(told(second, 6, call_at(6, 5_900))) == [900]


def test_opening_is_kept_again_only_when_an_option_is_seen_first() -> None:
    made = engine()
    told(made, 0, call_at(0, 5_000))
    assert made.unkept_opening(0) is not None
    told(made, 2, call_at(2, 6_000))
    assert made.unkept_opening(0) is None
    told(made, 4, packet(PUT, 120.0, stamp_s=NOW_S + 4, oi=9))
    opening = made.unkept_opening(0)
    assert opening is not None
    assert opening.tolist() == [(CALL, 5_000, TODAY), (PUT, 9, TODAY)]
    assert made.unkept_opening(1) is None


def test_opening_of_yesterday_is_no_days_first() -> None:
    made = engine()
    made.restore_opening(0, kept((CALL, 4_000, TODAY - 1)))
    assert changes(told(made, 0, call_at(0, 5_000))) == [0]
    opening = made.unkept_opening(0)
    assert opening is not None
    assert opening.tolist() == [(CALL, 5_000, TODAY)]


def test_day_begins_anew_and_is_kept_though_as_many_options_were_seen() -> None:
    made = engine()
    told(made, 0, call_at(0, 5_000))
    made.unkept_opening(0)
    assert changes(told(made, DAY_S, call_at(DAY_S, 5_300))) == [0]
    opening = made.unkept_opening(0)
    assert opening is not None
    assert opening.tolist() == [(CALL, 5_300, TODAY + 1)]


def test_what_a_redis_lost_is_kept_again_and_what_is_older_there_stands() -> None:
    made = engine()
    told(made, 0, call_at(0, 5_000), call_at(0, 70, FAR_CALL))
    made.unkept_opening(0)
    made.begin(0)
    made.restore_opening(0, kept())
    again = made.unkept_opening(0)
    assert again is not None
    assert again.tolist() == [(CALL, 5_000, TODAY), (FAR_CALL, 70, TODAY)]
    made.begin(0)
    made.restore_opening(0, kept((CALL, 4_800, TODAY), (999, 1, TODAY), (FAR_CALL, 1, TODAY - 1)))
    messages = told(made, 2, call_at(2, 5_100), call_at(2, 75, FAR_CALL))
    assert changes(messages) == [300]
    assert changes(messages, "2026-09-02") == [5]


def test_other_instruments_keep_the_days_first() -> None:
    before, listed = engine(), instruments()
    told(before, 0, call_at(0, 5_000))
    rows = listed[listed["instrument_token"] != PUT]
    after = Engine(rows, 8, Parameters(rate=RATE), Derived(ChainOptions()))
    after.adopt(before)
    assert changes(told(after, 2, call_at(2, 5_400))) == [400]
    opening = after.unkept_opening(0)
    assert opening is not None
    assert opening.tolist() == [(CALL, 5_000, TODAY)]


def test_engine_without_chains_has_nothing_to_keep() -> None:
    made = Engine(instruments(), 7, Parameters())
    made.restore_opening(0, kept((CALL, 1, TODAY)))
    assert made.unkept_opening(0) is None
    empty = Engine(instruments()[:0], 7, Parameters(), Derived(ChainOptions()))
    empty.restore_opening(0, kept((CALL, 1, TODAY)))
    assert empty.unkept_opening(0) is None
