"""A keeper against a WebSocket server of another make."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import msgspec
import pytest

from ingest import keeper as keepers
from ingest.keeper import Keeper, Patience, Tools
from ingest.silence import Expectation
from ingest.stillness import Still, Stillness
from shared.clock import SystemClock
from shared.kite.settings import KiteSettings
from shared.kite.socket import SocketAccess
from shared.market.calendar import packaged_calendar
from shared.resilience.retry import RetryPolicy
from shared.secret import Secret
from shared.wire.control import Gap
from shared.wire.ticks import Mode
from tests.support.eventually import eventually
from tests.support.kite_frames import frame, ltp
from tests.support.kite_socket_server import SocketServer, listen, serving

QUICK = Patience(
    watch_every_s=0.02,
    silence_s_max=0.3,
    token_dead_pause_s=0.05,
    steady_after_s=0.05,
    retry=RetryPolicy(base_s=0.01, ceiling_s=0.02),
)
HEARTBEAT = b"\0"
#: Knows no instruments, so it expects nothing.
IDLE = Stillness(packaged_calendar(), Expectation(), lambda: None)
PACKET = frame([ltp(1, 100)])
DAMAGED = PACKET[:-1]


@dataclass
class Heard:
    """An intake that keeps what it is handed."""

    frames: list[tuple[int, bytes]] = field(default_factory=list)
    texts: list[bytes] = field(default_factory=list)

    def frame(self, socket: int, frame: bytes, _received_at_ns: int) -> bool:
        self.frames.append((socket, frame))
        return frame != DAMAGED

    def text(self, _socket: int, text: bytes, _received_at_ns: int) -> None:
        self.texts.append(text)


@dataclass
class Owner:
    """An account that counts what it is told."""

    token: str = "token"
    accepted_ns: list[int] = field(default_factory=list)
    refusals: int = 0

    def access(self) -> SocketAccess:
        return SocketAccess("key", Secret(self.token))

    def accepted(self, at_ns: int) -> None:
        self.accepted_ns.append(at_ns)

    def refused(self) -> None:
        self.refusals += 1

    def changed(self) -> None:
        pass


def full(*tokens: int) -> dict[int, Mode]:
    return dict.fromkeys(tokens, Mode.FULL)


class Kept:
    """A running keeper, what it heard, the gaps it told."""

    def __init__(self, url: str, patience: Patience, market_clock) -> None:
        self.heard = Heard()
        self.gaps: list[Gap] = []
        self.owner = Owner()
        self.stopping = asyncio.Event()
        tools = Tools(
            settings=msgspec.structs.replace(
                KiteSettings(ws_url=url), socket_open_timeout_s=2.0, socket_close_timeout_s=0.2
            ),
            owner=self.owner,
            intake=self.heard,
            clock=SystemClock(),
            random=random.Random(1),
            tell_gap=self.gaps.append,
            account="AB1234",
            market_clock=market_clock,
            first=6,
            patience=patience,
        )
        self.keeper = Keeper(2, tools)


@asynccontextmanager
async def keeping(
    server: SocketServer, *tokens: int, patience: Patience = QUICK, market_clock=IDLE.clock
) -> AsyncIterator[Kept]:
    kept = Kept(server.url, patience, market_clock)
    kept.keeper.want(full(*tokens))
    async with asyncio.TaskGroup() as group:
        group.create_task(kept.keeper.keep(kept.stopping), name="keeper")
        try:
            yield kept
        finally:
            kept.stopping.set()


def said(server: SocketServer) -> list[tuple[str, object]]:
    return [(text["a"], text["v"]) for text in map(json.loads, server.texts)]


async def repeating(socket, *frames: Callable[[], bytes]) -> None:
    """Send the frames in turn until the connection is over."""
    with suppress(ConnectionError):
        for make in itertools.cycle(frames):
            if socket.closed:
                return
            await socket.send_bytes(make())
            await asyncio.sleep(0.02)


def script_of(*each):
    """Behave as the scripts say, connection by connection, the last one for all further ones."""
    left = list(each)

    async def script(socket) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(socket)

    return script


#: What still sends though its script is over.
BEATING: set[asyncio.Task[None]] = set()


def in_background(sending) -> None:
    task = asyncio.create_task(sending, name="beating")
    BEATING.add(task)
    task.add_done_callback(BEATING.discard)


async def beating_in_background(socket) -> None:
    frames = (lambda: PACKET, lambda: HEARTBEAT)
    in_background(repeating(socket, *frames))


async def gone(socket) -> None:
    socket._writer.transport.abort()


async def closed(socket) -> None:
    await socket.close()


async def lived_then(ending, socket) -> None:
    for _ in range(6):
        await socket.send_bytes(PACKET)
        await asyncio.sleep(0.02)
    await ending(socket)


async def test_keeper_subscribes_in_its_mode_and_passes_everything_on() -> None:
    async def script(socket) -> None:
        await socket.send_bytes(HEARTBEAT)
        await socket.send_bytes(PACKET)
        await socket.send_str('{"type":"message"}')

    async with serving(script) as server, keeping(server, 2, 1) as kept:
        await eventually(lambda: kept.heard.texts)
        await eventually(lambda: len(server.texts) == 2)
        assert kept.keeper.state == "connected"
    assert said(server) == [("subscribe", [1, 2]), ("mode", ["full", [1, 2]])]
    assert kept.heard.frames == [(8, HEARTBEAT), (8, PACKET)]
    assert kept.gaps == []


async def test_keeper_changes_only_the_difference_and_makes_room_first() -> None:
    async with serving(beating_in_background) as server, keeping(server, 1, 2) as kept:
        await eventually(lambda: len(server.texts) == 2)
        kept.keeper.want(full(2, 3))
        await eventually(lambda: len(server.texts) == 5)
    assert said(server)[2:] == [
        ("unsubscribe", [1]),
        ("subscribe", [3]),
        ("mode", ["full", [3]]),
    ]


async def test_same_want_again_says_nothing() -> None:
    async with serving(beating_in_background) as server, keeping(server, 1) as kept:
        await eventually(lambda: len(server.texts) == 2)
        kept.keeper.want(full(1))
        seen = len(kept.heard.frames)
        await eventually(lambda: len(kept.heard.frames) > seen + 5)
        assert len(server.texts) == 2


async def test_lost_connection_is_opened_again_and_the_gap_told() -> None:
    script = script_of(lambda socket: lived_then(gone, socket), beating_in_background)
    async with serving(script) as server, keeping(server, 1, 7) as kept:
        # The first frame may come before the handshake's end is known here.
        await eventually(lambda: kept.gaps and kept.keeper.state == "connected")
        await eventually(lambda: len(server.texts) == 4)
    (gap,) = kept.gaps
    assert (gap.cause, gap.account, gap.socket) == ("disconnected", "AB1234", 2)
    assert gap.instrument_tokens == [1, 7]
    assert 0 < gap.from_us < gap.to_us
    assert [verb for verb, _ in said(server)].count("subscribe") == len(server.requests) == 2


async def test_clean_close_of_a_connection_that_worked_is_answered_at_once() -> None:
    never = RetryPolicy(base_s=3600.0, ceiling_s=3600.0)
    patience = Patience(watch_every_s=0.02, steady_after_s=0.05, retry=never)
    script = script_of(lambda socket: lived_then(closed, socket), beating_in_background)
    async with serving(script) as server, keeping(server, 1, patience=patience) as kept:
        await eventually(lambda: kept.gaps)
        assert len(server.requests) == 2


async def test_server_that_closes_every_connection_at_once_is_not_hammered() -> None:
    slower = RetryPolicy(base_s=3600.0, ceiling_s=3600.0)
    patience = Patience(watch_every_s=0.02, retry=slower)
    async with serving(closed) as server, keeping(server, 1, patience=patience) as kept:
        await eventually(lambda: kept.keeper.state == "closed")
    assert len(server.requests) == 1


async def test_server_that_sends_nothing_is_found_silent_though_it_answers_pings() -> None:
    script = script_of(listen, beating_in_background)
    async with serving(script) as server, keeping(server, 1) as kept:
        await eventually(lambda: kept.gaps)
    assert kept.gaps[0].cause == "silent"
    assert len(server.requests) == 2


def test_silence_is_found_within_six_seconds_by_default() -> None:
    assert keepers.PATIENCE.silence_s_max + 2 * keepers.PATIENCE.watch_every_s <= 6.0


class StillOnce:
    """A market's clock that finds its socket still when told to, once."""

    def __init__(self) -> None:
        self.opened_at: list[int] = []
        self.ticks = 0
        self.due = False

    def opened(self, at_ns: int) -> None:
        self.opened_at.append(at_ns)

    def ticked(self, _at_ns: int) -> None:
        self.ticks += 1

    def still(self, _tokens: frozenset[int], _now_ns: int) -> Still | None:
        due, self.due = self.due, False
        return Still(11.0) if due else None


