"""Raw entries of one shard to enriched entries, late ones conflated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from enrich import metrics
from enrich.engine import Counts, Engine, Lineage
from shared.clock import Clock
from shared.errors import MessageError
from shared.streams.entry import Entry
from shared.streams.writer import Append
from shared.wire.ticks import BATCH_HEADER_DTYPE, RAW_HEADER_DTYPE, TICK, TICK_DTYPE, Status
from shared.wire.topics import ENRICHED_TICKS

_STATUS_LABELS = {int(status): status.name for status in Status}


@dataclass(frozen=True, slots=True)
class Poison:
    """An entry that cannot be read, and why."""

    entry: Entry
    reason: str


class Batches:
    """Turns entries into appends; keeps the sequence numbers of what this owner writes."""

    def __init__(self, engine: Engine, clock: Clock, before: Batches | None = None) -> None:
        """`before` is what wrote the shards until now, with other instruments."""
        self.engine = engine
        self._clock = clock
        self.sequences: dict[int, int] = dict(before.sequences) if before else {}

    def start(self, shard: int) -> None:
        """Begin a shard's sequence anew, as a new owner."""
        self.sequences[shard] = 0

    def enrich(
        self, shard: int, fence: int, entries: Sequence[Entry], *, late: bool
    ) -> tuple[list[Append], list[Poison]]:
        """Return what is to be written for these entries, and what could not be read."""
        appends: list[Append] = []
        poison: list[Poison] = []
        if late:
            entries = self._conflated(entries)
        for entry in entries:
            started_s = self._clock.monotonic_s()
            try:
                header, segments = _parts(entry)
                lineage = Lineage(entry.id.ms, entry.id.sequence, fence)
                records, counts = self.engine.enrich(header, segments, lineage)
            except MessageError as error:
                poison.append(Poison(entry, str(error)))
                continue
            metrics.SOLVE_SECONDS.observe(self._clock.monotonic_s() - started_s)
            _count(records, counts)
            if len(records):
                appends.append(self._append(shard, fence, records))
        return appends, poison

    def _append(self, shard: int, fence: int, records: np.ndarray) -> Append:
        header = np.zeros(1, dtype=BATCH_HEADER_DTYPE)
        header["sequence"], header["records"] = self.sequences[shard], len(records)
        header["fence"], header["shard"] = fence, shard
        header["layout_version"], header["record_bytes"] = TICK.version, TICK_DTYPE.itemsize
        self.sequences[shard] += 1
        fields = {b"h": header.tobytes(), b"r": records.tobytes()}
        return Append(ENRICHED_TICKS, shard, fields)

    def _conflated(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return one entry with the newest packet per instrument, and the unreadable ones."""
        readable = [entry for entry in entries if b"s" in entry.fields and b"h" in entry.fields]
        broken = [entry for entry in entries if entry not in readable]
        if not readable:
            return broken
        joined = b"".join(entry.fields[b"s"] for entry in readable)
        segments, left_out = self.engine.newest_only(joined)
        metrics.LEFT_OUT.labels("late").inc(left_out)
        header = np.frombuffer(readable[-1].fields[b"h"], dtype=RAW_HEADER_DTYPE).copy()
        header["packets"] = min(len(segments) // 16, 250_000)
        last = readable[-1]
        return [*broken, Entry(last.stream, last.id, {b"h": header.tobytes(), b"s": segments})]


def by_shard(entries: Sequence[Entry]) -> Iterator[tuple[int, list[Entry]]]:
    """Yield entries of several shards' streams shard by shard, order kept."""
    shards: dict[int, list[Entry]] = {}
    for entry in entries:
        shards.setdefault(int(entry.stream.rsplit(".", 1)[1]), []).append(entry)
    yield from shards.items()


def _parts(entry: Entry) -> tuple[bytes, bytes]:
    try:
        return entry.fields[b"h"], entry.fields[b"s"]
    except KeyError as error:
        raise MessageError(f"raw entry lacks field {error.args[0].decode()}") from error


def _count(records: np.ndarray, counts: Counts) -> None:
    metrics.ENTRIES.inc()
    metrics.TICKS.inc(len(records))
    for status, number in enumerate(np.bincount(records["status"]).tolist()):
        if number:
            metrics.STATUSES.labels(_STATUS_LABELS[status]).inc(number)
    for cause, number in (
        ("unknown_packet", counts.unknown_packets),
        ("damaged_frame", counts.damaged_frames),
    ):
        if number:
            metrics.LEFT_OUT.labels(cause).inc(number)
