"""`python -m tests.soak.enrichment --minutes 10`: one enrichment worker at full rate, memory flat.

40,000 instruments of 100 underlyings, each of them ticking in turn; raw entries are written as fast
as the worker takes them, or at `--rate` ticks a second. Judged: every packet became a record, none was
left out, and memory flat: its median over the last ninth of the run at most 8 MiB over that of the
ninth after the first third. Anything else is said, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import redis

from shared.streams import published
from shared.wire.instruments import INSTRUMENT_DTYPE, Kind
from shared.wire.segments import segment
from shared.wire.shards import ShardMap
from shared.wire.ticks import RAW_HEADER_DTYPE
from shared.wire.topics import ENRICHED_TICKS, INSTRUMENTS, RAW_TICKS, SHARDS
from tests.benchmarks.__main__ import machine, turn_ns
from tests.benchmarks.end_to_end import await_ready, enter
from tests.benchmarks.load.market import FULL
from tests.benchmarks.load.processes import cpu_s, running

UNDERLYINGS, EXPIRIES, STRIKES = 100, 2, 100
FRAME, FRAMES_PER_ENTRY = 200, 5
#: Entries written and not yet taken, at most: what is late would be cut down, not enriched.
WAITING_MAX: Final = 24
#: Ids remembered, to see how far the worker is.
IDS_MAX: Final = 4_096
SPOT, STEP, RATE, VOL = 24_000.0, 50.0, 0.054, 0.3
#: What a worker knows of an instrument is there once it has ticked, so memory grows at first, by some
#: 15 MiB here. From the first third to the end it may rise by no more than this: allocators breathe.
RISE_MIB_MAX: Final = 8.0
#: Longest until the last of what was written is taken, on a machine with other work.
TAKEN_S_MAX: Final = 60.0
_DAY_NS, _YEAR_S = 86_400_000_000_000, 365.0 * 86_400.0


def listed(now_ns: int) -> np.ndarray:
    """Return indices and options, sorted by token."""
    per = 1 + EXPIRIES * STRIKES * 2
    rows = np.zeros(UNDERLYINGS * per, INSTRUMENT_DTYPE)
    number = np.arange(len(rows))
    underlying, place = number // per, number % per
    option = place - 1
    expiry, strike = option // (2 * STRIKES), option // 2 % STRIKES
    rows["instrument_token"] = (50_000 + number) * 256 + np.where(place == 0, 9, 2)
    rows["underlying_token"] = (50_000 + underlying * per) * 256 + 9
    rows["underlying"] = [f"SOAK{each:03}".encode() for each in underlying.tolist()]
    rows["tradingsymbol"] = [f"S{each}".encode() for each in number.tolist()]
    rows["exchange"] = np.where(place == 0, b"NSE", b"NFO")
    rows["kind"] = np.where(place == 0, Kind.INDEX, np.where(option % 2 == 0, Kind.CALL, Kind.PUT))
    rows["strike"] = np.where(place == 0, 0.0, SPOT + STEP * (strike - STRIKES // 2))
    days = np.where(place == 0, 0, np.where(expiry == 0, 8, 36))
    rows["expiry_ns"] = np.where(place == 0, 0, now_ns + days * _DAY_NS)
    rows["expiry"] = np.where(place == 0, 0, 20990000 + days)
    rows["tick_size"], rows["lot_size"] = 0.05, 65
    return np.sort(rows, order="instrument_token")


def packets_of(rows: np.ndarray, now_ns: int) -> np.ndarray:
    """Return a full packet per instrument, options at their worth, in the dump's order."""
    packets = np.zeros(len(rows), FULL)
    packets["length"], packets["token"] = FULL.itemsize - 2, rows["instrument_token"]
    prices = [_worth(row, now_ns) for row in rows]
    paise = np.round(np.array(prices) * 20) * 5
    for name in ("last_price", "average_price", "open", "high", "low", "close"):
        packets[name] = paise
    packets["oi"] = 65_000
    packets["depth"]["quantity"], packets["depth"]["orders"] = 650, 3
    packets["depth"]["price"][:, :5] = np.maximum(5, paise - 5)[:, None]
    packets["depth"]["price"][:, 5:] = (paise + 5)[:, None]
    return packets


