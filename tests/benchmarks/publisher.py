"""Fanning out: deliveries a second of the hub alone, then through real WebSockets."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import resource
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
import numpy as np
import uvloop

from publisher.auth import digest, read_keyring
from publisher.connection import Surroundings
from publisher.desk import Desk, DeskLimits
from publisher.dialects import DIALECTS, JSON
from publisher.hub import Hub, HubLimits
from publisher.modes import MODES
from publisher.server import Server
from publisher.settings import PublisherSection
from publisher.universe import Universe
from shared.clock import SystemClock
from shared.runtime import logs
from shared.runtime.settings import LogSettings
from shared.wire.instruments import Kind
from tests.support.publisher_rows import full_row, listing

#: The hub alone.
INSTRUMENTS: Final = 3000
SUBSCRIBERS: Final = 100
#: Of all instruments, how many each subscriber wants.
WANTED: Final = 300
BATCH: Final = 200
HUB_S: Final = 2.0
KEY: Final = "benchmark-" + "k" * 33

Row = dict[str, Any]


@dataclass(frozen=True)
class Load:
    """Subscribers at real sockets, and an open loop of ticks: a batch is due so often."""

    name: str
    subscribers: int
    instruments: int
    wanted: int
    batch: int
    every_s: float
    policy: dict[str, Any]
    mode: str = "ltp"
    seconds: float = 6.0

    @property
    def ticks_per_s(self) -> float:
        return self.batch / self.every_s


LOADS: Final = (
    # Every instrument ticks five times a second, spread over the second.
    Load("1000x100_at_5hz", 1000, 1000, 100, 100, 0.02, {"mode": "conflate"}),
    Load("100x200_unconflated", 100, 4000, 200, 100, 0.005, {"mode": "strict"}),
)


def results() -> list[Row]:
    """Measure everything once."""
    return list(_each())


def _each() -> Iterator[Row]:
    logs.configure(
        LogSettings(level="warning"), worker="bench", clock=SystemClock(), stream=sys.stderr
    )
    # Idle first: what later loads leave behind would hide what a connection costs.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner.run(_idle())
    for load in LOADS:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            yield from runner.run(_serve(load))
    yield _hub("ltp")
    yield _hub("full")


def _records(chance: np.random.Generator, count: int = BATCH) -> np.ndarray[Any, Any]:
    records = np.repeat(full_row(), count)
    records["instrument_token"] = chance.integers(1, INSTRUMENTS + 1, count)
    records["received_at_ns"] = time.time_ns()
    records["last_price"] = np.round(chance.random(count) * 1000, 2)
    return records


def _wanted(chance: np.random.Generator) -> np.ndarray[Any, Any]:
    return np.sort(chance.choice(INSTRUMENTS, WANTED, replace=False).astype(np.uint32) + 1)


def _new_hub() -> Hub:
    return Hub(HubLimits(SUBSCRIBERS + 1, INSTRUMENTS + 1, 1 << 20, 1 << 16), [JSON])


def _hub(mode: str) -> Row:
    """Let every subscriber take after every batch: nothing is conflated but repeats in a batch."""
    chance, hub = np.random.default_rng(7), _new_hub()
    for _ in range(SUBSCRIBERS):
        subscriber = hub.open()
        assert subscriber is not None
        tokens = _wanted(chance)
        assert hub.room(subscriber, tokens, INSTRUMENTS).all()
        hub.want(subscriber, tokens, MODES.index(mode), has_snapshot=False)
    batches = [_records(chance) for _ in range(50)]
    delivered = taken_batches = 0
    began_s = time.perf_counter()
    while (elapsed_s := time.perf_counter() - began_s) < HUB_S:
        for subscriber in hub.apply(batches[taken_batches % len(batches)]).wake:
            while (taken := hub.take(subscriber, 0.0)).ticks:
                delivered += taken.ticks
        taken_batches += 1
    return {
        "name": f"publisher.hub_deliveries_per_s.{mode}",
        "value": round(delivered / elapsed_s),
        "unit": "1/s",
        "context": f"hub alone, one core: {SUBSCRIBERS} subscribers of {WANTED} in {INSTRUMENTS} "
        f"instruments, batches of {BATCH}, {taken_batches / elapsed_s * BATCH:.0f} ticks/s in",
    }


def _desk(load: Load) -> Desk:
    hub = Hub(HubLimits(load.subscribers + 1, load.instruments + 1, 1 << 20, 1 << 16), DIALECTS)
    limits = DeskLimits(load.subscribers, load.instruments, 100, 1 << 16, 15.0)
    keyring = read_keyring([f"bench:ticks:{digest(KEY)}"])
    desk = Desk(hub, keyring, accounts=(), limits=limits, epoch="bench")
    listed = [(t, "NFO", f"S{t}", "NIFTY", Kind.CALL) for t in range(1, load.instruments + 1)]
    desk.publish(Universe(listing(listed)))
    return desk


class _Feed:
    """Every instrument in its turn, its price counting its ticks: a subscriber can check."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._records = np.repeat(full_row(), load.batch)
        self._offset = 0

    def next(self) -> np.ndarray[Any, Any]:
        places = np.arange(self._offset, self._offset + self._load.batch)
        self._offset += self._load.batch
        records = self._records.copy()
        records["instrument_token"] = places % self._load.instruments + 1
        records["last_price"] = places // self._load.instruments
        records["received_at_ns"] = time.time_ns()
        return records


