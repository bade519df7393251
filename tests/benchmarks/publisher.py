"""Fanning out: deliveries a second of the hub alone, then through real WebSockets."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import statistics
import sys
import time
from typing import Any, Final

import aiohttp
import msgspec
import numpy as np
import uvloop

from publisher.auth import digest, read_keyring
from publisher.connection import Surroundings
from publisher.desk import Desk, DeskLimits
from publisher.dialects import JSON
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

INSTRUMENTS: Final = 3000
BATCH: Final = 200
SUBSCRIBERS: Final = 100
#: Of all instruments, how many each subscriber wants.
WANTED: Final = 300
HUB_S: Final = 2.0
SOCKETS_S: Final = 4.0
#: Open loop: a batch is due so often, whether or not the one before is through.
EVERY_S: Final = 0.01
KEY: Final = "benchmark-" + "k" * 33

Row = dict[str, Any]


def results() -> list[Row]:
    """Measure everything once."""
    logs.configure(
        LogSettings(level="warning"), worker="bench", clock=SystemClock(), stream=sys.stderr
    )
    return [_hub("ltp"), _hub("full"), *_sockets("ltp"), *_sockets("full")]


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


def _sockets(mode: str) -> list[Row]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(mode))


async def _serve(mode: str) -> list[Row]:
    """Serve from this process to subscribers in another one, at a fixed rate of ticks."""
    chance, hub = np.random.default_rng(7), _new_hub()
    section = PublisherSection(port=0)
    limits = DeskLimits(SUBSCRIBERS, INSTRUMENTS, 100, 1 << 16, 15.0)
    keyring = read_keyring([f"bench:ticks:{digest(KEY)}"])
    desk = Desk(hub, keyring, accounts=(), limits=limits, epoch="bench")
    listed = [(t, "NFO", f"S{t}", "NIFTY", Kind.CALL) for t in range(1, INSTRUMENTS + 1)]
    desk.publish(Universe(listing(listed)))
    around = Surroundings(desk, section, SystemClock(), random.Random(1))
    server = Server(around, logs.get_log())
    ours, theirs = multiprocessing.Pipe()
    async with server.serving():
        wanted = [_wanted(chance).tolist() for _ in range(SUBSCRIBERS)]
        client = multiprocessing.get_context("spawn").Process(
            target=_clients, args=(server.address, mode, wanted, theirs)
        )
        client.start()
        await asyncio.to_thread(ours.recv)
        cpu_began_s, offered, late = time.process_time(), 0, 0
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        while (due_s := began_s + offered * EVERY_S) < began_s + SOCKETS_S:
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            late += loop.time() - due_s > EVERY_S
            server.wake(hub.apply(_records(chance)).wake)
            offered += 1
        cpu_s = time.process_time() - cpu_began_s
        ours.send("stop")
        delivered, span_s, ages_ms = await asyncio.to_thread(ours.recv)
        await asyncio.to_thread(client.join)
    context = (
        f"{SUBSCRIBERS} WebSockets of {WANTED} in {INSTRUMENTS} instruments, JSON {mode}, "
        f"{BATCH / EVERY_S:.0f} ticks/s offered, {late} of {offered} batches late, "
        f"server CPU {cpu_s / SOCKETS_S:.0%} of a core, clients in one other process"
    )
    percentiles = statistics.quantiles(ages_ms, n=100)
    return [
        _row(f"publisher.deliveries_per_s.{mode}", round(delivered / span_s), "1/s", context),
        _row(f"publisher.age_p50_ms.{mode}", round(percentiles[49], 2), "ms", context),
        _row(f"publisher.age_p99_ms.{mode}", round(percentiles[98], 2), "ms", context),
    ]


def _row(name: str, value: float, unit: str, context: str) -> Row:
    return {"name": name, "value": value, "unit": unit, "context": context}


def _clients(address: str, mode: str, wanted: list[list[int]], pipe: Any) -> None:
    asyncio.run(_count(address, mode, wanted, pipe))


async def _count(address: str, mode: str, wanted: list[list[int]], pipe: Any) -> None:
    """Count ticks by a key that each has once; the age of the first one of each message."""
    counts: list[int] = []
    ages_ms: list[float] = []
    headers = {"Authorization": f"Bearer {KEY}"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def follow(tokens: list[int], ready: asyncio.Event) -> None:
            async with session.ws_connect(
                f"ws://{address}/v1/stream", max_msg_size=0, decode_text=False
            ) as ws:
                request = {"op": "subscribe", "ticks": {"tokens": tokens, "mode": mode}}
                await ws.send_str(msgspec.json.encode(request).decode())
                async for message in ws:
                    count = message.data.count(b'"sequence"')
                    if b'"snapshot"' in message.data[:20]:
                        ready.set()
                    elif count:
                        counts.append(count)
                        stamp = message.data.index(b'"received_at_us":') + 17
                        received_us = int(message.data[stamp : stamp + 16])
                        ages_ms.append(time.time_ns() / 1e6 - received_us / 1e3)

        async with asyncio.TaskGroup() as group:
            events = [asyncio.Event() for _ in wanted]
            tasks = [
                group.create_task(follow(tokens, event), name="follow")
                for tokens, event in zip(wanted, events, strict=True)
            ]
            for event in events:
                await event.wait()
            pipe.send("ready")
            began_s = time.perf_counter()
            await asyncio.to_thread(pipe.recv)
            span_s = time.perf_counter() - began_s
            for task in tasks:
                task.cancel()
    pipe.send((sum(counts), span_s, ages_ms))


if __name__ == "__main__":
    for row in results():
        print(f"{row['name']}: {row['value']} {row['unit']} ({row['context']})")
