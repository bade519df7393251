"""Open bars of every instrument, folded from enriched records; knows no time but theirs."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from enrich.kernels import bars as kernel
from enrich.last_records import chosen
from shared.errors import SettingsError
from shared.kite.codec.decode import blank_ticks
from shared.wire.bars import BAR_DTYPE

_SECOND_NS = 1_000_000_000
#: Records of one call's output at start; a flush of a whole shard makes it grow.
_OUT_AT_START = 1_024

_NO_BARS = np.zeros(0, BAR_DTYPE)
#: A single row: what every bar that is closed now has in common.
_FACTS = np.dtype(
    [
        ("closed_at_ns", "<i8"),
        ("instruments_version", "<u4"),
        ("fence", "<u4"),
        ("closing_flag", "<u4"),
    ],
    align=True,
)
_INSTRUMENT = np.dtype(
    [("instrument_token", "<u4"), ("underlying_token", "<u4"), ("shard", "<u2")], align=True
)


class BarOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which bars are made, and how long a late tick is waited for."""

    intervals_s: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=86_400)], ...],
        Meta(max_length=8, description="ascending, each a multiple of the first; empty: no bars"),
    ] = (1, 60, 300)
    grace_s: Annotated[
        float, Meta(ge=0, le=60, description="an idle bar is closed this long after its end")
    ] = 2.0

    def __post_init__(self) -> None:
        """Refuse intervals that do not fit into one another.

        Raises:
            ValueError: they are not ascending multiples of the first.
        """
        if list(self.intervals_s) != sorted(set(self.intervals_s)):
            raise ValueError(f"intervals_s {self.intervals_s} do not ascend")
        if any(interval % self.intervals_s[0] for interval in self.intervals_s):
            raise ValueError(f"intervals_s {self.intervals_s}: not multiples of the first")


class Bars:
    """The bars of one set of instruments."""

    def __init__(self, published: np.ndarray, version: int, options: BarOptions) -> None:
        """`published`: instruments, shape (n,), of INSTRUMENT_DTYPE.

        Raises:
            SettingsError: no interval is wanted, so there are no bars to keep.
        """
        if not options.intervals_s:
            raise SettingsError("bars.intervals_s is empty: there are no bars to keep")
        self._spans = np.array(options.intervals_s, np.int64) * _SECOND_NS
        self._grace_ns = round(options.grace_s * 1e9)
        self._tokens = np.ascontiguousarray(published["instrument_token"])
        instruments = np.zeros(len(published), _INSTRUMENT)
        for name in _INSTRUMENT.names or ():
            instruments[name] = published[name]
        shards = instruments["shard"]
        members = np.argsort(shards, kind="stable").astype(np.int64)
        clocks = np.zeros(int(shards.max(initial=0)) + 1, kernel.SHARD_CLOCK)
        numbers = np.arange(len(clocks))
        clocks["members_start"] = np.searchsorted(shards[members], numbers, side="left")
        clocks["members_end"] = np.searchsorted(shards[members], numbers, side="right")
        self._open = np.zeros((len(self._spans), len(published)), kernel.OPEN_BAR)
        self._clocks = clocks
        self._tables = (self._open, clocks, members, instruments)
        self._facts = np.zeros(1, _FACTS)
        self._facts["instruments_version"] = version
        largest = int((clocks["members_end"] - clocks["members_start"]).max(initial=0))
        # An instrument closes each longer bar at most twice at once: what was, what ends with it.
        room = (largest + 3) * 2 * len(self._spans)
        self._out = np.zeros(max(_OUT_AT_START, room), BAR_DTYPE)
        self._closed: list[np.ndarray] = []

    def fold(self, records: np.ndarray, indices: np.ndarray, fence: int) -> None:
        """Take enriched records, shape (n,), with the row of each instrument, -1 unknown."""
        self._facts["fence"] = fence
        row = 0
        while row < len(records):
            row, written = kernel.fold(
                records, indices, row, self._tables, self._spans, self._grace_ns,
                self._facts[0], self._out,
            )  # fmt: skip
            if written:
                self._closed.append(self._out[:written].copy())

    def closed(self) -> np.ndarray:
        """Return the bars closed since the last call, shape (n,), in the order of closing."""
        closed, self._closed = self._closed, []
        return np.concatenate(closed) if closed else _NO_BARS

    def begin(self, shard: int) -> None:
        """Begin a shard anew, as a new owner: bars open until now are dropped."""
        if shard < len(self._clocks):
            kernel.begin(self._open, self._clocks[shard], self._tables[2])

    def warm_up(self) -> None:
        """Compile, or load, everything that a bar needs."""
        kernel.fold(
            blank_ticks(0), np.zeros(0, np.int64), 0, self._tables, self._spans, self._grace_ns,
            self._facts[0], self._out,
        )  # fmt: skip
        kernel.begin(self._open, self._clocks[0], self._tables[2])
        self.restore(blank_ticks(0))

    def restore(self, records: np.ndarray) -> None:
        """Count volume from where an earlier owner's newest records, shape (n,), stand."""
        # A copy, as what comes from a stream is read-only: another type to the compiler.
        every = np.arange(len(records))
        kernel.take_over(
            chosen(records, every), self._rows(records["instrument_token"]), self._open
        )

    def adopt(self, before: Bars) -> None:
        """Go on with the bars of another set of instruments, where both know an instrument."""
        if not np.array_equal(self._spans, before._spans):  # of the same class
            return
        rows = self._rows(before._tokens)
        kept = rows >= 0
        self._open[:, rows[kept]] = before._open[:, kept]
        shards = min(len(self._clocks), len(before._clocks))
        for name in ("now_ns", "floor_ns", "began_ns"):
            self._clocks[name][:shards] = before._clocks[name][:shards]

    def _rows(self, tokens: np.ndarray) -> np.ndarray:
        """Return the row of each token, -1 where there is none."""
        if not len(self._tokens):
            return np.full(len(tokens), -1, np.int64)
        position = np.minimum(np.searchsorted(self._tokens, tokens), len(self._tokens) - 1)
        found: np.ndarray = np.where(self._tokens[position] == tokens, position, -1)
        return found.astype(np.int64)