async def test_socket_that_beats_without_ticks_is_opened_again_and_the_gap_told() -> None:
    clock = StillOnce()
    async with (
        serving(beating_in_background) as server,
        keeping(server, 1, market_clock=lambda: clock) as kept,
    ):
        await eventually(lambda: clock.ticks > 0)
        clock.due = True
        await eventually(lambda: kept.gaps)
    assert kept.gaps[0].cause == "silent"
    assert kept.gaps[0].instrument_tokens == [1]
    assert len(clock.opened_at) == 2


async def test_gap_of_a_socket_without_ticks_begins_at_its_last_tick_not_at_its_last_beat() -> None:
    clock = StillOnce()

    async def a_tick_then_beats(socket) -> None:
        await socket.send_bytes(PACKET)
        frames = repeating(socket, lambda: HEARTBEAT)
        in_background(frames)

    async with (
        serving(a_tick_then_beats) as server,
        keeping(server, 1, market_clock=lambda: clock) as kept,
    ):
        await eventually(lambda: clock.ticks > 0)
        ticked_ns = SystemClock().now_ns()
        await eventually(lambda: kept.heard.frames[-3:] == [(8, HEARTBEAT)] * 3)
        clock.due = True
        await eventually(lambda: kept.gaps)
    assert kept.gaps[0].from_us * 1000 <= ticked_ns


