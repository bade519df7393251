"""Fanning out: what a delivery costs without sockets, then real WebSockets at a fixed rate."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import multiprocessing
import os
import random
import resource
import statistics
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any, Final

import numpy as np
import uvloop

from publisher.access.auth import digest, read_keyring
from publisher.door.connection import Surroundings
from publisher.door.server import Server
from publisher.fanout.dialects import DIALECTS
from publisher.fanout.flow import Source
from publisher.fanout.hub import Hub, HubLimits
from publisher.fanout.universe import Universe
from publisher.session.desk import Desk, DeskLimits
from publisher.settings import PublisherSection
from shared.clock import SystemClock
from shared.runtime import logs
from shared.runtime.settings import LogSettings
from shared.wire.instruments import Kind
from tests.benchmarks.load import subscribers
from tests.benchmarks.load.unheard import unheard
from tests.support.publisher_rows import full_row, listing

KEY: Final = "benchmark-" + "k" * 33
#: Ticks flow so long before anything is counted.
WARM_S: Final = 1.0
#: A batch offered later than this counts as late.
LATE_S: Final = 0.05
#: The subscribers' process has so long for each answer, the checking of all ticks included.
WITHIN_S: Final = 180.0
#: CPU seconds that a delivery's cost is measured for.
COST_S: Final = 2.0

Row = dict[str, Any]


@dataclass(frozen=True)
class Load:
    """Subscribers, and an open loop of ticks: a batch is due so often."""

    name: str
    subscribers: int
    instruments: int
    wanted: int
    batch: int
    every_s: float
    policy: str
    mode: str = "ltp"
    seconds: float = 4.0

    @property
    def ticks_per_s(self) -> float:
        return self.batch / self.every_s

    def requests(self) -> list[Row]:
        """Return what each subscriber asks for: instruments of its own choice."""
        chance = np.random.default_rng(7)
        chosen = [
            np.sort(chance.choice(self.instruments, self.wanted, replace=False) + 1).tolist()
            for _ in range(self.subscribers)
        ]
        return [
            {
                "op": "subscribe",
                "ticks": {"tokens": tokens, "mode": self.mode},
                "policy": {"mode": self.policy},
            }
            for tokens in chosen
        ]


LOADS: Final = (
    # Every instrument ticks five times a second, spread over the second.
    Load("1000x100_at_5hz", 1000, 1000, 100, 100, 0.02, "conflate"),
    Load("100x200_unconflated", 100, 4000, 200, 100, 0.005, "strict"),
)
IDLE: Final = Load("idle", 2000, 10, 0, 1, 1.0, "conflate")
#: Connections that are there before memory is read first: what the first ones bring is everybody's.
IDLE_FIRST: Final = 500
#: Connections whose memory Python's own allocator is asked for; it works ten times slower then.
IDLE_TRACED: Final = 200


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
            yield runner.run(_cost(load))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            yield from runner.run(_serve(load))


def _progress(line: str) -> None:
    print(f"  publisher: {line}", file=sys.stderr, flush=True)


class _Feed:
    """Every instrument in its turn, its price counting its ticks: a subscriber can check."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._records = np.repeat(full_row(), load.batch)
        self._batches = 0

    def next(self) -> tuple[np.ndarray[Any, Any], Source]:
        first = self._batches * self._load.batch
        places = np.arange(first, first + self._load.batch)
        self._batches += 1
        records = self._records.copy()
        records["instrument_token"] = places % self._load.instruments + 1
        records["last_price"] = places // self._load.instruments
        records["received_at_ns"] = time.time_ns()
        return records, Source("0", f"{self._batches}-0")


def _surroundings(load: Load) -> Surroundings:
    hub = Hub(HubLimits(load.subscribers + 1, load.instruments + 1, 1 << 20, 1 << 16), DIALECTS)
    limits = DeskLimits(load.subscribers, load.instruments, 100, 1 << 16, 15.0)
    keyring = read_keyring([f"bench:ticks:{digest(KEY)}"])
    desk = Desk(hub, keyring, accounts=(), limits=limits, epoch="bench")
    listed = [(t, "NFO", f"S{t}", "NIFTY", Kind.CALL) for t in range(1, load.instruments + 1)]
    desk.publish(Universe(listing(listed)))
    section = PublisherSection(
        port=0, connections_per_key_max=load.subscribers, silence_timeout_s=600
    )
    return Surroundings(desk, section, SystemClock(), random.Random(1))


