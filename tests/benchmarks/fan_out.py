"""From Kite's socket to a hundred subscribers that get every tick: all processes, hop by hop.

Clock: a tick's way begins when its packet was *meant* to leave Kite's socket (an open loop: a feed
that fell behind makes a failed run) and ends when a subscriber has read the last byte of the
message it came in, the oldest tick of each message counting for it. One Redis, ingest, enrichment,
publisher and the subscribers' process share this machine. The subscribers decode every message when
the load is over, and check that none is missing, twice, or out of order.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any, Final

import numpy as np

from deploy.local.servers import redis_server
from publisher.access.auth import digest
from tests.benchmarks.end_to_end import (
    await_ready,
    enrich_environment,
    enter,
    ingest_environment,
)
from tests.benchmarks.load import subscribers
from tests.benchmarks.load.feed import BEHIND_S_MAX
from tests.benchmarks.load.processes import Talker, cpu_s, running

KEY: Final = "benchmark-" + "k" * 33
SUBSCRIBERS: Final = 100
WANTED: Final = 200
MODE: Final = "ltp"
RATE: Final = 20_000
FRAMES: Final = (200, 20)
WARM_S: Final = 2.0
RUN_S: Final = 5.0
#: The subscribers' process has so long for each answer, the checking of all ticks included.
WITHIN_S: Final = 180.0
#: Mean seconds of the workers' own clocks: name, worker, histogram.
CLOCKS: Final = (
    ("ingest's write", "ingest", "tickflow_ingest_write_seconds"),
    ("raw entry to record", "enrich", "tickflow_enrich_hop_seconds"),
    ("stamp to hub", "publisher", "tickflow_publisher_record_age_seconds"),
    ("hub to socket", "publisher", "tickflow_publisher_turn_wait_seconds"),
)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chain:
    """The processes from Kite's socket to the publisher; `probes` are their ports."""

    feed: Talker
    tokens: list[int]
    address: str
    pids: dict[str, int]
    probes: dict[str, int]


