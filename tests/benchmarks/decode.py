"""Decoding Kite frames: ours against the official parser, in the same run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from kiteconnect.ticker import KiteTicker

from shared.kite.codec.decode import blank_ticks, decode_packets
from shared.kite.codec.entry import Columns
from shared.kite.codec.route import Router, Sinks
from shared.wire.segments import segment
from tests.support import kite_frames as build

ROUNDS: Final = 25
OFFICIAL_PACKETS: Final = 200
#: Frames that arrive while a write is in flight join one entry; under load that is this and more.
ENTRY_PACKETS: Final = 400
OURS_PACKETS: Final = 20_000
SHARDS: Final = 4
RATIO_MIN: Final = 200
TOKENS: Final = np.arange(1, 3001, dtype=np.uint32) * np.uint32(256) + np.uint32(2)


def _packet(kind: str, random: np.random.Generator) -> bytes:
    token = int(random.choice(TOKENS))
    numbers = [int(number) for number in random.integers(1, 10_000_000, size=40)]
    if kind == "ltp":
        return build.ltp(token, numbers[0])
    quote = build.quote(token, *numbers[:10])
    if kind == "quote":
        return quote
    levels = [(numbers[at], numbers[at + 1], numbers[at] % 1000) for at in range(15, 35, 2)]
    return build.full(quote, numbers[10:15], levels[:5], levels[5:])


def _frames(kind: str, packets: int, total: int) -> list[bytes]:
    random = np.random.default_rng(20261122)
    return [
        build.frame(_packet(kind, random) for _ in range(packets))
        for _ in range(max(1, total // packets))
    ]


def _ns_each(work: Callable[[], object], packets: int) -> float:
    began = time.perf_counter_ns()
    work()
    return (time.perf_counter_ns() - began) / packets


class _Ours:
    """Stream entries in, records out, everything reused, as a worker does it."""

    def __init__(self, frames: list[bytes], packets: int) -> None:
        per_entry = ENTRY_PACKETS // packets
        self._entries = [
            b"".join(segment(1, frame) for frame in frames[at : at + per_entry])
            for at in range(0, len(frames), per_entry)
        ]
        self._columns = Columns()
        self._ticks = blank_ticks(ENTRY_PACKETS)

    def __call__(self) -> None:
        columns = self._columns
        for entry in self._entries:
            count = columns.scan(entry).packets
            buffer = np.frombuffer(entry, dtype=np.uint8)
            decode_packets(buffer, columns.offsets, columns.lengths, count, self._ticks)


def _against_official(kind: str, packets: int) -> tuple[float, float]:
    """Return medians of ns per packet: ours, official; rounds of both interleaved."""
    frames = _frames(kind, packets, OURS_PACKETS)
    few = frames[: max(1, OFFICIAL_PACKETS // packets)]
    ours, official = _Ours(frames, packets), KiteTicker("key", "token")
    ours()
    ours_ns, official_ns = [], []
    for _ in range(ROUNDS):
        ours_ns.append(_ns_each(ours, len(frames) * packets))
        official_ns.append(
            _ns_each(lambda: [official._parse_binary(frame) for frame in few], len(few) * packets)
        )
    return statistics.median(ours_ns), statistics.median(official_ns)


def _routing(packets: int) -> float:
    frames = _frames("full", packets, OURS_PACKETS)
    shard_of = (np.arange(TOKENS.size) % SHARDS).astype(np.uint16)
    router, sinks = Router(TOKENS, shard_of, SHARDS), Sinks(SHARDS, 8 * 1024 * 1024)

    def work() -> None:
        sinks.clear()
        for frame in frames:
            router.route(frame, 1, sinks)

    work()
    return statistics.median(_ns_each(work, len(frames) * packets) for _ in range(ROUNDS))


def _result(name: str, value: float, unit: str, context: str) -> dict[str, Any]:
    return {"name": name, "value": round(value, 1), "unit": unit, "context": context}


def results() -> list[dict[str, Any]]:
    """Return every measure; medians of interleaved rounds on one core, scan included."""
    found = []
    for kind in ("full", "quote", "ltp"):
        for packets in (200, 20, 1):
            ours_ns, official_ns = _against_official(kind, packets)
            context = (
                f"frames of {packets} in entries of {ENTRY_PACKETS}, scan included; "
                f"KiteTicker._parse_binary {official_ns:.0f} ns"
            )
            suffix = "" if packets == OFFICIAL_PACKETS else f".frames_of_{packets}"
            found += [
                _result(f"decode.{kind}.ns_per_packet{suffix}", ours_ns, "ns", context),
                _result(
                    f"decode.{kind}.ratio_to_kiteticker{suffix}",
                    official_ns / ours_ns,
                    "times",
                    context,
                ),
            ]
    for packets in (200, 20, 1):
        suffix = "" if packets == OFFICIAL_PACKETS else f".frames_of_{packets}"
        context = f"full packets in frames of {packets}, {SHARDS} shards, 3,000 instruments"
        found.append(_result(f"route.ns_per_packet{suffix}", _routing(packets), "ns", context))
    return found


if __name__ == "__main__":
    for row in results():
        print(f"{row['name']:45} {row['value']:>10} {row['unit']:6} {row['context']}")
