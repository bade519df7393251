"""Subscribers that cost little while they are measured: they read bytes now and check them later.

What a subscriber does with its ticks is its own business on its own machine; here it would eat the
core that the publisher, or the kernel for it, needs. So bytes are kept with the time they came, and
every tick is decoded and checked when the load is over.
"""

from __future__ import annotations

import base64
import bisect
import os
import selectors
import socket
import struct
import sys
import time
from typing import Any, Final

import msgspec

_BUFFER: Final = memoryview(bytearray(1 << 20))
_MESSAGES: Final = frozenset({1, 2})
#: Connections that are waited for at one time.
_ARRIVING_MAX: Final = 50
#: A connection that hears nothing for so long while it arrives has failed.
_ARRIVE_S: Final = 60.0


class _Tick(msgspec.Struct):
    sequence: int
    received_at_us: int
    instrument_token: int
    last_price: float


class _Message(msgspec.Struct):
    op: str
    ticks: list[_Tick] = []
    at: dict[str, str] = {}


_DECODE: Final = msgspec.json.Decoder(_Message).decode


class Checked(msgspec.Struct):
    """What became of all ticks of all subscribers.

    Times of the oldest tick of each message, in milliseconds: `ages_ms` from its stamp to its
    reading; where a schedule is known also from when it was due, to its stamp and to its entry.
    """

    delivered: int = 0
    faults: int = 0
    messages: int = 0
    ages_ms: list[float] = []
    due_ms: list[float] = []
    stamped_ms: list[float] = []
    written_ms: list[float] = []


class Schedule(msgspec.Struct, frozen=True):
    """When each packet was to be sent: `tokens` in turn, from the place `at`, frame after frame."""

    tokens: list[int]
    at: int
    per_frame: int
    gap_s: float
    start_s: float
    packets: int

    def due_ms(self, place: int, round_: int) -> float:
        """Return when the instrument at this place was due in this round, in Unix milliseconds."""
        packet = self._first(place) + round_ * len(self.tokens)
        return (self.start_s + packet // self.per_frame * self.gap_s) * 1e3

    def rounds(self, place: int) -> int:
        """Return how many packets the instrument at this place has."""
        return -(-(self.packets - self._first(place)) // len(self.tokens))

    def _first(self, place: int) -> int:
        return (place - self.at) % len(self.tokens)


class Order(msgspec.Struct, frozen=True):
    """What to check: whether no tick may be missing, from when on it counts, when each was due."""

    is_complete: bool
    from_ns: int
    schedule: Schedule | None = None


class Subscriber:
    """One WebSocket, read as it comes."""

    def __init__(self, address: str, key: str, request: dict[str, Any]) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)))
        nonce = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /v1/stream HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {nonce}\r\n"
            f"Authorization: Bearer {key}\r\n\r\n".encode()
        )
        self.socket.sendall(_masked(msgspec.json.encode(request)))
        self.tokens: list[int] = request["ticks"]["tokens"]
        self.chunks: list[tuple[int, bytes]] = []
        self.is_ready = False

    def read(self) -> None:
        """Keep what is there."""
        # Into one buffer for all: a new one of this size would be mapped and unmapped each time.
        count = self.socket.recv_into(_BUFFER)
        came_ns = time.time_ns()
        if not count:
            raise ConnectionError("the publisher ended a connection of the benchmark")
        data = bytes(_BUFFER[:count])
        self.chunks.append((came_ns, data))
        if not self.is_ready:
            # The last part of the snapshot, which is empty or small.
            self.is_ready = b'"last":true' in b"".join(chunk for _, chunk in self.chunks[-2:])

    def check(self, into: Checked, order: Order) -> None:
        """Decode everything; check that sequences rise and, if all must be there, that all are."""
        checking = _Counting(order) if order.schedule is None else _Punctual(order, order.schedule)
        for came_ns, body in self._messages():
            message = _DECODE(body)
            if message.op == "ticks":
                checking.take(message, came_ns, into)
        into.faults += checking.missing(self.tokens)

    def _messages(self) -> list[tuple[int, bytes]]:
        """Return whole messages with the time at which the last of their bytes came."""
        data = b"".join(chunk for _, chunk in self.chunks)
        ends, end = [], 0
        for _, chunk in self.chunks:
            end += len(chunk)
            ends.append(end)
        place, messages = data.index(b"\r\n\r\n") + 4, []
        while place + 2 <= len(data):
            opcode, begin, length = _header(data, place)
            place = begin + length
            if place > len(data):
                break
            if opcode in _MESSAGES:
                came_ns = self.chunks[bisect.bisect_left(ends, place)][0]
                messages.append((came_ns, data[begin:place]))
        return messages


