from __future__ import annotations

from shared.kite.codec.watch import PriceWatch
from tests.support.kite_frames import frame, index_full, ltp, quote

INDEX = 256_265


def test_last_price_of_who_is_watched_is_noted_the_newest_winning() -> None:
    watch = PriceWatch([INDEX, 408_065])
    watch.look(frame([ltp(1_025, 1), index_full(INDEX, 2_432_105, 0, 0, 0, 0, 0, 0)]))
    assert watch.unseen == 1
    watch.look(frame([index_full(INDEX, 2_432_200, 0, 0, 0, 0, 0, 0), ltp(1_025, 2)]))
    assert watch.unseen == 1
    assert watch.seen() == {INDEX: 24_322.0}


def test_watch_that_was_cleared_has_seen_nothing() -> None:
    watch = PriceWatch([408_065])
    watch.look(frame([quote(408_065, *[145_000] * 10)]))
    assert (watch.unseen, watch.seen()) == (0, {408_065: 1_450.0})
    watch.clear()
    assert (watch.unseen, watch.seen()) == (1, {})


def test_heartbeats_and_damaged_frames_say_nothing() -> None:
    watch = PriceWatch([408_065])
    for damaged in (b"", b"\0", frame([ltp(408_065, 1)])[:-1], frame([b"\0\x06\x3a\x01"])):
        watch.look(damaged)
    assert watch.seen() == {}


def test_watch_over_nobody_sees_nobody() -> None:
    watch = PriceWatch([])
    watch.look(frame([ltp(1, 1)]))
    assert (watch.unseen, watch.seen()) == (0, {})
