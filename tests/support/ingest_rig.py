"""An ingest process between a sandbox and a Redis that comes and goes, with all it wrote."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from redis.asyncio import Redis

from shared.errors import StreamError
from shared.kite.codec.entry import Columns
from shared.market.calendar import date_of
from shared.streams.client import connect
from shared.streams.groups import BEFORE_ALL
from shared.streams.reader import TailReader
from shared.wire import ticks
from shared.wire.control import Control, Gap
from shared.wire.topics import CONTROL, GAPS, RAW_TICKS
from tests.support.eventually import eventually
from tests.support.restartable_redis import RestartableRedis, restartable_redis
from tests.support.sandbox import SandboxInfo, running_sandbox
from tests.support.workers import READY_S, WorkerProcess, ingest_environment, worker

SHARDS = 2
STEP_S = 0.5
#: More than one socket's room.
STRIKES = 65
UNDERLYINGS = "NIFTY,BANKNIFTY,SENSEX"
#: Entries made of quotes, not of what a socket said.
SOCKET_REPAIR = getattr(ticks, "SOCKET_REPAIR", 65_534)
OPTIONS = {
    "underlyings": UNDERLYINGS,
    "expiries": 50,
    "strikes_each_side": 0,
    "shards": SHARDS,
    "buffers": 3,
    "market_silence_s": 7.0,
}
#: Every market is open all day, so that silence of ticks is told whenever the test runs.
OPEN_DAY = """
[[days]]
on = {on}
segments = ["NSE", "BSE", "NFO", "BFO"]
name = "a day of this test"
kind = "special"
phases = [["open", 00:00:00, 23:59:59]]
source = "test"
"""


@dataclass
class Written:
    """Everything ingest wrote, as it was read: packets by time and token, gaps, hints."""

    times: list[np.ndarray] = field(default_factory=list)
    tokens: list[np.ndarray] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    hints: list[Control] = field(default_factory=list)
    seen: set[tuple[int, int, int]] = field(default_factory=set)
    newest_id_ms: int = 0
    #: When the newest packet read of each shard was received.
    newest_ns: dict[int, int] = field(default_factory=dict)

    def add(self, fields: dict[bytes, bytes], columns: Columns) -> None:
        """Take one raw entry; one that was written twice counts once."""
        head = np.frombuffer(fields[b"h"], ticks.RAW_HEADER_DTYPE)[0]
        number = (int(head["epoch"]), int(head["shard"]), int(head["sequence"]))
        if head["socket"] == SOCKET_REPAIR or number in self.seen:
            return
        self.seen.add(number)
        found = columns.scan(fields[b"s"])
        assert found.damaged == 0
        assert found.packets == head["packets"]
        self.times.append(columns.received_at_ns[: found.packets].astype(np.int64))
        if found.packets:
            self.newest_ns[int(head["shard"])] = int(self.times[-1].max())
        self.tokens.append(columns.tokens[: found.packets].copy())

    def is_beyond(self, at_ns: int) -> bool:
        """Say whether of every shard a packet was read that was received after a moment."""
        newest_ns = [self.newest_ns.get(shard, 0) for shard in range(SHARDS)]
        return min(newest_ns) > at_ns

    def packets(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (received_at_ns, token) of every packet, sorted by token, then time."""
        times, tokens = np.concatenate(self.times), np.concatenate(self.tokens)
        order = np.lexsort((times, tokens))
        return times[order], tokens[order]


