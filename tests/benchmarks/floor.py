"""What this machine takes alone: the bytes of `fan_out` through as many processes, nothing computed.

A feed, two relays around one Redis, a hundred sockets, a process that reads them: what passes on
has the sizes that ticks have there, and nobody looks inside. The difference to `fan_out` is our
work; what is here is the kernel's, Redis', and the waking of processes. Same clock: from when a
frame was due to when a subscriber has read its message.
"""

from __future__ import annotations

import multiprocessing
import queue
import selectors
import socket
import statistics
import struct
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import hiredis

from deploy.local.redis import RedisServer
from deploy.local.servers import redis_server
from shared.streams.line import packed
from shared.wire.ticks import RAW_HEADER_DTYPE, TICK_DTYPE
from tests.benchmarks.end_to_end import enter
from tests.benchmarks.load.feed import PACKET_BYTES

SUBSCRIBERS: Final = 100
SHARDS: Final = 2
PACKETS: Final = 200
GAP_S: Final = 0.01
FRAMES: Final = 500
#: 13 of the 200 instruments of a frame concern a subscriber; one is some 95 bytes of JSON `ltp`.
MESSAGE_BYTES: Final = 60 + 13 * 95
RAW_BYTES: Final = RAW_HEADER_DTYPE.itemsize + PACKETS // SHARDS * PACKET_BYTES
RECORD_BYTES: Final = PACKETS // SHARDS * TICK_DTYPE.itemsize
WITHIN_S: Final = 60.0
_DUE: Final = struct.Struct("<d")
_BUFFER_BYTES: Final = 1 << 22