def _worth(row: np.void, now_ns: int) -> float:
    if row["kind"] == Kind.INDEX:
        return SPOT
    years = (int(row["expiry_ns"]) - now_ns) / 1e9 / _YEAR_S
    forward, strike = SPOT * math.exp(RATE * years), float(row["strike"])
    total = VOL * math.sqrt(years)
    d1 = math.log(forward / strike) / total + total / 2
    sign = 1.0 if row["kind"] == Kind.CALL else -1.0
    halves = [0.5 * math.erfc(-sign * d / math.sqrt(2.0)) for d in (d1, d1 - total)]
    return sign * math.exp(-RATE * years) * (forward * halves[0] - strike * halves[1])


class Feed:
    """Writes raw entries, every instrument in turn, each packet with a volume of its own."""

    def __init__(self, server: redis.Redis, packets: np.ndarray) -> None:
        self._server = server
        self.instruments = len(packets)
        # A frame may go round; np.concatenate would give the machine's byte order, not Kite's.
        self._packets = np.zeros(len(packets) + FRAME, FULL)
        self._packets[: len(packets)], self._packets[len(packets) :] = packets, packets[:FRAME]
        self._position = self._written = 0
        #: Which entry each id is, of the newest.
        self._ids: dict[bytes, int] = {}
        self._header = np.zeros(1, RAW_HEADER_DTYPE)
        self._header["packets"] = FRAME * FRAMES_PER_ENTRY
        self.sent = 0

    def write(self, entries: int) -> None:
        """Write so many entries in one round trip."""
        pipeline = self._server.pipeline(transaction=False)
        now_ns = time.time_ns()
        for _ in range(entries):
            body = b"".join(self._frame(now_ns) for _ in range(FRAMES_PER_ENTRY))
            pipeline.execute_command(
                "XADD", RAW_TICKS.name(0), "MAXLEN", "~", 400, "*",
                "h", self._header.tobytes(), "s", body,
            )  # fmt: skip
        for entry_id in pipeline.execute():
            self._written += 1
            self._ids[entry_id] = self._written
        while len(self._ids) > IDS_MAX:
            self._ids.pop(next(iter(self._ids)))
        self.sent += entries * FRAME * FRAMES_PER_ENTRY

    def _frame(self, now_ns: int) -> bytes:
        start = self._position % self.instruments
        self._position += FRAME
        # In place, and as bytes: numpy would copy a packet field by field.
        part = self._packets[start : start + FRAME]
        part["exchange_timestamp"] = part["last_trade_time"] = now_ns // 1_000_000_000
        part["volume_traded"] = self._position // self.instruments * 65 + 65
        return segment(now_ns, FRAME.to_bytes(2, "big") + part.view(np.uint8).tobytes())

    def waiting(self) -> int:
        """Return how many entries nobody has acknowledged yet."""
        groups: Any = self._server.xinfo_groups(RAW_TICKS.name(0))
        if not groups:
            return 0
        taken = self._ids.get(groups[0]["last-delivered-id"], 0)
        return self._written - taken + int(groups[0]["pending"])


@dataclass
class Samples:
    """What was seen over time; MiB."""

    worker_mib: list[float] = field(default_factory=list)
    redis_mib: list[float] = field(default_factory=list)
    ticks: list[int] = field(default_factory=list)


def resident_mib(pid: int) -> float:
    """Return a process's resident memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return float(status.split("VmRSS:")[1].split()[0]) / 1024


def counter(port: int, *names: str) -> float:
    """Return the sum of the worker's counters that begin so."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(names))


def until(is_so: Callable[[], bool], within_s: float) -> None:
    """Wait for it; raise where it does not come."""
    deadline_s = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline_s:
            raise TimeoutError("the worker did not take all that was written")
        time.sleep(0.05)


def soak(feed: Feed, pids: dict[str, int], port: int, *, seconds: float, rate: int) -> Samples:
    """Write for so long; return a sample a second."""
    samples, started_s = Samples(), time.monotonic()
    next_s = started_s
    while (now_s := time.monotonic()) < started_s + seconds:
        if now_s >= next_s:
            next_s += 1.0
            samples.worker_mib.append(resident_mib(pids["enrich"]))
            samples.redis_mib.append(resident_mib(pids["redis"]))
            samples.ticks.append(feed.sent)
        is_early = rate and feed.sent > rate * (now_s - started_s)
        if is_early or feed.waiting() >= WAITING_MAX:
            time.sleep(0.001)
        else:
            feed.write(4)
    until(lambda: feed.waiting() == 0, TAKEN_S_MAX)
    with contextlib.suppress(TimeoutError):  # then it is judged
        until(lambda: counter(port, "tickflow_enrich_ticks_total") >= feed.sent, TAKEN_S_MAX)
    return samples


