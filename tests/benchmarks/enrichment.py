"""The enrichment pass alone: raw entry in, records out, one thread, no Redis.

And the solver alone, on the same options.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from enrich.engine import Engine, Lineage
from enrich.kernels.columns import implied_vol, implied_vol_and_greeks
from enrich.parameters import Parameters
from ingest.sharding import assign, balanced
from shared.market.instruments import parse
from shared.wire.segments import segment
from shared.wire.ticks import RAW_HEADER_DTYPE
from tests.benchmarks.load import market

ROUNDS = 15
TICKS = 10_000
FRAMES = (1, 20, 200)


def results() -> list[dict[str, Any]]:
    """Return nanoseconds per tick and per option."""
    now_s = int(time.time())
    listed = market.contracts(now_s)
    instruments = parse(market.dump(market.indices() + listed)).records
    published = assign(instruments, balanced({}, 1, 1))
    pricing = Parameters(rate=market.RATE, dividend_yield=market.DIVIDEND_YIELD)
    engine = Engine(published, 1, pricing)
    engine.warm_up()
    # Not np.resize: it gives the machine's byte order, and Kite's is the other one.
    packets = market.packets(listed, now_s)[np.arange(TICKS) % len(listed)]
    rows = []
    for size in FRAMES:
        header, body = entry(packets, size, now_s)
        records, _ = engine.enrich(header, body, Lineage(1, 0, 1))
        assert len(records) == len(packets), (
            "every packet becomes a record, or this measures nothing"
        )
        spent = median_ns(lambda h=header, b=body: engine.enrich(h, b, Lineage(1, 0, 1)))
        rows.append(
            row(f"enrich.ns_per_tick.frames_of_{size}", spent / TICKS, "ns", "decode to record")
        )
    return rows + solver(listed, now_s)


def entry(packets: np.ndarray, size: int, now_s: int) -> tuple[bytes, bytes]:
    """Return header and segments of one raw entry with all packets in frames of `size`."""
    header = np.zeros(1, dtype=RAW_HEADER_DTYPE)
    header["packets"] = len(packets)
    frames = [
        size.to_bytes(2, "big") + packets[start : start + size].tobytes()
        for start in range(0, len(packets) - size + 1, size)
    ]
    return header.tobytes(), b"".join(segment(now_s * 1_000_000_000, frame) for frame in frames)


def solver(listed: list[market.Contract], now_s: int) -> list[dict[str, Any]]:
    """Return nanoseconds per option of the solver, with and without Greeks."""
    options = [c for c in listed if c.vol > 0.0 and c.price > 0.05]
    years = {c.expiry: 0.0 for c in options}
    for c in options:
        years[c.expiry] = (market.expiry_ns("NFO", c.expiry) / 1e9 - now_s) / (365.0 * 86_400.0)
    columns = [
        np.resize(np.array(values), TICKS)
        for values in (
            [c.price for c in options],
            [
                market.SPOT * np.exp((market.RATE - market.DIVIDEND_YIELD) * years[c.expiry])
                for c in options
            ],
            [c.strike for c in options],
            [years[c.expiry] for c in options],
            [market.RATE for _ in options],
            [market.RATE for _ in options],
            [1.0 if c.kind == "CE" else -1.0 for c in options],
        )
    ]
    greeks, status = np.empty((9, TICKS)), np.empty(TICKS, np.uint8)
    vols = np.empty(TICKS)
    full = median_ns(lambda: implied_vol_and_greeks(*columns, greeks, status))
    alone = median_ns(lambda: implied_vol(*columns, vols, status))
    return [
        row("greeks.ns_per_option", full / TICKS, "ns", "implied volatility and eight Greeks"),
        row("greeks.ns_per_option.vol_only", alone / TICKS, "ns", "implied volatility alone"),
    ]


def median_ns(call: Callable[[], object]) -> float:
    """Return the median time of a call, the first one left out."""
    call()
    spent = []
    for _ in range(ROUNDS):
        started = time.perf_counter_ns()
        call()
        spent.append(time.perf_counter_ns() - started)
    return statistics.median(spent)


def row(name: str, value: float, unit: str, context: str) -> dict[str, Any]:
    """Return one line of the table."""
    return {"name": name, "value": value, "unit": unit, "context": f"{context}, one thread"}
