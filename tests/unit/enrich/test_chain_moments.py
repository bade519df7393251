from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrich.chain_moments import LOOK_NS_MAX, LOOK_NS_MIN, LOOKS_PER_CHAIN, Moments
from shared.wire.segments import segment
from tests.support.kite_market import NOW_NS

MS, S = 1_000_000, 1_000_000_000


def seen(moments: Moments, times_ns: list[int], shard: int = 0) -> list[tuple[int, int]]:
    """Take a segment at each time, one chain a look; return (look, chain) of those seen to."""
    done = []
    for at_ns in times_ns:
        entry = np.frombuffer(segment(at_ns, b""), np.uint8)
        end, received_ns = moments.cut(shard, entry, 0)
        if end == len(entry):
            continue
        assert received_ns == at_ns
        look_ns, due = moments.advance(shard, received_ns)
        assert look_ns <= at_ns
        for place in due[:1]:
            moments.done(place, look_ns)
            done.append((look_ns, place))
    return done


def every(step_ns: int, *, begin_ns: int = NOW_NS, seconds: float = 3.0) -> list[int]:
    return [begin_ns + number * step_ns for number in range(round(seconds * S / step_ns))]


@pytest.mark.parametrize("chains", [1, 2, 7, 12, 31, 100])
def test_each_chain_comes_once_a_period_at_a_look_of_its_own(chains) -> None:
    done = seen(Moments([0] * chains, S), every(MS))
    settled = [(at_ns, place) for at_ns, place in done if at_ns >= NOW_NS + S + S // 2]
    assert len({at_ns for at_ns, _ in settled}) == len(settled)
    a_period = Counter(place for at_ns, place in settled if at_ns < NOW_NS + 2 * S + S // 2)
    assert a_period == dict.fromkeys(range(chains), 1)
    for chain in range(chains):
        times = [at_ns for at_ns, place in settled if place == chain]
        assert {after - before for before, after in pairwise(times)} <= {S}


def test_moments_are_as_far_apart_as_a_period_allows() -> None:
    done = seen(Moments([0] * 10, S), every(MS))
    times = [at_ns for at_ns, _ in done if at_ns > NOW_NS + 2 * S]
    assert {after - before for before, after in pairwise(times)} == {S // 10}


@given(st.integers(0, 5_000), st.integers(1, 60))
@settings(max_examples=20, deadline=None)
def test_moments_do_not_depend_on_where_a_tape_begins(begin_ms, chains) -> None:
    late_ns = NOW_NS + begin_ms * MS
    whole = seen(Moments([0] * chains, S), every(5 * MS, seconds=9.0))
    part = seen(Moments([0] * chains, S), every(5 * MS, begin_ns=late_ns, seconds=3.0))
    settled_ns, end_ns = late_ns + 2 * S, late_ns + 3 * S - 5 * MS
    inside = [each for each in whole if settled_ns <= each[0] < end_ns]
    assert inside == [each for each in part if settled_ns <= each[0] < end_ns]


def test_shards_of_one_worker_are_looked_at_at_different_times() -> None:
    moments = Moments([0] * 12 + [1] * 12 + [2] * 12, S)
    looks = [{at % S for at, _ in seen(moments, every(MS), shard)} for shard in range(3)]
    assert not looks[0] & looks[1]
    assert not looks[1] & looks[2]


def test_what_a_silence_left_over_is_made_up_one_a_look_then_on_time_again() -> None:
    moments = Moments([0] * 10, S)
    before, after = every(MS, seconds=2.0), every(MS, begin_ns=NOW_NS + 2_500 * MS, seconds=2.0)
    done = seen(moments, before + after)
    caught_up = [at_ns for at_ns, _ in done if at_ns >= NOW_NS + 2_500 * MS][:8]
    assert {b - a for a, b in pairwise(caught_up)} == {S // 10 // LOOKS_PER_CHAIN}
    last = {place: at_ns for at_ns, place in done if at_ns >= NOW_NS + 3_500 * MS}
    assert len(last) == 10
    assert {at_ns % (S // 10) for at_ns in last.values()} == {0}


def test_more_chains_than_fit_come_round_in_turn() -> None:
    chains = 300
    done = seen(Moments([0] * chains, S), every(MS, seconds=4.0))
    assert len(done) <= 4 * S // LOOK_NS_MIN
    times = Counter(place for _, place in done)
    assert set(times) == set(range(chains))
    assert max(times.values()) - min(times.values()) <= 1


def test_chains_of_a_long_period_are_soon_there_for_a_new_owner() -> None:
    done = seen(Moments([0] * 12, 60 * S), every(10 * MS, seconds=1.0))
    assert [place for _, place in done] == list(range(12))
    assert done[-1][0] <= NOW_NS + 13 * LOOK_NS_MAX


def test_shard_without_chains_owes_nothing_until_other_instruments_bring_some() -> None:
    before = Moments([0, 0], S)
    assert seen(before, every(50 * MS), shard=1) == []
    after = Moments([0, 0, 1], S)
    after.adopt(before, [0, 1, -1])
    assert {place for _, place in seen(after, every(50 * MS, begin_ns=NOW_NS + 3 * S), 1)} == {2}


def test_other_instruments_leave_each_chains_next_moment_where_it_was() -> None:
    before = Moments([0, 0], S)
    seen(before, every(MS, seconds=1.2))
    after = Moments([0, 0, 0], S)
    after.adopt(before, [-1, 0, 1])
    done = dict(reversed([(p, t) for t, p in seen(after, every(MS, begin_ns=NOW_NS + 1_200 * MS))]))
    assert done[0] < NOW_NS + 1_300 * MS
    assert done[2] == NOW_NS + 1_500 * MS
    assert 0 <= done[1] - (NOW_NS + 2 * S) <= LOOK_NS_MAX  # behind chain 0, whose moment it is now
