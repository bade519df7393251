"""Frames, tickets, patterns, walks, turns, channels: each does its one thing."""

import asyncio
import itertools
import random

import numpy as np
import pytest

from publisher.access.tickets import GOOD_FOR_S, TICKETS_MAX, Tickets
from publisher.door.delivering import SERVED_AT_ONCE_MAX, Rounds
from publisher.door.wheel import GRAIN_S, Wheel
from publisher.fanout.backlog import Backlog
from publisher.fanout.dialects import DIALECTS
from publisher.fanout.universe import Universe
from publisher.feeds.walk import TOKENS, Walk, listed
from publisher.protocol import frames
from publisher.protocol.messages import Skipped
from shared.clock import SystemClock
from tests.support.eventually import eventually
from tests.support.publisher_rows import CALL, PUT, instruments


@pytest.mark.parametrize(
    ("length", "header"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65535, b"\x81\x7e\xff\xff"),
        (65536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_a_frame_begins_as_the_standard_says(length: int, header: bytes) -> None:
    assert frames.header(1, length) == header


def test_a_ticket_is_redeemed_once_in_time() -> None:
    numbers = map(str, itertools.count())
    tickets = Tickets(lambda: next(numbers))
    one, two = tickets.issue("key", 0.0), tickets.issue("key", 0.0)
    assert tickets.redeem(one, 1.0) == "key"
    assert tickets.redeem(one, 1.0) is None
    assert tickets.redeem(two, GOOD_FOR_S) is None
    for _ in range(TICKETS_MAX + 10):
        tickets.issue("key", 0.0)
    assert len(tickets) == TICKETS_MAX


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("NFO:NIFTY26NOV*", [CALL, PUT]),
        ("NFO:*CE", [CALL]),
        ("NFO:NIFTY26NOV24000?E", [CALL, PUT]),
        ("NFO:NIFTY26NOV24000PE", [PUT]),
        ("NFO:NIFTY26NOV24000", []),
        ("NFO:NIFTY.*", []),
        ("BFO:*", []),
        ("*:NIFTY26*CE", [CALL]),
    ],
)
def test_a_pattern_finds_whole_names(pattern: str, found: list[int]) -> None:
    assert Universe(instruments()).matching(pattern).tolist() == found


def test_a_walk_goes_by_single_ticks_and_is_listed() -> None:
    universe = Universe(np.concatenate([instruments(), listed()]))
    assert universe.matching("TEST:*").tolist() == TOKENS.tolist()
    walk, chance = Walk(), random.Random(1)
    before = walk.step(1_000_000_000, chance.random)["last_price"]
    for number in range(2, 50):
        records = walk.step(number * 1_000_000_000, chance.random)
        assert np.all(np.abs(records["last_price"] - before) < 0.0501)
        assert records["volume_traded"].tolist() == [number] * len(TOKENS)
        before = records["last_price"]


async def served_by(rounds: Rounds, waits_s: list[float], turns: int) -> None:
    """Let rounds run for so many turns."""
    stopping = asyncio.Event()
    running = asyncio.create_task(rounds.run(stopping))
    await eventually(lambda: len(waits_s) >= turns)
    stopping.set()
    rounds.stop()
    await running


async def test_whoever_is_woken_again_while_it_waits_is_served_once() -> None:
    served: list[int] = []
    waits_s: list[float] = []
    rounds = Rounds(served.extend, waits_s.append, SystemClock())
    rounds.wake([3, 1])
    rounds.wake([1, 2, 3])
    await served_by(rounds, waits_s, 1)
    assert served == [3, 1, 2]


async def test_a_turn_is_no_longer_than_its_bound() -> None:
    turns: list[int] = []
    waits_s: list[float] = []
    rounds = Rounds(
        lambda subscribers: turns.append(len(subscribers)), waits_s.append, SystemClock()
    )
    rounds.wake(range(SERVED_AT_ONCE_MAX + 2))
    await served_by(rounds, waits_s, 2)
    assert turns == [SERVED_AT_ONCE_MAX, 2]


async def test_whoever_asks_to_be_served_later_is_served_when_that_has_come() -> None:
    served: list[int] = []
    waits_s: list[float] = []
    clock = SystemClock()
    rounds = Rounds(served.extend, waits_s.append, clock)
    begun_s = clock.monotonic_s()
    rounds.later(1, 0.05)
    rounds.later(2, 0.01)
    await served_by(rounds, waits_s, 2)
    assert served == [2, 1]
    assert clock.monotonic_s() - begun_s >= 0.05


def test_a_wheel_gives_each_once_at_its_earliest_moment_and_never_before() -> None:
    wheel = Wheel()
    assert (wheel.next_s, wheel.pop(1e9)) == (None, [])
    wheel.add(1, 10.0)
    wheel.add(2, 10.001)
    wheel.add(1, 10.5)
    wheel.add(3, 10.5)
    wheel.add(3, 10.2)
    assert wheel.next_s == pytest.approx(10.0)
    assert wheel.pop(9.999) == []
    assert wheel.pop(10.002) == [1]
    assert wheel.pop(10.25) == [2, 3]
    assert wheel.pop(11.0) == []
    assert wheel.next_s is None
    wheel.add(1, 12.0)
    assert wheel.pop(12.0 + GRAIN_S) == [1]


def message(number: int) -> Skipped:
    return Skipped(ticks=number, instruments=0)


def test_a_channel_keeps_so_many_and_knows_what_it_let_go() -> None:
    channel = Backlog(DIALECTS, entries_max=3, bytes_max=10_000)
    channel.begin("0-0")
    assert channel.after("0-0") == 0
    for number in range(1, 6):
        channel.append(f"{number}-0", message(number))
    assert len(channel) == 3
    assert channel.after("0-0") is None
    assert channel.after("1-0") is None
    assert channel.after("2-0") == 2
    assert channel.after("5-0") == channel.next == 5
    assert channel.after("9-0") is None
    assert (channel.is_lost(1), channel.is_lost(2)) == (True, False)
    bodies, reader = channel.read(2, 0, 10_000)
    assert (len(bodies), reader) == (3, 5)


def test_a_channel_keeps_no_more_bytes_than_it_may() -> None:
    channel = Backlog(DIALECTS, entries_max=1000, bytes_max=300)
    for number in range(50):
        channel.append(f"{number}-0", message(number))
        assert channel.bytes <= 300


def test_a_channel_that_restarts_begins_at_its_newest_restart() -> None:
    channel = Backlog(DIALECTS, entries_max=10, bytes_max=10_000, restarts=True)
    for number in range(7):
        channel.append(f"{number}-0", message(number), is_restart=number % 3 == 0)
    assert (channel.first, channel.start, channel.next) == (6, 6, 7)
    assert channel.is_lost(4)