@dataclass
class Rig:
    """The parts a test steers."""

    sandbox: SandboxInfo
    server: RestartableRedis
    ingest: WorkerProcess
    written: Written

    async def ask(self, path: str, **query: Any) -> Any:
        """Ask the sandbox."""
        return await asyncio.to_thread(self.sandbox.get, path, **query)

    async def tell(self, path: str, **fields: Any) -> Any:
        """Tell the sandbox."""
        return await asyncio.to_thread(lambda: self.sandbox.post(path, **fields))

    async def forget_faults(self) -> None:
        """Take every fault down."""
        await asyncio.to_thread(self.sandbox.delete, "faults")

    async def sockets(self) -> dict[int, dict[str, Any]]:
        """Return the open connections that hold instruments, by number."""
        found = (await self.ask("state"))["connections"]
        return {each["id"]: each for each in found if each["instruments"]}

    async def events(self, since: int) -> list[dict[str, Any]]:
        """Return what the sandbox's sockets went through after a sequence number."""
        entries = (await self.ask("received", since=since))["entries"]
        return [each for each in entries if each["kind"] == "ws" and each["event"] != "message"]

    async def sequence(self) -> int:
        """Return the number of the sandbox's newest note."""
        return int((await self.ask("state"))["received"]["sequence"])

    def resident_mib(self) -> float:
        """Return the memory of the ingest process."""
        status = Path(f"/proc/{self.ingest.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found.group(1)) / 1024

    async def figure(self, name: str, label: str = "") -> float:
        """Return the sum of a metric of ingest over its labels, or over those with one label."""
        _, text = await asyncio.to_thread(self.ingest.page, "metrics")
        found = re.findall(rf"^{name}({{[^}}]*}})? (\S+)$", text, re.MULTILINE)
        return sum(float(value) for labels, value in found if label in labels)


@contextlib.asynccontextmanager
async def running_rig(
    directory: Path, *, seed: int = 5, strikes: int = STRIKES
) -> AsyncIterator[Rig]:
    """Run everything while the block runs, every instrument ticking at every step."""
    flags = ["--strikes", str(strikes), "--step-ms", str(round(STEP_S * 1000)), "--limits", "off"]
    with restartable_redis(directory) as server:
        async with running_sandbox(seed, flags) as sandbox, asyncio.TaskGroup() as group:
            await server.start()
            await asyncio.to_thread(lambda: sandbox.post("market", frozen=True))
            told = ingest_environment(server, server, sandbox, **OPTIONS)
            told["TICKFLOW_MARKET__CALENDAR_FILE"] = str(open_calendar(directory))
            written = Written()
            async with worker("ingest", told, directory, await_ready=False) as ingest:
                reading = group.create_task(_read_all(server, written), name="reader")
                rig = Rig(sandbox, server, ingest, written)
                await eventually(lambda: _ready(rig), within_s=READY_S)
                yield rig
                reading.cancel()


def open_calendar(directory: Path) -> Path:
    """Write a calendar by which the markets are open today and tomorrow; return its file."""
    today = date_of(time.time_ns())
    source = '[sources.test]\ntitle = "a test"\nread_on = 2026-11-27\nconfidence = "high"\n'
    days = [OPEN_DAY.format(on=today + timedelta(days=ahead)) for ahead in (0, 1)]
    file = directory / "calendar.toml"
    file.write_text(source + "".join(days))
    return file


async def _ready(rig: Rig) -> bool:
    return await asyncio.to_thread(rig.ingest.is_ready) and len(await rig.sockets()) > 1


async def _read_all(server: RestartableRedis, written: Written) -> None:
    """Follow the streams whatever becomes of Redis."""
    columns = Columns()
    names = [RAW_TICKS.name(shard) for shard in range(SHARDS)] + [GAPS.name(), CONTROL.name()]
    async with connect(server.url, name="test", settings=server.settings) as redis:
        tail = _tail(redis, names)
        while True:
            try:
                entries = await tail.read()
            except StreamError:
                await asyncio.sleep(0.02)
                continue
            for entry in entries:
                written.newest_id_ms = max(written.newest_id_ms, entry.id.ms)
                if entry.stream == GAPS.name():
                    written.gaps.append(msgspec.json.decode(entry.fields[b"json"], type=Gap))
                elif entry.stream == CONTROL.name():
                    written.hints.append(msgspec.json.decode(entry.fields[b"json"], type=Control))
                else:
                    written.add(entry.fields, columns)
            await asyncio.sleep(0)


def _tail(redis: Redis, names: Iterable[str]) -> TailReader:
    return TailReader(redis, {name: str(BEFORE_ALL) for name in names}, block_ms=200)


def holes(written: Written, longer_s: float) -> list[tuple[int, int, int]]:
    """Return (token, from_ns, to_ns) between ticks of a token further apart than `longer_s`."""
    times, tokens = written.packets()
    apart = np.diff(times)
    same = tokens[1:] == tokens[:-1]
    rows = np.flatnonzero(same & (apart > longer_s * 1e9))
    return [(int(tokens[row]), int(times[row]), int(times[row + 1])) for row in rows]


def untold(written: Written, longer_s: float) -> list[tuple[int, int, int]]:
    """Return the holes that no gap covers, other than those in which the whole market stood still.

    A hole counts from just behind the tick before it to just ahead of the tick after it, but a
    step of the sandbox: who was lost in between two steps missed none.
    """
    times, _ = written.packets()
    stamps = np.unique(times)
    slack_us = round(STEP_S * 1e6)
    missed = []
    for token, from_ns, to_ns in holes(written, longer_s):
        within = stamps[(stamps > from_ns) & (stamps < to_ns)]
        if not within.size or np.diff([from_ns, *within, to_ns]).max() > (to_ns - from_ns) * 0.7:
            continue
        told = any(
            gap.from_us <= from_ns // 1000 + slack_us
            and gap.to_us >= to_ns // 1000 - slack_us
            and token in gap.instrument_tokens
            for gap in written.gaps
        )
        if not told:
            missed.append((token, from_ns, to_ns))
    return missed


def bounds(written: Written, gap: Gap) -> tuple[int, int, int]:
    """Return, of a gap's instruments: last tick until it, ticks within it, first tick after it.

    Times in Unix microseconds.
    """
    times, tokens = written.packets()
    ours = times[np.isin(tokens, gap.instrument_tokens)] // 1000
    before, after = ours[ours <= gap.from_us], ours[ours >= gap.to_us]
    within = ours[(ours > gap.from_us) & (ours < gap.to_us)]
    return int(before.max(initial=0)), int(within.size), int(after.min(initial=2**62))
