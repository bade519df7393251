"""What the machine allows at best, ours beside it, and where our time goes.

The bytes of a tick are those of the pipeline: a raw entry in and out of Redis, then its records. *Redis
alone* pushes and reads exactly these through a stream and does nothing else with them.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import redis

from deploy.local.servers import redis_server
from enrich.bars import BarOptions
from enrich.chain import ChainOptions
from enrich.engine import Derived, Engine, Lineage
from enrich.parameters import Parameters
from ingest.sharding import assign, balanced
from shared.kite.codec.decode import blank_ticks, decode_packet
from shared.market.instruments import parse
from shared.wire import codec
from shared.wire.ticks import TICK_DTYPE
from tests.benchmarks.end_to_end import enter
from tests.benchmarks.enrichment import entry
from tests.benchmarks.load import market
from tests.benchmarks.load.processes import cpu_s

PACKET_BYTES, RECORD_BYTES = 184, TICK_DTYPE.itemsize
#: Ticks of one stream entry, and how many are pushed per measurement.
ENTRY_TICKS = (20, 200, 1_000)
PUSHED_TICKS = 200_000
TICKS = 10_000
FRAME = 200
COPIED_BYTES = 64 * 1024 * 1024
#: Entries in one round trip, as writers and readers of the pipeline have them under load.
AT_ONCE = 16


def results() -> list[dict[str, Any]]:
    """Return the limits, ours, the profile, in nanoseconds a tick or ticks a second."""
    copy_ns = _copy_ns()
    moved = PACKET_BYTES + RECORD_BYTES
    rows = [
        _row("limits.copy_ns_per_tick", copy_ns * moved,
             f"one copy of a packet and a record, {moved} bytes, {1 / copy_ns:.1f} GB/s"),
    ]  # fmt: skip
    with (
        tempfile.TemporaryDirectory(prefix="tickflow-bench-") as name,
        enter(redis_server("ticks", Path(name) / "redis")) as server,
    ):
        url, pid = server.url_for("ops").reveal(), server.child.identity.pid
        with redis.Redis.from_url(url) as client:
            for ticks in ENTRY_TICKS:
                rows += _redis_alone(client, pid, ticks)
    return rows + _profile()


def _copy_ns() -> float:
    """Return what copying one byte costs beyond every cache, in nanoseconds."""
    source, target = np.ones(COPIED_BYTES, np.uint8), np.empty(COPIED_BYTES, np.uint8)
    return _cpu_ns(lambda: np.copyto(target, source)) / COPIED_BYTES


def _redis_alone(client: redis.Redis, pid: int, ticks: int) -> list[dict[str, Any]]:
    """Push and read a raw entry and its records, as bytes, through two streams."""
    header = b"h" * 48
    raw, records = b"s" * (PACKET_BYTES + 2) * ticks, b"r" * RECORD_BYTES * ticks
    client.delete("a", "b")
    for stream in ("a", "b"):
        client.xgroup_create(stream, "g", mkstream=True)
    count = max(AT_ONCE, PUSHED_TICKS // ticks // AT_ONCE * AT_ONCE)
    begun_s, spent_s = time.perf_counter(), cpu_s(pid)
    for _ in range(count // AT_ONCE):
        for stream, body in (("a", raw), ("b", records)):
            pipeline = client.pipeline(transaction=False)
            for _ in range(AT_ONCE):
                pipeline.execute_command(
                    "XADD", stream, "MAXLEN", "~", 100, "*", "h", header, "r", body
                )
            pipeline.execute()
            found: Any = client.xreadgroup("g", "c", {stream: ">"}, count=AT_ONCE)
            ids = [entry_id for entry_id, _ in found[0][1]]
            assert len(ids) == AT_ONCE, "what was pushed is read"
            client.xack(stream, "g", *ids)
    took_s, spent_s = time.perf_counter() - begun_s, cpu_s(pid) - spent_s
    pushed = count * ticks
    what = f"entries of {ticks}: raw and records written, read by a group, acknowledged"
    return [
        _row(f"limits.redis_ticks_per_s.entries_of_{ticks}", pushed / took_s, what, "ticks/s"),
        _row(f"limits.redis_cpu_ns_per_tick.entries_of_{ticks}", spent_s / pushed * 1e9,
             f"CPU of Redis alone; {what}"),
    ]  # fmt: skip


def _profile() -> list[dict[str, Any]]:
    """Return where the enrichment of a tick spends its time, stage by stage."""
    now_s = int(time.time())
    listed = market.contracts(now_s)
    instruments = parse(market.dump(market.indices() + listed)).records
    published = assign(instruments, balanced({}, 1, 1))
    packets = market.packets(listed, now_s)[np.arange(TICKS) % len(listed)]
    header, body = entry(packets, FRAME, now_s)
    pricing = Parameters(rate=market.RATE, dividend_yield=market.DIVIDEND_YIELD)

    def spent(derived: Derived) -> tuple[float, np.ndarray]:
        engine = Engine(published, 1, pricing, derived)
        engine.warm_up()
        times = []
        records = np.empty(0)
        for at in range(16):
            later = _later(body, at)
            begun_ns = time.process_time_ns()
            records, _ = engine.enrich(header, later, Lineage(1, 0, 1))
            engine.chains()
            engine.bars()
            times.append(time.process_time_ns() - begun_ns)
        return statistics.median(times[2:]), records.copy()

    plain, records = spent(Derived())
    with_bars, _ = spent(Derived(bars=BarOptions()))
    with_both, _ = spent(Derived(ChainOptions(), BarOptions()))
    waits = _waits(Engine(published, 1, pricing, Derived(ChainOptions())), packets, now_s)
    decoded = _cpu_ns(_decoding(packets)) / TICKS
    copied = _cpu_ns(records.tobytes) / TICKS
    tick = plain / TICKS
    return [
        _row("profile.decode_ns_per_tick", decoded, "Kite's packet to a record's facts"),
        _row("profile.enrich_ns_per_tick", tick - decoded,
             "look up, state, forward, price, solver, last record; after decoding"),
        _row("profile.copy_out_ns_per_tick", copied, "records to the bytes that Redis is sent"),
        _row("profile.bars_ms_per_s", (with_bars - plain) / 1e6,
             f"{len(published)} instruments each closing a bar of 1 s, {TICKS} ticks a second", "ms"),
        _row("profile.chains_ms_per_s", (with_both - with_bars) / 1e6,
             f"{2 * market.UNDERLYINGS} chains of {market.STRIKES} strikes, smiles fitted", "ms"),
        _row("profile.chain_wait_ms", waits.max() / 1e6,
             f"longest that chains held up a frame of {FRAME} ticks, a shard of {len(published)}; median"
             f" {np.median(waits) / 1e6:.3f}, mean {waits.mean() / 1e6:.3f}", "ms"),
        _row("limits.ours_ns_per_tick", tick + copied,
             "enrichment of a tick without Redis, bars, chains: beside limits.copy, limits.redis"),
    ]  # fmt: skip


def _waits(engine: Engine, packets: np.ndarray, now_s: int) -> np.ndarray:
    """Return what each frame of some seconds took beyond the quickest, messages encoded, in ns.

    Every packet says something new, so every row of a chain has changed.
    """
    engine.warm_up()
    size = 12 + 2 + FRAME * (PACKET_BYTES + 2)
    times = []
    for second in range(8):
        packets["volume_traded"] = second + 1
        header, body = entry(packets, FRAME, now_s)
        later = _later(body, second)
        for start in range(0, len(later), size):
            begun_ns = time.thread_time_ns()
            engine.enrich(header, later[start : start + size], Lineage(1, 0, 1))
            for chain in engine.chains():
                codec.encode(chain)
            times.append(time.thread_time_ns() - begun_ns)
    settled = np.array(times[len(times) // 4 :])
    return settled - settled.min()


def _cpu_ns(call: Callable[[], object]) -> float:
    """Return the median CPU time of a call, the first one left out: others may use the machine."""
    call()
    times = []
    for _ in range(9):
        begun_ns = time.process_time_ns()
        call()
        times.append(time.process_time_ns() - begun_ns)
    return statistics.median(times)


def _later(body: bytes, seconds: int) -> bytes:
    """Return the segments received so many seconds later, spread over the second as in life."""
    size = 12 + 2 + FRAME * (PACKET_BYTES + 2)
    whole = np.frombuffer(body, np.uint8).reshape(-1, size).copy()
    stamps = whole[:, :8].copy().view("<u8").ravel()
    stamps += np.uint64(seconds * 10**9)
    stamps += (np.arange(len(stamps)) * (10**9 // len(stamps))).astype(np.uint64)
    whole[:, :8] = stamps.view(np.uint8).reshape(-1, 8)
    return whole.tobytes()


def _decoding(packets: np.ndarray) -> Callable[[], object]:
    from enrich.kernels.jit import compiled

    @compiled
    def decode_all(body: Any, size: int, records: Any) -> int:
        for row in range(records.size):
            decode_packet(body, row * size + 2, size - 2, records, row)
        return int(records.size)

    body, records = np.frombuffer(packets.tobytes(), np.uint8), blank_ticks(len(packets))
    return lambda: decode_all(body, packets.dtype.itemsize, records)


def _row(name: str, value: float, context: str, unit: str = "ns") -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "context": context}