async def _cost(load: Load) -> Row:
    """Count the CPU time of a delivery: everything but the kernel's and the loop's part."""
    _progress(f"{load.name}: cost of a delivery")
    around, feed = _surroundings(load), _Feed(load)
    serve, tally = unheard(around, KEY, load.requests()), around.tally
    for _ in range(10):  # symbols are learnt, memory is there
        serve(around.desk.hub.apply(*feed.next()).wake)
    tally.ticks = tally.messages = 0
    began_ns = time.process_time_ns()
    while (spent_ns := time.process_time_ns() - began_ns) < COST_S * 1e9:
        serve(around.desk.hub.apply(*feed.next()).wake)
    frames = tally.messages
    return _row(
        f"publisher.delivery_cpu_ns.{load.name}",
        round(spent_ns / tally.ticks),
        "ns",
        f"one tick to one subscriber, hub to whole frame, no socket; {tally.ticks / frames:.1f} "
        f"ticks and {spent_ns / frames / 1000:.1f} us a frame",
    )


@asynccontextmanager
async def _served(load: Load, around: Surroundings) -> AsyncIterator[tuple[Server, Pipe]]:
    """Serve from here; the subscribers have a process of their own, on another core if there is."""
    server = Server(around, logs.get_log())
    cores = sorted(os.sched_getaffinity(0))
    async with server.serving(), _arrived(server, load.requests()) as pipe:
        os.sched_setaffinity(0, set(cores[:1]))
        try:
            yield server, pipe
        finally:
            os.sched_setaffinity(0, set(cores))


@asynccontextmanager
async def _arrived(server: Server, requests: list[Row]) -> AsyncIterator[Pipe]:
    """Have these subscribers connected, from a process of their own."""
    cores = sorted(os.sched_getaffinity(0))
    core = cores[-1] if len(cores) > 1 else None
    ours, theirs = multiprocessing.Pipe()
    client = multiprocessing.get_context("spawn").Process(
        target=subscribers.run, args=(server.address, KEY, requests, theirs, core)
    )
    client.start()
    try:
        await _heard(ours, "that they are ready")
        yield ours
    finally:
        client.terminate()
        await asyncio.to_thread(client.join)


async def _heard(pipe: Pipe, what: str) -> Any:
    """Return what the subscribers say next, within a bound."""
    if not await asyncio.to_thread(pipe.poll, WITHIN_S):
        raise TimeoutError(f"the benchmark's subscribers did not say {what} in {WITHIN_S:g} s")
    return pipe.recv()


@dataclass(frozen=True)
class Offered:
    """What the hub was given: batches, how many of them late, deliveries they are worth."""

    batches: int
    late: int
    pairs: int


@dataclass(frozen=True)
class Measured:
    span_s: float
    cores: float
    offered: Offered
    checked: subscribers.Checked
    waits_s: list[float]


async def _serve(load: Load) -> list[Row]:
    """Serve subscribers at a fixed rate of ticks; nothing is counted before it has settled."""
    _progress(f"{load.name}: {load.subscribers} subscribers arrive")
    around, feed, waits_s = _surroundings(load), _Feed(load), list[float]()
    async with _served(load, around) as (server, pipe):
        _progress(f"{load.name}: {load.ticks_per_s:,.0f} ticks/s for {load.seconds:g} s")
        await _offer(load, feed, server, WARM_S)
        server.rounds.waited = waits_s.append
        from_ns, cpu_began_s, began_s = time.time_ns(), time.process_time(), time.monotonic()
        offered = await _offer(load, feed, server, load.seconds)
        span_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_began_s
        # While the subscribers check what they got, nobody waits for ticks.
        pipe.send(subscribers.Order(load.policy == "strict", from_ns))
        checked = await _heard(pipe, "what they got")
    return _report(load, Measured(span_s, cpu_s / span_s, offered, checked, waits_s))