async def _serve(load: Load) -> list[Row]:
    """Serve from this process to subscribers in another one, at a fixed rate of ticks."""
    chance, desk = np.random.default_rng(7), _desk(load)
    section = PublisherSection(port=0, connections_per_key_max=load.subscribers)
    server = Server(Surroundings(desk, section, SystemClock(), random.Random(1)), logs.get_log())
    waits_s: list[float] = []
    ours, theirs = multiprocessing.Pipe()
    async with server.serving():
        wanted = [
            np.sort(chance.choice(load.instruments, load.wanted, replace=False) + 1).tolist()
            for _ in range(load.subscribers)
        ]
        client = multiprocessing.get_context("spawn").Process(
            target=_clients, args=(server.address, load, wanted, theirs)
        )
        client.start()
        await asyncio.to_thread(ours.recv)
        server.rounds.waited = waits_s.append
        cpu_began_s, late, offered = time.process_time(), 0, 0
        loop, feed, pairs = asyncio.get_running_loop(), _Feed(load), 0
        began_s = loop.time()
        while (due_s := began_s + offered * load.every_s) < began_s + load.seconds:
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            late += loop.time() - due_s > 0.05
            moved = desk.hub.apply(feed.next())
            pairs += moved.pairs
            server.wake(moved.wake)
            offered += 1
        cpu_s, span_s = time.process_time() - cpu_began_s, loop.time() - began_s
        await asyncio.sleep(0.5)
        ours.send("stop")
        delivered, faults, ages_ms = await asyncio.to_thread(ours.recv)
        await asyncio.to_thread(client.join)
    measured = Measured(
        span_s, cpu_s / span_s, late / offered, pairs, delivered, faults, ages_ms, waits_s
    )
    return _report(load, measured)


@dataclass(frozen=True)
class Measured:
    span_s: float
    cores: float
    late: float
    pairs: int
    delivered: int
    faults: int
    ages_ms: list[float]
    waits_s: list[float]


def _report(load: Load, got: Measured) -> list[Row]:
    context = (
        f"{load.subscribers} WebSockets x {load.wanted} of {load.instruments} instruments, JSON "
        f"{load.mode}, {load.policy['mode']}, {load.ticks_per_s:.0f} ticks/s for "
        f"{load.seconds:.0f} s took {got.span_s:.1f} s, {got.delivered} of {got.pairs} ticks told, "
        f"{got.late:.1%} of batches over 50 ms late, {got.faults} faults in sequence, publisher "
        f"CPU {got.cores:.0%} of a core, clients in one other process, load {_load():.1f}"
    )
    ages = statistics.quantiles(got.ages_ms, n=100)
    waits = statistics.quantiles(got.waits_s, n=100)
    rate = round(got.delivered / got.span_s)
    return [
        _row(f"publisher.deliveries_per_s.{load.name}", rate, "1/s", context),
        _row(f"publisher.in_process_p50_ms.{load.name}", round(waits[49] * 1e3, 2), "ms", ""),
        _row(f"publisher.in_process_p99_ms.{load.name}", round(waits[98] * 1e3, 2), "ms", ""),
        _row(
            f"publisher.age_p50_ms.{load.name}", round(ages[49], 2), "ms", "decoded by the client"
        ),
        _row(
            f"publisher.age_p99_ms.{load.name}", round(ages[98], 2), "ms", "decoded by the client"
        ),
    ]


