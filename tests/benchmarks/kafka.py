"""One tape through Kafka and Faust, and through Redis, with one enrichment worker and with two.

The worker is the process as it runs: it reads, enriches, writes what it made, is acknowledged. It is
ready and owns its shards, then stands still while the tape is written; the time runs from its going
on to the newest enriched entry, by the clock of whoever wrote it. The log shares the cores with the
workers, so *per CPU second* of the workers is what one core of their own would do.

What a batch costs follows from two sizes of entries: so much each, so much per tick in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

from deploy.local.health import free_port
from enrich.engine import Derived
from enrich.settings import EnrichOptions
from enrich.warming import warm_up
from shared.streams.writer import Append
from tests.benchmarks.end_to_end import await_ready
from tests.benchmarks.load import market
from tests.benchmarks.load.entries import Tape
from tests.benchmarks.load.logs import Log, kafka_log, redis_log
from tests.benchmarks.load.processes import Talker, cpu_s, running
from tests.support.kafka_cluster import jars, missing

SHARDS: Final = 2
#: Ticks of an entry -> entries of each shard: large ones as under load, small ones of one frame.
ENTRIES: Final = {1000: 150, 200: 300}
WARM_ENTRIES: Final = 20
#: Entries written in one call.
WRITE_ENTRIES: Final = 16
TAPE_S_MAX: Final = 120.0
OWNED_S_MAX: Final = 90.0
IDLE_S: Final = 3.0
TARGET: Final = 150_000
_HELD: Final = re.compile(r"^tickflow_enrich_shards_held (\S+)$", re.MULTILINE)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """One tape through one log: what it took."""

    log: str
    workers: int
    entry_ticks: int
    entries: int
    took_s: float
    busy_s: float
    log_busy_s: float

    @property
    def ticks(self) -> int:
        return self.entries * self.entry_ticks

    @property
    def us_per_entry(self) -> float:
        return 1e6 * self.busy_s / self.entries

    @property
    def name(self) -> str:
        return f"kafka.{self.log}.workers_{self.workers}.entries_of_{self.entry_ticks}"


def results() -> list[Row]:
    """Return the rows of the benchmark table; none, and one line, where no Kafka can run."""
    if reason := why_not():
        print(f"  skipped: {reason}", flush=True)
        return []
    runs, idle = asyncio.run(_measure_all())
    return [*_rows(runs), *_costs(runs), *idle]


def why_not() -> str:
    """Return why no Kafka can run here, "" if one can."""
    if reason := missing():
        return reason
    try:
        jars()
    except (RuntimeError, OSError) as error:
        return str(error)
    return ""


async def _measure_all() -> tuple[list[Run], list[Row]]:
    options = EnrichOptions()
    # Compiled here if they are not yet: a worker is not waited for so long.
    warm_up(options.pricing, Derived(options.chains, options.bars))
    tape = Tape(SHARDS, int(time.time()))
    runs: list[Run] = []
    idle: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="tickflow-bench-") as name:
        directory = Path(name)
        async with (
            redis_log(directory / "redis", tape.listed) as redis,
            kafka_log(directory / "kafka", redis, request_timeout_s=60.0) as kafka,
        ):
            for workers, log in product((1, 2), (redis, kafka)):
                with _workers(log, workers, directory) as held:
                    await held.own()
                    runs += await _measure(log, tape, held)
                    await redis.forget()
                    idle += [await _idle(log, held)] if workers == 1 else []
    return runs, idle


class Workers:
    """Enrichment processes with their probes."""

    def __init__(self, talkers: list[Talker], ports: list[int]) -> None:
        self._pids = [talker.process.pid for talker in talkers]
        self._ports = ports

    def __len__(self) -> int:
        return len(self._pids)

    def busy_s(self) -> float:
        return sum(cpu_s(pid) for pid in self._pids)

    @contextlib.contextmanager
    def standing(self) -> Iterator[None]:
        """Let them stand still while the block runs."""
        for pid in self._pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in self._pids:
                os.kill(pid, signal.SIGCONT)

    async def own(self) -> None:
        """Wait until every shard has an owner, each worker as many."""
        deadline_s = time.monotonic() + OWNED_S_MAX
        while [self._held(port) for port in self._ports] != [SHARDS / len(self)] * len(self):
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"shards not spread over workers within {OWNED_S_MAX} s")
            await asyncio.sleep(0.3)

    def _held(self, port: int) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            found = _HELD.search(answer.read().decode())
        return float(found[1]) if found else 0.0


@contextlib.contextmanager
def _workers(log: Log, count: int, directory: Path) -> Iterator[Workers]:
    """Run so many enrichment workers, ready; they leave nothing out, however late it is."""
    with contextlib.ExitStack() as stack:
        talkers, ports = [], []
        for number in range(count):
            port = free_port()
            environment = {
                **log.environment,
                "TICKFLOW_ENRICH__NAME": f"{log.name}-{count}-{number}",
                "TICKFLOW_ENRICH__SHARDS_MAX": str(SHARDS // count),
                "TICKFLOW_ENRICH__LATE_AFTER_S": "600",
                # Standing still must not look like death.
                "TICKFLOW_ENRICH__LEASE_S": "60",
                "TICKFLOW_KAFKA__SESSION_TIMEOUT_S": "60",
                "TICKFLOW_ENRICH__PRICING__RATE": str(market.RATE),
                "TICKFLOW_ENRICH__PRICING__DIVIDEND_YIELD": str(market.DIVIDEND_YIELD),
                "TICKFLOW_PROBE__PORT": str(port),
            }
            told = directory / f"{log.name}-{count}-{number}.log"
            talkers.append(
                stack.enter_context(running("enrich", environment=environment, log=told))
            )
            ports.append(port)
        for port in ports:
            await_ready(port)
        yield Workers(talkers, ports)


async def _measure(log: Log, tape: Tape, workers: Workers) -> list[Run]:
    runs = []
    for ticks, count in ENTRIES.items():
        await _play(log, tape.entries(WARM_ENTRIES, ticks), workers)
        run = await _play(log, tape.entries(count, ticks), workers)
        print(f"  {run.name}: {run.ticks / run.took_s:,.0f} ticks/s", flush=True)
        runs.append(run)
    return runs


async def _play(log: Log, entries: Iterable[Append], workers: Workers) -> Run:
    """Write entries of a tape while nobody reads; return what they cost once somebody does."""
    raw = list(entries)
    goal = await log.written() + len(raw)
    with workers.standing():
        for start in range(0, len(raw), WRITE_ENTRIES):
            await log.writer.append(raw[start : start + WRITE_ENTRIES])
        busy_s, log_busy_s, began_s = workers.busy_s(), log.cpu_s(), time.time()
    while await log.written() < goal:
        if time.time() - began_s > TAPE_S_MAX:
            raise TimeoutError(f"{log.name}: {len(raw)} entries not enriched in {TAPE_S_MAX} s")
        await asyncio.sleep(0.1)
    return Run(
        log.name,
        len(workers),
        len(raw[0].fields[b"s"]) // market.FULL.itemsize,
        len(raw),
        await log.newest_ms() / 1e3 - began_s,
        workers.busy_s() - busy_s,
        log.cpu_s() - log_busy_s,
    )


async def _idle(log: Log, workers: Workers) -> Row:
    """Return what a worker costs while nothing ticks."""
    await asyncio.sleep(0.5)
    busy_s, began_s = workers.busy_s(), time.monotonic()
    await asyncio.sleep(IDLE_S)
    share = 100 * (workers.busy_s() - busy_s) / (time.monotonic() - began_s)
    return _row(f"kafka.{log.name}.idle", share, "% of a core", "a worker with nothing to do")


def _rows(runs: list[Run]) -> list[Row]:
    rows = []
    for run in runs:
        shares = f"workers {run.busy_s / run.took_s:.2f} of {run.workers} cores, the log "
        shares += f"{run.log_busy_s / run.took_s:.2f}"
        rows.append(_row(f"{run.name}.ticks_per_s", run.ticks / run.took_s, "ticks/s", shares))
        cost = f"{run.us_per_entry:,.0f} us of a worker an entry, "
        cost += f"{1e6 * run.log_busy_s / run.entries:,.0f} of the log; {TARGET:,} wanted of a core"
        per_core = run.ticks / run.busy_s
        rows.append(_row(f"{run.name}.ticks_per_cpu_s", per_core, "ticks/s", cost))
    return rows


def _costs(runs: list[Run]) -> list[Row]:
    """Return what an entry and a tick cost a worker, and what a second worker brought."""
    found = {(run.log, run.workers, run.entry_ticks): run for run in runs}
    large, small = max(ENTRIES), min(ENTRIES)
    rows = []
    for log in ("redis", "kafka"):
        costs = {size: found[log, 1, size].us_per_entry for size in (large, small)}
        per_tick = (costs[large] - costs[small]) / (large - small)
        each = costs[small] - small * per_tick
        rows.append(_row(f"kafka.{log}.us_per_entry", each, "us", "of a worker, without its ticks"))
        rows.append(_row(f"kafka.{log}.ns_per_tick", 1e3 * per_tick, "ns", "of a worker"))
        one, two = (found[log, n, large] for n in (1, 2))
        gain = (two.ticks / two.took_s) / (one.ticks / one.took_s)
        context = f"entries of {large}; the log on the same cores"
        rows.append(_row(f"kafka.{log}.second_worker", gain, "times", context))
    return rows


def _row(name: str, value: float, unit: str, context: str) -> Row:
    return {"name": name, "value": value, "unit": unit, "context": context}
