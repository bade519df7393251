"""What a run shows, folded from records, events; which of it stood still."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from msgspec import Struct

from deploy.local.motion import Motion
from shared.wire.instruments import Kind
from shared.wire.orders import OrderEvent

Records = np.ndarray[Any, np.dtype[np.void]]

#: Rates and latencies are of the last few seconds.
WINDOW_S = 5.0
#: Samples of latency kept a batch; batches kept: a window at a thousand batches a second.
SAMPLES_PER_BATCH_MAX = 32
BATCHES_MAX = 5_000
EVENTS_SHOWN = 6
STRIKES_SHOWN = 5
#: Longest a figure may show the same while ticks flow, in seconds.
STILL_S_MAX = 10.0
#: A run shorter than this is too short to say that something stood still, in seconds.
OBSERVED_S_MIN = 4.0
HOPS = ("ingest to raw stream", "raw stream to enriched", "enriched to here", "whole way")
_NS = 1e9


class ChainRow(Struct, frozen=True):
    """One strike of the chain: what the call and the put show; NaN where unknown."""

    strike: float
    call: Mapping[str, float]
    put: Mapping[str, float]


class HopFigure(Struct, frozen=True):
    """Latency of one hop over the window, in milliseconds."""

    name: str
    p50_ms: float
    p99_ms: float


class Snapshot(Struct, frozen=True, kw_only=True):
    """All figures at one moment."""

    elapsed_s: float
    ticks_per_s: float
    ticks_total: int
    skipped_total: int
    shards: Mapping[int, int]
    hops: tuple[HopFigure, ...]
    lag_ms: float
    underlying: str
    expiry: str
    underlying_price: float
    rows: tuple[ChainRow, ...]
    events: tuple[OrderEvent, ...]
    events_total: int


class ChainContract(Struct, frozen=True):
    """Which options of one underlying and one expiry are shown."""

    underlying: str
    expiry: int
    options: Mapping[int, tuple[float, bool]]  # token -> strike, is a call


_SHOWN = (
    "last_price",
    "implied_vol",
    "delta",
    "gamma",
    "theta_per_day",
    "vega_per_vol_point",
)
_BLANK: Mapping[str, float] = dict.fromkeys(_SHOWN, float("nan"))


def nearest_chain(instruments: Records, underlying: str, today: int) -> ChainContract:
    """Return the options of `underlying` with the first expiry (yyyymmdd) not before `today`."""
    options = instruments[
        (instruments["underlying"] == underlying.encode())
        & np.isin(instruments["kind"], (Kind.CALL, Kind.PUT))
        & (instruments["expiry"] >= today)
    ]
    if len(options) == 0:
        return ChainContract(underlying, 0, {})
    expiry = int(options["expiry"].min())
    first = options[options["expiry"] == expiry]
    return ChainContract(
        underlying,
        expiry,
        {
            int(row["instrument_token"]): (float(row["strike"]), row["kind"] == Kind.CALL)
            for row in first
        },
    )


class Figures:
    """Folds what is read into what is shown; knows no time but what it is told."""

    def __init__(self, now_ns: int) -> None:
        self._began_ns = now_ns
        self._batches: deque[tuple[int, int, np.ndarray[Any, Any]]] = deque(maxlen=BATCHES_MAX)
        self._shards: dict[int, int] = {}
        self._sequences: dict[int, tuple[int, int]] = {}
        self._chain = ChainContract("", 0, {})
        self._chain_tokens = np.empty(0, np.uint32)
        self._latest: dict[int, dict[str, float]] = {}
        self._underlying_price = float("nan")
        self._events: deque[OrderEvent] = deque(maxlen=EVENTS_SHOWN)
        self._motion = Motion()
        self._last_moved_ns = 0
        self._ticks_seen = 0
        self.ticks_total = 0
        self.skipped_total = 0
        self.events_total = 0

    def show_chain(self, chain: ChainContract) -> None:
        """Show these options from now on."""
        self._chain = chain
        self._chain_tokens = np.array(sorted(chain.options), np.uint32)
        self._latest.clear()

    def on_batch(self, header: np.void, records: Records, entry_ms: int, now_ns: int) -> None:
        """Take in one entry of an enriched stream, written at `entry_ms`, read at `now_ns`."""
        shard, count = int(header["shard"]), len(records)
        self._count_skipped(shard, int(header["fence"]), int(header["sequence"]))
        self._shards[shard] = self._shards.get(shard, 0) + count
        self.ticks_total += count
        sample = records[:: max(1, count // SAMPLES_PER_BATCH_MAX)]
        self._batches.append((now_ns, count, _latencies_ms(sample, entry_ms, now_ns)))
        self._take_chain(records)

    def on_event(self, event: OrderEvent) -> None:
        """Take in one step of an order."""
        self._events.append(event)
        self.events_total += 1

    def snapshot(self, now_ns: int) -> Snapshot:
        """Return every figure as of `now_ns`, taking note of which of them changed."""
        while self._batches and now_ns - self._batches[0][0] > WINDOW_S * _NS:
            self._batches.popleft()
        elapsed_s = (now_ns - self._began_ns) / _NS
        window_s = min(WINDOW_S, max(elapsed_s, 1e-3))
        shot = Snapshot(
            elapsed_s=elapsed_s,
            ticks_per_s=sum(count for _, count, _ in self._batches) / window_s,
            ticks_total=self.ticks_total,
            skipped_total=self.skipped_total,
            shards=dict(sorted(self._shards.items())),
            hops=self._hops(),
            lag_ms=self._lag_ms(),
            underlying=self._chain.underlying,
            expiry=str(self._chain.expiry or ""),
            underlying_price=self._underlying_price,
            rows=self._rows(),
            events=tuple(self._events),
            events_total=self.events_total,
        )
        self._note_motion(shot, now_ns)
        return shot

    def stood_still(self) -> list[str]:
        """Return a sentence for each figure that froze; none for a run too short to tell."""
        observed_s = (self._last_moved_ns - self._began_ns) / _NS
        if observed_s < OBSERVED_S_MIN:
            return []
        return self._motion.stood_still(min(STILL_S_MAX, observed_s / 2))

    def _count_skipped(self, shard: int, fence: int, sequence: int) -> None:
        # A new owner counts from 0 again; within one, a jump is what we were too slow to read.
        was_fence, was = self._sequences.get(shard, (fence, sequence - 1))
        if fence == was_fence and sequence > was + 1:
            self.skipped_total += sequence - was - 1
        self._sequences[shard] = (fence, sequence)

    def _take_chain(self, records: Records) -> None:
        for record in records[np.isin(records["instrument_token"], self._chain_tokens)]:
            values = {name: float(record[name]) for name in _SHOWN}
            self._latest[int(record["instrument_token"])] = values
            self._underlying_price = float(record["underlying_price"])

    def _hops(self) -> tuple[HopFigure, ...]:
        if not self._batches:
            return tuple(HopFigure(name, float("nan"), float("nan")) for name in HOPS)
        columns = np.concatenate([sample for _, _, sample in self._batches], axis=1)
        middle, high = np.percentile(columns, (50, 99), axis=1)
        return tuple(
            HopFigure(name, float(middle[i]), float(high[i])) for i, name in enumerate(HOPS)
        )

    def _lag_ms(self) -> float:
        return float(self._batches[-1][2][-1].min()) if self._batches else float("nan")

    def _rows(self) -> tuple[ChainRow, ...]:
        strikes = sorted({strike for strike, _ in self._chain.options.values()})
        if np.isnan(self._underlying_price):
            return ()
        near = sorted(strikes, key=lambda strike: abs(strike - self._underlying_price))
        by_leg = {leg: token for token, leg in self._chain.options.items()}
        return tuple(
            ChainRow(strike, self._leg(by_leg, strike, call=True), self._leg(by_leg, strike))
            for strike in sorted(near[:STRIKES_SHOWN])
        )

    def _leg(
        self, by_leg: Mapping[tuple[float, bool], int], strike: float, *, call: bool = False
    ) -> Mapping[str, float]:
        return self._latest.get(by_leg.get((strike, call), 0), _BLANK)

    def _note_motion(self, shot: Snapshot, now_ns: int) -> None:
        if shot.ticks_total == self._ticks_seen:
            return  # nothing flows: that is a verdict of its own
        self._ticks_seen = shot.ticks_total
        self._last_moved_ns = now_ns
        for shard, count in shot.shards.items():
            self._motion.see(f"the count of shard {shard}", count, now_ns)
        if shot.rows:
            self._motion.see(f"the price of {shot.underlying}", shot.underlying_price, now_ns)
            shown = repr([(row.call, row.put) for row in shot.rows])
            self._motion.see(f"the {shot.underlying} chain", shown, now_ns)
            vols = repr([(row.call["implied_vol"], row.put["implied_vol"]) for row in shot.rows])
            self._motion.see(f"the {shot.underlying} implied volatilities", vols, now_ns)


def _latencies_ms(sample: Records, entry_ms: int, now_ns: int) -> np.ndarray[Any, Any]:
    received_ms = sample["received_at_ns"] / 1e6
    raw_ms = sample["raw_entry_ms"].astype(np.float64)
    now_ms = now_ns / 1e6
    hops = np.stack(
        [
            raw_ms - received_ms,
            entry_ms - raw_ms,
            np.full(len(sample), now_ms - entry_ms),
            now_ms - received_ms,
        ]
    )
    # Stream ids are whole milliseconds, cut off: a hop within one may come out below zero.
    latencies: np.ndarray[Any, Any] = np.maximum(hops, 0.0)
    return latencies