@contextlib.contextmanager
def chain(directory: Path) -> Iterator[Chain]:
    """Run one Redis, a feed, ingest, enrich, a publisher, until the block ends."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(enter(redis_server("ticks", directory / "redis")))
        feed = stack.enter_context(_start("tests.benchmarks.load.feed", directory, {}))
        where = feed.hear()
        first = 20_000 + 4 * (feed.process.pid % 5_000)
        probes = {"ingest": first, "enrich": first + 1, "publisher": first + 2}
        address = f"127.0.0.1:{first + 3}"
        environments = {
            "ingest": ingest_environment(where, server, probes["ingest"]),
            "enrich": enrich_environment(server, probes["enrich"]),
            "publisher": _publisher(server, probes["publisher"], first + 3),
        }
        pids = {"feed": feed.process.pid, "redis": server.child.identity.pid}
        for module, environment in environments.items():
            pids[module] = stack.enter_context(_start(module, directory, environment)).process.pid
        for port in probes.values():
            await_ready(port)
        yield Chain(feed, where["tokens"], address, pids, probes)


def _start(
    module: str, directory: Path, environment: dict[str, str]
) -> contextlib.AbstractContextManager[Talker]:
    log = directory / f"{module.rsplit('.', 1)[-1]}.log"
    return running(module, environment=environment, log=log)


def _publisher(server: Any, port: int, door: int) -> dict[str, str]:
    url = server.url_for("publisher").reveal()
    return {
        "TICKFLOW_REDIS__TICKS_URL": url,
        "TICKFLOW_REDIS__ORDERS_URL": url,
        "TICKFLOW_PUBLISHER__PORT": str(door),
        "TICKFLOW_PUBLISHER__KEYS": f"bench:ticks:{digest(KEY)}",
        "TICKFLOW_PUBLISHER__CONNECTIONS_PER_KEY_MAX": str(SUBSCRIBERS),
        "TICKFLOW_PROBE__PORT": str(port),
    }


@contextlib.contextmanager
def listening(running_chain: Chain) -> Iterator[tuple[Pipe, int]]:
    """Have the subscribers arrive; give the way to speak to them and their process."""
    chance = np.random.default_rng(7)
    chosen = [
        chance.choice(running_chain.tokens, WANTED, replace=False).tolist()
        for _ in range(SUBSCRIBERS)
    ]
    requests = [
        {
            "op": "subscribe",
            "ticks": {"tokens": each, "mode": MODE},
            "policy": {"mode": "strict"},
        }
        for each in chosen
    ]
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=subscribers.run, args=(running_chain.address, KEY, requests, theirs, None)
    )
    process.start()
    try:
        _heard(ours, "that they are ready")
        assert process.pid is not None
        yield ours, process.pid
    finally:
        process.terminate()
        process.join()


def _heard(pipe: Pipe, what: str) -> Any:
    if not pipe.poll(WITHIN_S):
        raise TimeoutError(f"the benchmark's subscribers did not say {what} in {WITHIN_S:g} s")
    return pipe.recv()


def measure(directory: Path, per_frame: int) -> list[Row]:
    """Run everything once with frames of this many packets."""
    _progress(f"frames of {per_frame}: processes start")
    with chain(directory) as running_chain, listening(running_chain) as (pipe, pid):
        pids = running_chain.pids | {"subscribers": pid}
        _send(running_chain, per_frame, WARM_S)
        clocks, cpu = _clocks(running_chain), {name: cpu_s(each) for name, each in pids.items()}
        from_ns, began_s = time.time_ns(), time.monotonic()
        sent = _send(running_chain, per_frame, RUN_S)
        took_s = time.monotonic() - began_s
        cores = {name: (cpu_s(each) - cpu[name]) / took_s for name, each in pids.items()}
        after = _clocks(running_chain)
        schedule = subscribers.Schedule(
            running_chain.tokens,
            sent["at"],
            per_frame,
            sent["gap_s"],
            sent["start_s"],
            sent["sent"],
        )
        pipe.send(subscribers.Order(is_complete=True, from_ns=from_ns, schedule=schedule))
        found = _heard(pipe, "what they got")
    means = {name: _mean(clocks[name], after[name]) for name in clocks}
    return _report(per_frame, found, sent, cores, means)


def _send(running_chain: Chain, per_frame: int, seconds: float) -> Row:
    running_chain.feed.say(f"{RATE} {per_frame} {seconds}")
    return running_chain.feed.hear()


def _clocks(running_chain: Chain) -> dict[str, tuple[float, float]]:
    """Return sum and count of every clock."""
    pages = {
        name: urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
        for name, port in running_chain.probes.items()
    }
    return {
        name: (_figure(pages[worker], f"{metric}_sum"), _figure(pages[worker], f"{metric}_count"))
        for name, worker, metric in CLOCKS
    }


def _figure(page: str, name: str) -> float:
    found = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.MULTILINE)
    return sum(float(value) for value in found)


def _mean(before: tuple[float, float], after: tuple[float, float]) -> float:
    return (after[0] - before[0]) / max(1.0, after[1] - before[1])


def _report(
    per_frame: int,
    found: subscribers.Checked,
    sent: Row,
    cores: dict[str, float],
    means: dict[str, float],
) -> list[Row]:
    wrong = [f"generator ended {sent['behind_s']:.2f} s behind"] * (sent["behind_s"] > BEHIND_S_MAX)
    wrong += [f"{found.faults} ticks missing, twice or out of order"] * (found.faults > 0)
    failed = "".join(f"; FAILED: {each}" for each in wrong)
    used = ", ".join(f"{name} {share:.2f}" for name, share in cores.items())
    context = (
        f"{SUBSCRIBERS} WebSockets x {WANTED} of 3,000 instruments, JSON {MODE}, strict, "
        f"{RATE} ticks/s in frames of {per_frame} for {RUN_S:g} s: {found.delivered} ticks "
        f"in {found.messages} messages, {found.faults} faults; cores: {used}, load "
        f"{os.getloadavg()[0]:.1f}{failed}"
    )
    suffix = f"frames_of_{per_frame}"
    rows = _quantiles(f"socket_to_subscriber.{suffix}", found.due_ms, context)
    rows += _quantiles(f"socket_to_stamp.{suffix}", found.stamped_ms, "due to ingest's stamp")
    rows += _quantiles(
        f"stamp_to_record.{suffix}", found.written_ms, "ingest's stamp to the record's entry id"
    )
    rows += _quantiles(f"stamp_to_subscriber.{suffix}", found.ages_ms, "from ingest's stamp")
    told = "; ".join(f"{name} {mean * 1e3:.2f} ms" for name, mean in means.items())
    _progress(f"frames of {per_frame}: means by the workers' clocks: {told}")
    return rows


def _quantiles(name: str, values_ms: list[float], context: str) -> list[Row]:
    if len(values_ms) < 2:
        return []
    shares = statistics.quantiles(values_ms, n=100)
    return [
        {"name": f"fan_out.{name}_p{p}_ms", "value": round(shares[p - 1], 2), "unit": "ms",
         "context": context}
        for p in (50, 99)
    ]  # fmt: skip


def _progress(line: str) -> None:
    print(f"  fan_out: {line}", file=sys.stderr, flush=True)


def results() -> list[Row]:
    """Measure each size of frames once."""
    rows: list[Row] = []
    for per_frame in FRAMES:
        with tempfile.TemporaryDirectory(prefix="tickflow-bench-") as name:
            rows += measure(Path(name), per_frame)
    return rows


if __name__ == "__main__":
    from shared.runtime.numba_cache import prepare_numba_cache
    from tests.benchmarks.__main__ import turn_ns

    prepare_numba_cache()
    for row in results():
        print(f"{row['name']}: {row['value']} {row['unit']} ({row['context']})", flush=True)
    print(f"an empty loop's turn: {turn_ns():.0f} ns")