def levels(mib: list[float]) -> tuple[float, float]:
    """Return the medians of the ninth after the first third, and of the last ninth."""
    third = len(mib) // 3
    ninth = max(1, third // 3)
    return statistics.median(mib[third : third + ninth]), statistics.median(mib[-ninth:])


def judged(samples: Samples, feed: Feed, port: int) -> list[str]:
    """Return what is wrong."""
    early, late = levels(samples.worker_mib)
    wrong = []
    if late - early > RISE_MIB_MAX:
        wrong.append(
            f"memory rose from {early:.1f} to {late:.1f} MiB, over the {RISE_MIB_MAX:g} allowed"
        )
    if (made := counter(port, "tickflow_enrich_ticks_total")) != feed.sent:
        wrong.append(f"{feed.sent} packets became {made:.0f} records")
    if left_out := counter(port, "tickflow_enrich_left_out_total"):
        wrong.append(f"{left_out:.0f} left out")
    solved = counter(port, 'tickflow_enrich_iv_status_total{status="OK"}')
    if solved < 0.9 * feed.sent:
        wrong.append(f"only {solved:.0f} of {feed.sent} solved")
    return wrong


def main() -> int:
    """Run; return 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.enrichment")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=int, default=0, help="ticks a second; 0: all it can take")
    typed = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tickflow-soak-") as name:
        return _run(Path(name), typed.minutes * 60.0, typed.rate)


def _run(directory: Path, seconds: float, rate: int) -> int:
    from deploy.local.servers import redis_server

    now_ns = time.time_ns()
    rows = listed(now_ns)
    with enter(redis_server("ticks", directory / "redis")) as server:
        client = redis.Redis.from_url(server.url_for("ops").reveal())
        publish(client, rows)
        port = 21_000 + (server.child.identity.pid % 20_000)
        url = server.url_for("enrich").reveal()
        told = {
            "TICKFLOW_REDIS__TICKS_URL": url,
            "TICKFLOW_REDIS__ORDERS_URL": url,
            "TICKFLOW_PROBE__PORT": str(port),
            "TICKFLOW_ENRICH__PRICING__RATE": str(RATE),
            # Every tick, however busy the machine: what is late would be cut down to the newest.
            "TICKFLOW_ENRICH__LATE_AFTER_S": "600",
        }
        with running("enrich", environment=told, log=directory / "enrich.log") as worker:
            await_ready(port)
            pids = {"enrich": worker.process.pid, "redis": server.child.identity.pid}
            feed = Feed(client, packets_of(rows, now_ns))
            before = cpu_s(pids["enrich"])
            samples = soak(feed, pids, port, seconds=seconds, rate=rate)
            cores = (cpu_s(pids["enrich"]) - before) / seconds
            wrong = judged(samples, feed, port)
        client.close()
    _tell(samples, feed, seconds, cores, wrong)
    return 1 if wrong else 0


def publish(client: redis.Redis, rows: np.ndarray) -> None:
    """Publish instruments as one shard."""
    names = sorted({each.decode() for each in np.unique(rows["underlying"])})
    shard_map = ShardMap(version=1, shards=1, underlyings=dict.fromkeys(names, 0))
    client.set(SHARDS.name(), msgspec.json.encode(shard_map))
    assert len(rows) <= published.INSTRUMENTS_MAX
    client.hset(
        INSTRUMENTS.name(),
        mapping={"version": 1, "count": len(rows), "layout": "{}", "records": rows.tobytes()},
    )


def _tell(samples: Samples, feed: Feed, seconds: float, cores: float, wrong: list[str]) -> None:
    worker = samples.worker_mib
    tenths = [worker[len(worker) * at // 10] for at in range(10)] + [worker[-1]]
    print(machine(), f"an empty loop's turn {turn_ns():.0f} ns")
    print(
        f"{feed.sent:,} ticks of {feed.instruments:,} instruments in {seconds:.0f} s:"
        f" {feed.sent / seconds:,.0f} a second, {cores:.2f} cores of the worker"
    )
    print("worker's memory, MiB, by tenths:", " ".join(f"{each:.0f}" for each in tenths))
    print(
        f"Redis's memory at most {max(samples.redis_mib):.0f} MiB, {ENRICHED_TICKS.name(0)} bounded"
    )
    print("level early {:.1f}, late {:.1f} MiB".format(*levels(worker)))
    print("; ".join(wrong) or "memory flat, nothing lost, nothing left out")


if __name__ == "__main__":
    sys.exit(main())
