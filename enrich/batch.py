"""Raw entries of one shard to enriched entries, late ones conflated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby

import numpy as np
from prometheus_client import Counter

from enrich import metrics
from enrich.engine import Counts, Engine, Lineage
from enrich.raw_header import PACKETS_PER_ENTRY_MAX, is_repair, promised_packets
from shared.clock import Clock
from shared.errors import MessageError
from shared.streams.entry import Entry
from shared.streams.writer import Append
from shared.wire import codec
from shared.wire.bars import BAR
from shared.wire.layout import Layout
from shared.wire.segments import SEGMENT_HEADER, SEGMENT_HEADER_BYTES
from shared.wire.ticks import BATCH_HEADER_DTYPE, RAW_HEADER_DTYPE, TICK, Status
from shared.wire.topics import BARS, CHAINS, ENRICHED_TICKS, Topic

#: Records of one entry: 2,048 make 784 KiB, less than the megabyte that a Kafka left to its own
#: defaults takes. An entry of short packets could hold forty times as much.
RECORDS_PER_ENTRY_MAX = 2_048
#: Bars of one entry: 4,096 make 384 KiB.
BARS_PER_ENTRY_MAX = 4_096

_UNKNOWN_PACKETS = metrics.LEFT_OUT.labels("unknown_packet")
_DAMAGED_FRAMES = metrics.LEFT_OUT.labels("damaged_frame")
_UNDECODED = metrics.LEFT_OUT.labels("undecoded")
_IMPOSSIBLE = metrics.KEPT_OUT.labels("impossible")
_BACKWARDS = metrics.KEPT_OUT.labels("backwards")


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
        self.bar_sequences: dict[int, int] = dict(before.bar_sequences) if before else {}
        if before is not None:
            engine.adopt(before.engine)

    def start(self, shard: int) -> None:
        """Begin a shard's sequences anew, as a new owner."""
        self.sequences[shard] = self.bar_sequences[shard] = 0
        self.engine.begin(shard)

    def enrich(
        self, shard: int, fence: int, entries: Sequence[Entry], *, late: bool
    ) -> tuple[list[Append], list[Poison]]:
        """Return what is to be written for these entries, and what could not be read."""
        appends: list[Append] = []
        poison: list[Poison] = []
        if late:
            entries, poison = self._newest(entries)
        for entry in entries:
            started_s = self._clock.monotonic_s()
            try:
                header, segments = _parts(entry)
                lineage = Lineage(entry.id.ms, entry.id.sequence, fence, shard)
                records, counts = self.engine.enrich(header, segments, lineage)
            except MessageError as error:
                poison.append(Poison(entry, str(error)))
                continue
            metrics.SOLVE_SECONDS.observe(self._clock.monotonic_s() - started_s)
            _count(records, counts)
            appends += self._enriched(shard, fence, records)
            appends += self._derived(shard, fence)
        return appends, poison

    def _enriched(self, shard: int, fence: int, records: np.ndarray) -> Iterator[Append]:
        for start in range(0, len(records), RECORDS_PER_ENTRY_MAX):
            part = records[start : start + RECORDS_PER_ENTRY_MAX]
            facts = (self.sequences[shard], len(part), fence, shard)
            self.sequences[shard] += 1
            yield _of_records(ENRICHED_TICKS, TICK, part, facts)

    def _derived(self, shard: int, fence: int) -> Iterator[Append]:
        """Yield what an entry made besides its records."""
        chains, bars = self.engine.chains(), self.engine.bars()
        for chain in chains:
            yield Append(CHAINS, "", codec.encode(chain))
        for start in range(0, len(bars), BARS_PER_ENTRY_MAX):
            part = bars[start : start + BARS_PER_ENTRY_MAX]
            facts = (self.bar_sequences[shard], len(part), fence, shard)
            self.bar_sequences[shard] += 1
            yield _of_records(BARS, BAR, part, facts)
        if chains:
            metrics.CHAINS.inc(len(chains))
        if len(bars):
            metrics.BARS.inc(len(bars))

    def _newest(self, entries: Sequence[Entry]) -> tuple[list[Entry], list[Poison]]:
        """Conflate what lies between repairs; these keep their mark and their place."""
        kept: list[Entry] = []
        poison: list[Poison] = []
        for repair, group in groupby(entries, key=_is_repair):
            run = list(group)
            made, unreadable = (run, []) if repair else self._conflated(run)
            kept += made
            poison += unreadable
        return kept, poison

    def _conflated(self, entries: Sequence[Entry]) -> tuple[list[Entry], list[Poison]]:
        """Return one entry with the newest packet per instrument, and the unreadable ones."""
        poison: list[Poison] = []
        whole: list[bytes] = []
        last: Entry | None = None
        for entry in entries:
            try:
                header, segments = _parts(entry)
                promised_packets(header)
            except MessageError as error:
                poison.append(Poison(entry, str(error)))
                continue
            # A tail that ends inside a segment would swallow the beginning of the next entry.
            end = whole_bytes(segments)
            metrics.LEFT_OUT.labels("damaged_frame").inc(end != len(segments))
            whole.append(segments[:end])
            last = entry
        if last is None:
            return [], poison
        newest = self.engine.newest_only(b"".join(whole))
        metrics.LEFT_OUT.labels("late").inc(newest.left_out)
        metrics.LEFT_OUT.labels("damaged_frame").inc(newest.damaged_frames)
        header_row = np.frombuffer(last.fields[b"h"], dtype=RAW_HEADER_DTYPE).copy()
        header_row["packets"] = min(len(newest.segments) // 16, PACKETS_PER_ENTRY_MAX)
        fields = {b"h": header_row.tobytes(), b"s": newest.segments}
        return [Entry(last.stream, last.id, fields)], poison


def whole_bytes(segments: bytes) -> int:
    """Return how many of the bytes are whole segments."""
    end = 0
    while len(segments) - end >= SEGMENT_HEADER_BYTES:
        _, length = SEGMENT_HEADER.unpack_from(segments, end)
        following = end + SEGMENT_HEADER_BYTES + length
        if following > len(segments):
            break
        end = following
    return end


def by_shard(entries: Sequence[Entry]) -> Iterator[tuple[int, list[Entry]]]:
    """Yield entries of several shards' streams shard by shard, order kept."""
    shards: dict[int, list[Entry]] = {}
    for entry in entries:
        shards.setdefault(int(entry.stream.rsplit(".", 1)[1]), []).append(entry)
    yield from shards.items()


def _is_repair(entry: Entry) -> bool:
    return is_repair(entry.fields.get(b"h", b""))


def _of_records(
    topic: Topic, layout: Layout, records: np.ndarray, facts: tuple[int, int, int, int]
) -> Append:
    """Return an append of records; `facts` are sequence, number of records, fence, shard."""
    header = np.zeros(1, dtype=BATCH_HEADER_DTYPE)
    header["sequence"], header["records"], header["fence"], header["shard"] = facts
    header["layout_version"], header["record_bytes"] = layout.version, records.dtype.itemsize
    return Append(topic, facts[3], {b"h": header.tobytes(), b"r": records.tobytes()})


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
            _of_status(status).inc(number)
    # Of an ordinary entry all of these are nothing, and each would cost as much as a tick or two.
    for counter, number in (
        (_UNKNOWN_PACKETS, counts.unknown_packets),
        (_DAMAGED_FRAMES, counts.damaged_frames),
        (_UNDECODED, counts.undecoded_packets),
        (metrics.UNKNOWN_INSTRUMENTS, counts.unknown_instruments),
        (metrics.REPEATED, counts.repeated_ticks),
        (_IMPOSSIBLE, counts.impossible_ticks),
        (_BACKWARDS, counts.backwards_ticks),
    ):
        if number:
            counter.inc(number)


@cache
def _of_status(status: int) -> Counter:
    return metrics.STATUSES.labels(Status(status).name)