class Redis:
    """A connection that blocks, with the least that a client can do."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(unquote(where.path))
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._answers = hiredis.Reader()
        assert where.username is not None
        assert where.password is not None
        self.ask([(b"AUTH", where.username.encode(), where.password.encode())])

    def ask(self, commands: Sequence[Sequence[bytes]]) -> list[Any]:
        """Send commands in one piece, return their answers."""
        self._socket.sendall(b"".join(packed(commands)[0]))
        answers: list[Any] = []
        while len(answers) < len(commands):
            answer = self._answers.gets()
            if answer is False:
                count = self._socket.recv_into(self._buffer)
                self._answers.feed(bytes(self._buffer[:count]))
            elif isinstance(answer, Exception):
                raise answer
            else:
                answers.append(answer)
        return answers


def _write(stream: str, body: bytes) -> tuple[bytes, ...]:
    return (b"XADD", stream.encode(), b"MAXLEN", b"~", b"1000", b"*", b"b", body)


def _names(topic: str) -> list[bytes]:
    return [f"ticks.{topic}.v1.{shard}".encode() for shard in range(SHARDS)]


def _entries(redis: Redis, names: list[bytes]) -> Iterator[list[tuple[bytes, bytes]]]:
    """Yield what each read brought, with the stream of each."""
    places = dict.fromkeys(names, b"0")
    while True:
        block = (b"XREAD", b"BLOCK", b"1000", b"STREAMS", *places, *places.values())
        found = redis.ask([block])[0] or []
        for name, entries in found:
            places[name] = entries[-1][0]
        yield [(name, fields[1]) for name, entries in found for _, fields in entries]


def _feed(port: int) -> None:
    link = _connected(port)
    body = bytearray(PACKETS * PACKET_BYTES)
    start_s = time.time() + 0.5
    for frame in range(FRAMES):
        due_s = start_s + frame * GAP_S
        time.sleep(max(0.0, due_s - time.time()))
        _DUE.pack_into(body, 0, due_s)
        link.sendall(body)


def _ingest(listener: socket.socket, url: str) -> None:
    link, redis = listener.accept()[0], Redis(url)
    frame = bytearray(PACKETS * PACKET_BYTES)
    while _fill(link, frame):
        body = bytes(frame[:RAW_BYTES])
        redis.ask([_write(name.decode(), body) for name in _names("raw")])


def _fill(link: socket.socket, frame: bytearray) -> bool:
    view, got = memoryview(frame), 0
    while got < len(frame):
        count = link.recv_into(view[got:])
        if not count:
            return False
        got += count
    return True


def _enrich(url: str, read_url: str) -> None:
    redis, record = Redis(url), bytearray(RECORD_BYTES)
    for entries in _entries(Redis(read_url), _names("raw")):
        writes = []
        for name, body in entries:
            record[: _DUE.size] = body[: _DUE.size]
            writes.append(_write(name.decode().replace("raw", "enriched"), bytes(record)))
        if writes:
            redis.ask([(b"MULTI",), *writes, (b"EXEC",)])


def _publish(listener: socket.socket, url: str) -> None:
    links = [listener.accept()[0] for _ in range(SUBSCRIBERS)]
    first, message = _names("enriched")[0], bytearray(MESSAGE_BYTES)
    for entries in _entries(Redis(url), _names("enriched")):
        for name, body in entries:
            if name == first:
                message[: _DUE.size] = body[: _DUE.size]
                for link in links:
                    link.sendall(message)


def _subscribe(port: int, told: Any) -> None:
    buffer, read, waits_ms = memoryview(bytearray(1 << 20)), 0, list[float]()
    with selectors.DefaultSelector() as selector:
        for _ in range(SUBSCRIBERS):
            selector.register(_connected(port), selectors.EVENT_READ)
        told.put("ready")
        while read < FRAMES * SUBSCRIBERS * MESSAGE_BYTES:
            for key, _ in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                count = key.fileobj.recv_into(buffer)
                now_s, read = time.time(), read + count
                # Messages of one length: whoever reads none split finds the stamp of each.
                waits_ms += [
                    (now_s - _DUE.unpack_from(buffer, at)[0]) * 1e3
                    for at in range(0, count, MESSAGE_BYTES)
                ]
    told.put(waits_ms)


def _connected(port: int) -> socket.socket:
    link = socket.create_connection(("127.0.0.1", port))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def _run(server: RedisServer) -> list[float]:
    context = multiprocessing.get_context("fork")
    with (
        socket.create_server(("127.0.0.1", 0)) as near,
        socket.create_server(("127.0.0.1", 0), backlog=SUBSCRIBERS) as far,
    ):
        told = context.Queue()
        urls = {name: server.url_for(name).reveal() for name in ("ingest", "enrich", "publisher")}
        started = [
            context.Process(target=target, args=arguments, daemon=True)
            for target, arguments in (
                (_ingest, (near, urls["ingest"])),
                (_enrich, (urls["enrich"], urls["publisher"])),
                (_publish, (far, urls["publisher"])),
                (_subscribe, (far.getsockname()[1], told)),
                (_feed, (near.getsockname()[1],)),
            )
        ]
        try:
            for process in started[:-1]:
                process.start()
            told.get(timeout=WITHIN_S)
            started[-1].start()
            waits_ms: list[float] = told.get(timeout=WITHIN_S)
        except queue.Empty:
            raise TimeoutError(f"the relays did not end within {WITHIN_S:g} s") from None
        finally:
            for process in started:
                process.kill()
    return waits_ms


def results() -> list[dict[str, Any]]:
    """Measure frames of 200 once."""
    with (
        tempfile.TemporaryDirectory(prefix="tickflow-bench-") as name,
        enter(redis_server("ticks", Path(name) / "redis")) as server,
    ):
        shares = statistics.quantiles(_run(server), n=100)
    context = (
        f"{FRAMES} frames of {PACKETS} packets, one each {GAP_S * 1e3:g} ms, through a feed, two relays, "
        f"one Redis, a relay to {SUBSCRIBERS} sockets, their reader; nothing computed"
    )
    return [
        {"name": f"floor.socket_to_subscriber.frames_of_{PACKETS}_p{p}_ms",
         "value": round(shares[p - 1], 2), "unit": "ms", "context": context}
        for p in (50, 99)
    ]  # fmt: skip