async def _offer(load: Load, feed: _Feed, server: Server, seconds: float) -> Offered:
    """Give the hub a batch whenever one is due, whatever happens behind it."""
    loop, hub = asyncio.get_running_loop(), server.hub
    batches = late = pairs = 0
    began_s = loop.time()
    while (due_s := began_s + batches * load.every_s) < began_s + seconds:
        await asyncio.sleep(max(0.0, due_s - loop.time()))
        late += loop.time() - due_s > LATE_S
        moved = hub.apply(*feed.next())
        server.wake(moved.wake)
        pairs += moved.pairs
        batches += 1
    return Offered(batches, late, pairs)


def _report(load: Load, got: Measured) -> list[Row]:
    offered, checked = got.offered, got.checked
    context = (
        f"{load.subscribers} WebSockets x {load.wanted} of {load.instruments} instruments, JSON "
        f"{load.mode}, {load.policy}, {load.ticks_per_s:.0f} ticks/s for {load.seconds:.0f} s took "
        f"{got.span_s:.1f} s, {checked.delivered} of {offered.pairs} ticks told, "
        f"{offered.late / offered.batches:.1%} of batches over 50 ms late, {checked.faults} faults "
        f"in sequence, publisher CPU {got.cores:.0%} of a core, load {os.getloadavg()[0]:.1f}"
    )
    waits = statistics.quantiles(got.waits_s, n=100)
    ages = statistics.quantiles(checked.ages_ms, n=100)
    waited = "the first of each turn: from the hub's waking it to the end of the turn's writes"
    aged = "of the oldest tick of each message, from the hub to the subscriber's read"
    rate = round(checked.delivered / got.span_s)
    return [
        _row(f"publisher.deliveries_per_s.{load.name}", rate, "1/s", context),
        _row(
            f"publisher.delivery_cpu_ns_with_sockets.{load.name}",
            round(got.cores * got.span_s * 1e9 / checked.delivered),
            "ns",
            "all CPU time of the publisher's process, the kernel's for it included",
        ),
        _row(f"publisher.in_process_p50_ms.{load.name}", round(waits[49] * 1e3, 2), "ms", waited),
        _row(f"publisher.in_process_p99_ms.{load.name}", round(waits[98] * 1e3, 2), "ms", waited),
        _row(f"publisher.age_p50_ms.{load.name}", round(ages[49], 2), "ms", aged),
        _row(f"publisher.age_p99_ms.{load.name}", round(ages[98], 2), "ms", aged),
    ]


async def _idle() -> Row:
    """Hold connections that want nothing; what each further one adds to the process."""
    _progress(f"{IDLE.subscribers} idle connections")
    server, requests = Server(_surroundings(IDLE), logs.get_log()), IDLE.requests()
    many = requests[IDLE_FIRST : IDLE.subscribers - IDLE_TRACED]
    async with server.serving(), _arrived(server, requests[:IDLE_FIRST]):
        before, kernel_before = _resident_bytes(), _kernel_bytes()
        async with _arrived(server, many):
            grown = (_resident_bytes() - before) / len(many)
            kernel = (_kernel_bytes() - kernel_before) / len(many)
            tracemalloc.start()
            async with _arrived(server, requests[-IDLE_TRACED:]):
                gc.collect()
                traced = tracemalloc.get_traced_memory()[0] / IDLE_TRACED
            tracemalloc.stop()
    context = (
        f"resident memory of the process, garbage collected and free memory given back, {len(many)} "
        f"WebSockets more after the first {IDLE_FIRST}; Python's own objects {traced:,.0f} of it, "
        f"the rest libuv, aiohttp's parser and the allocator's; the kernel's buffers for both ends "
        f"{kernel:,.0f} beside it"
    )
    return _row("publisher.idle_connection_bytes", round(grown), "bytes", context)


def _resident_bytes() -> int:
    """Return what is resident once nothing is that could be given back."""
    for _ in range(3):
        gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _kernel_bytes() -> int:
    """Return the bytes of all TCP buffers of this machine."""
    words = Path("/proc/net/sockstat").read_text().split()
    return int(words[words.index("mem") + 1]) * resource.getpagesize()


def _row(name: str, value: float, unit: str, context: str) -> Row:
    return {"name": name, "value": value, "unit": unit, "context": context}


if __name__ == "__main__":
    from tests.benchmarks.__main__ import turn_ns

    for row in _each():
        print(f"{row['name']}: {row['value']} {row['unit']} ({row['context']})", flush=True)
    print(f"an empty loop's turn: {turn_ns():.0f} ns")
