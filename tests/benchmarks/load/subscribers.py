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

_READ_BYTES: Final = 1 << 20
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


_DECODE: Final = msgspec.json.Decoder(_Message).decode


class Checked(msgspec.Struct):
    """What became of all ticks of all subscribers."""

    delivered: int = 0
    faults: int = 0
    ages_ms: list[float] = []


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
        self.chunks: list[tuple[int, bytes]] = []
        self.is_ready = False

    def read(self) -> None:
        """Keep what is there."""
        data = self.socket.recv(_READ_BYTES)
        if not data:
            raise ConnectionError("the publisher ended a connection of the benchmark")
        self.chunks.append((time.time_ns(), data))
        if not self.is_ready:
            # The last part of the snapshot, which is empty or small.
            self.is_ready = b'"last":true' in b"".join(chunk for _, chunk in self.chunks[-2:])

    def check(self, into: Checked, *, is_complete: bool, from_ns: int) -> None:
        """Decode everything; check that sequences rise and, if all must be there, that all are."""
        seen: dict[int, tuple[int, float]] = {}
        for came_ns, body in self._messages():
            message = _DECODE(body)
            if message.op != "ticks":
                continue
            for tick in message.ticks:
                sequence, price = seen.get(tick.instrument_token, (0, -1.0))
                is_next = price < 0 or tick.last_price == price + 1
                into.faults += tick.sequence <= sequence or (is_complete and not is_next)
                seen[tick.instrument_token] = (tick.sequence, tick.last_price)
            if came_ns >= from_ns:
                into.delivered += len(message.ticks)
                # The oldest of the message: the others are younger.
                oldest_us = min(tick.received_at_us for tick in message.ticks)
                into.ages_ms.append(came_ns / 1e6 - oldest_us / 1e3)

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
        is_complete, from_ns = pipe.recv()
        deadline_s = time.monotonic() + 0.5
        while time.monotonic() < deadline_s:
            _read(selector, 0.05)
    found = Checked()
    for done, subscriber in enumerate(subscribers):
        subscriber.check(found, is_complete=is_complete, from_ns=from_ns)
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