class _Counting:
    """Ticks whose prices count them."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._seen: dict[int, tuple[int, float]] = {}

    def take(self, message: _Message, came_ns: int, into: Checked) -> None:
        """Check the ticks of one message."""
        for tick in message.ticks:
            sequence, price = self._seen.get(tick.instrument_token, (0, -1.0))
            is_next = price < 0 or tick.last_price == price + 1
            into.faults += tick.sequence <= sequence or (self._order.is_complete and not is_next)
            self._seen[tick.instrument_token] = (tick.sequence, tick.last_price)
        if came_ns >= self._order.from_ns:
            into.delivered += len(message.ticks)
            into.messages += 1
            # The oldest of the message: the others are younger.
            oldest_us = min(tick.received_at_us for tick in message.ticks)
            into.ages_ms.append(came_ns / 1e6 - oldest_us / 1e3)

    def missing(self, _tokens: list[int]) -> int:
        """Return 0: nothing is known of what should have come at the end."""
        return 0


class _Punctual:
    """Ticks that were due by a schedule: the n-th of an instrument is the n-th that was sent."""

    def __init__(self, order: Order, schedule: Schedule) -> None:
        self._from_us = order.from_ns // 1000
        self._schedule = schedule
        self._places = {token: place for place, token in enumerate(schedule.tokens)}
        self._seen: dict[int, tuple[int, int, int]] = {}

    def take(self, message: _Message, came_ns: int, into: Checked) -> None:
        """Check the ticks of one message; those of before the schedule do not count."""
        oldest: tuple[float, float] | None = None
        for tick in message.ticks:
            if tick.received_at_us < self._from_us:
                continue
            rounds, sequence, stamp_us = self._seen.get(tick.instrument_token, (0, 0, 0))
            into.faults += tick.sequence <= sequence or tick.received_at_us <= stamp_us
            seen = (rounds + 1, tick.sequence, tick.received_at_us)
            self._seen[tick.instrument_token] = seen
            due_ms = self._schedule.due_ms(self._places[tick.instrument_token], rounds)
            into.delivered += 1
            if oldest is None or due_ms < oldest[0]:
                oldest = (due_ms, tick.received_at_us / 1e3)
        if oldest is None:
            return
        into.messages += 1
        due_ms, stamp_ms = oldest
        into.due_ms.append(came_ns / 1e6 - due_ms)
        into.ages_ms.append(came_ns / 1e6 - stamp_ms)
        into.stamped_ms.append(stamp_ms - due_ms)
        for entry_id in message.at.values():
            into.written_ms.append(float(entry_id.partition("-")[0]) - stamp_ms)

    def missing(self, tokens: list[int]) -> int:
        """Return how many ticks these instruments have too few, or too many."""
        expected = {token: self._schedule.rounds(self._places[token]) for token in tokens}
        return sum(abs(expected[t] - self._seen.get(t, (0, 0, 0))[0]) for t in tokens)


def _header(data: bytes, place: int) -> tuple[int, int, int]:
    """Return a frame's opcode, where its payload begins, its length."""
    opcode, length = data[place] & 15, data[place + 1]
    if length == 126:
        return opcode, place + 4, struct.unpack_from(">H", data, place + 2)[0]
    if length == 127:
        return opcode, place + 10, struct.unpack_from(">Q", data, place + 2)[0]
    return opcode, place + 2, length


def _masked(body: bytes) -> bytes:
    """Return a text frame as a client has to send it; a mask of zeros changes nothing."""
    return bytes((0x81, 0xFF)) + len(body).to_bytes(8, "big") + bytes(4) + body


def run(
    address: str, key: str, requests: list[dict[str, Any]], pipe: Any, core: int | None
) -> None:
    """Subscribe, say `ready`, read until told from when to count, then send what was found."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    with selectors.DefaultSelector() as selector:
        subscribers = _arrive(address, key, requests, selector)
        pipe.send("ready")
        while not pipe.poll():
            _read(selector, 0.05)
        order = pipe.recv()
        deadline_s = time.monotonic() + 0.5
        while time.monotonic() < deadline_s:
            _read(selector, 0.05)
    found = Checked()
    for done, subscriber in enumerate(subscribers):
        subscriber.check(found, order)
        subscriber.chunks.clear()
        if done % 250 == 249:
            print(f"  checked {done + 1} of {len(subscribers)} subscribers", file=sys.stderr)
    pipe.send(found)


def _arrive(
    address: str, key: str, requests: list[dict[str, Any]], selector: selectors.BaseSelector
) -> list[Subscriber]:
    subscribers: list[Subscriber] = []
    arriving: set[int] = set()
    deadline_s = time.monotonic() + _ARRIVE_S
    while len(subscribers) < len(requests) or arriving:
        while len(subscribers) < len(requests) and len(arriving) < _ARRIVING_MAX:
            subscriber = Subscriber(address, key, requests[len(subscribers)])
            arriving.add(len(subscribers))
            subscribers.append(subscriber)
            selector.register(subscriber.socket, selectors.EVENT_READ, subscriber)
        _read(selector, 1.0)
        arriving = {each for each in arriving if not subscribers[each].is_ready}
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"{len(arriving)} subscribers have no snapshot yet")
    return subscribers


def _read(selector: selectors.BaseSelector, timeout_s: float) -> None:
    for chosen, _ in selector.select(timeout_s):
        chosen.data.read()