async def _idle() -> Row:
    """Hold connections that want nothing; what the process grew by, a connection."""
    load = Load("idle", 500, 10, 0, 1, 1.0, {"mode": "conflate"})
    desk = _desk(load)
    section = PublisherSection(port=0, connections_per_key_max=load.subscribers)
    server = Server(Surroundings(desk, section, SystemClock(), random.Random(1)), logs.get_log())
    ours, theirs = multiprocessing.Pipe()
    async with server.serving():
        before = _resident_bytes()
        client = multiprocessing.get_context("spawn").Process(
            target=_clients, args=(server.address, load, [[]] * load.subscribers, theirs)
        )
        client.start()
        await asyncio.to_thread(ours.recv)
        grown = (_resident_bytes() - before) / load.subscribers
        ours.send("stop")
        await asyncio.to_thread(ours.recv)
        await asyncio.to_thread(client.join)
    context = f"{load.subscribers} idle WebSockets, resident memory of the process, kernel not"
    return _row("publisher.idle_connection_bytes", round(grown), "bytes", context)


def _load() -> float:
    """Return how many processes wanted the processors in the last minute: ours are two."""
    return os.getloadavg()[0]


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _row(name: str, value: float, unit: str, context: str) -> Row:
    return {"name": name, "value": value, "unit": unit, "context": context}


class _Tick(msgspec.Struct):
    sequence: int
    received_at_us: int
    instrument_token: int
    last_price: float


class _Message(msgspec.Struct):
    op: str
    ticks: list[_Tick] = []


def _clients(address: str, load: Load, wanted: list[list[int]], pipe: Any) -> None:
    asyncio.run(_count(address, load, wanted, pipe))


class _Reader:
    """One subscriber: decodes every tick, checks that sequences rise and that none is missing."""

    def __init__(self, *, is_complete: bool) -> None:
        self.delivered = self.faults = 0
        self.ages_ms: list[float] = []
        self._seen: dict[int, tuple[int, float]] = {}
        self._is_complete = is_complete
        self._decode = msgspec.json.Decoder(_Message).decode

    def read(self, body: bytes) -> str:
        message = self._decode(body)
        if message.op != "ticks":
            return message.op
        seen = self._seen
        for tick in message.ticks:
            sequence, price = seen.get(tick.instrument_token, (0, -1.0))
            if tick.sequence <= sequence or (self._is_complete and tick.last_price != price + 1):
                self.faults += 1
            seen[tick.instrument_token] = (tick.sequence, tick.last_price)
        self.delivered += len(message.ticks)
        # The oldest of the message: the others are younger.
        oldest_us = min(tick.received_at_us for tick in message.ticks)
        self.ages_ms.append(time.time_ns() / 1e6 - oldest_us / 1e3)
        return message.op


async def _count(address: str, load: Load, wanted: list[list[int]], pipe: Any) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    readers = [_Reader(is_complete=load.policy["mode"] == "strict") for _ in wanted]
    arriving = asyncio.Semaphore(50)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), headers=headers
    ) as session:

        async def follow(tokens: list[int], reader: _Reader, ready: asyncio.Event) -> None:
            async with arriving:
                ws = await session.ws_connect(
                    f"ws://{address}/v1/stream", max_msg_size=0, decode_text=False
                )
                ticks = {"tokens": tokens, "mode": load.mode}
                request = {"op": "subscribe", "ticks": ticks, "policy": load.policy}
                await ws.send_str(msgspec.json.encode(request).decode())
                while reader.read((await ws.receive()).data) != "snapshot":
                    pass
            ready.set()
            async for message in ws:
                reader.read(message.data)

        async with asyncio.TaskGroup() as group:
            events = [asyncio.Event() for _ in wanted]
            tasks = [
                group.create_task(follow(*each), name="follow")
                for each in zip(wanted, readers, events, strict=True)
            ]
            for event in events:
                await event.wait()
            pipe.send("ready")
            await asyncio.to_thread(pipe.recv)
            for task in tasks:
                task.cancel()
    ages_ms = [age for reader in readers for age in reader.ages_ms]
    delivered = sum(reader.delivered for reader in readers)
    pipe.send((delivered, sum(reader.faults for reader in readers), ages_ms))


if __name__ == "__main__":
    for row in _each():
        print(f"{row['name']}: {row['value']} {row['unit']} ({row['context']})", flush=True)