@pytest.mark.parametrize(
    ("status", "state"), [(403, "token_dead"), (429, "throttled"), (400, "unreachable")]
)
async def test_refused_handshake_is_told_by_its_state(status: int, state: str) -> None:
    async with serving(status=status) as server, keeping(server, 1) as kept:
        await eventually(lambda: kept.keeper.state == state)


async def test_dead_token_is_tried_again_and_the_gap_says_why_it_lasted() -> None:
    script = script_of(lambda socket: lived_then(gone, socket), beating_in_background)
    statuses = (101, 403, 403)
    async with serving(script, statuses=statuses) as server, keeping(server, 1) as kept:
        await eventually(lambda: kept.gaps)
    assert kept.gaps[0].cause == "token_expired"
    assert len(server.requests) == 4


async def test_heartbeats_alone_do_not_end_a_gap() -> None:
    packets = asyncio.Event()

    async def heartbeats_then_packets(socket) -> None:
        frames = repeating(socket, lambda: PACKET if packets.is_set() else HEARTBEAT)
        in_background(frames)

    script = script_of(lambda socket: lived_then(gone, socket), heartbeats_then_packets)
    async with serving(script) as server, keeping(server, 1) as kept:
        await eventually(lambda: len(server.requests) == 2)
        await eventually(lambda: kept.heard.frames[-3:] == [(8, HEARTBEAT)] * 3)
        assert kept.gaps == []
        packets.set()
        await eventually(lambda: kept.gaps)


async def test_gap_that_is_open_when_stopping_is_told() -> None:
    async with serving(status=500) as server, keeping(server, 1) as kept:
        await eventually(lambda: len(server.requests) > 2)
    assert kept.gaps[0].cause == "disconnected"


async def test_stopping_closes_the_socket_from_our_side() -> None:
    async with serving(beating_in_background) as server:
        async with keeping(server, 1) as kept:
            await eventually(lambda: kept.heard.frames)
        await eventually(lambda: server.closed_with == [1000])
    assert kept.gaps == []


async def test_damaged_frame_is_a_gap_until_the_next_good_one() -> None:
    async def script(socket) -> None:
        for each in (PACKET, DAMAGED, HEARTBEAT, DAMAGED, PACKET):
            await socket.send_bytes(each)
        await repeating(socket, lambda: HEARTBEAT)

    async with serving(script) as server, keeping(server, 1, 2) as kept:
        await eventually(lambda: kept.gaps)
    (gap,) = kept.gaps
    assert (gap.cause, gap.instrument_tokens, gap.socket) == ("damaged_frame", [1, 2], 2)
    assert gap.from_us <= gap.to_us


async def test_other_mode_is_set_without_subscribing_again() -> None:
    async with serving(beating_in_background) as server, keeping(server, 1, 2) as kept:
        await eventually(lambda: len(server.texts) == 2)
        kept.keeper.want({1: Mode.FULL, 2: Mode.LTP, 3: Mode.QUOTE})
        await eventually(lambda: len(server.texts) == 5)
        assert kept.keeper.live == {1, 2, 3}
    assert said(server)[2:] == [
        ("subscribe", [3]),
        ("mode", ["ltp", [2]]),
        ("mode", ["quote", [3]]),
    ]


async def test_another_token_is_tried_at_once() -> None:
    patience = Patience(watch_every_s=0.02, token_dead_pause_s=3600.0)
    statuses = (403, 101)
    async with (
        serving(beating_in_background, statuses=statuses) as server,
        keeping(server, 1, patience=patience) as kept,
    ):
        await eventually(lambda: kept.owner.refusals == 1)
        kept.owner.token = "fresh"
        await eventually(lambda: _hurried(kept))
        assert kept.owner.accepted_ns
    assert server.requests[-1].query["access_token"] == "fresh"


def _hurried(kept: Kept) -> bool:
    kept.keeper.hurry()
    return kept.keeper.state == "connected"


async def test_tokens_taken_over_by_another_socket_end_their_part_of_the_gap() -> None:
    script = script_of(lambda socket: lived_then(gone, socket))
    statuses = (101, 500)
    async with serving(script, statuses=statuses) as server, keeping(server, 1, 2) as kept:
        await eventually(lambda: kept.keeper.state == "unreachable")
        kept.keeper.want(full(2))
        assert [gap.instrument_tokens for gap in kept.gaps] == [[1]]
    assert [gap.instrument_tokens for gap in kept.gaps] == [[1], [2]]
