from __future__ import annotations

import numpy as np
import pytest

from enrich import metrics
from enrich.batch import RECORDS_PER_ENTRY_MAX, Batches, by_shard, whole_bytes
from enrich.engine import Engine
from enrich.parameters import Parameters
from shared.clock import ManualClock
from shared.streams.entry import Entry
from shared.streams.ids import EntryId
from shared.wire.ticks import (
    BATCH_HEADER_DTYPE,
    RAW_HEADER_DTYPE,
    SOCKET_REPAIR,
    TICK,
    TICK_DTYPE,
    TickFlag,
)
from shared.wire.topics import ENRICHED_TICKS, RAW_TICKS
from tests.support import kite_frames
from tests.support.kite_market import (
    NOW_NS,
    SHARE,
    UNKNOWN,
    header,
    index_packet,
    instruments,
    packet,
    segments,
)


def batches(before: Batches | None = None) -> Batches:
    made = Batches(Engine(instruments(), 7, Parameters()), ManualClock(NOW_NS), before)
    if before is None:
        made.start(0)
    return made


def entry(number: int, raw: bytes, *, head: bytes | None = None, shard: int = 0) -> Entry:
    fields = {b"h": header(100) if head is None else head, b"s": raw}
    return Entry(RAW_TICKS.name(shard), EntryId(1_000 + number, 0), fields)


def share(price: float, at_ns: int = NOW_NS) -> bytes:
    return segments([packet(SHARE, price)], at_ns=at_ns)


def repair(number: int, price: float, at_ns: int = NOW_NS) -> Entry:
    head = np.frombuffer(header(1), RAW_HEADER_DTYPE).copy()
    head["socket"] = SOCKET_REPAIR
    return entry(number, share(price, at_ns), head=head.tobytes())


def written(append) -> tuple[np.void, np.ndarray]:
    head = np.frombuffer(append.fields[b"h"], BATCH_HEADER_DTYPE)[0]
    return head, np.frombuffer(append.fields[b"r"], TICK_DTYPE)


def left_out(cause: str) -> float:
    return metrics.LEFT_OUT.labels(cause)._value.get()


def test_each_entry_becomes_one_append_with_fence_and_the_next_sequence() -> None:
    appends, poison = batches().enrich(
        0, 9, [entry(1, share(1.0)), entry(2, share(2.0))], late=False
    )
    assert not poison
    assert [append.topic for append in appends] == [ENRICHED_TICKS] * 2
    for number, append in enumerate(appends):
        head, records = written(append)
        assert (head["sequence"], head["fence"], head["records"]) == (number, 9, 1)
        assert (head["layout_version"], head["record_bytes"]) == (TICK.version, 392)
        assert records["raw_entry_ms"].tolist() == [1_001 + number]
        assert records["fence"].tolist() == [9]


def test_entry_without_a_tick_writes_nothing() -> None:
    assert batches().enrich(0, 9, [entry(1, b"")], late=False) == ([], [])


@pytest.mark.parametrize("late", [False, True])
def test_poison_entries_are_named_and_the_others_enriched(late: bool) -> None:
    bare = Entry(RAW_TICKS.name(0), EntryId(3, 0), {b"h": header()})
    entries = [entry(1, share(1.0), head=b"short"), entry(2, share(2.0)), bare]
    appends, poison = batches().enrich(0, 9, entries, late=late)
    assert [written(append)[1]["last_price"].tolist() for append in appends] == [[2.0]]
    assert {broken.entry.id for broken in poison} == {EntryId(1_001, 0), EntryId(3, 0)}
    assert sorted(broken.reason for broken in poison) == [
        "raw entry lacks field s",
        "raw header is 5 bytes, not 40",
    ]


def test_late_entries_are_cut_down_to_the_newest_tick_of_each_instrument() -> None:
    before = left_out("late")
    entries = [
        entry(1, segments([packet(SHARE, 1.0), index_packet(24_000.0), packet(UNKNOWN, 1.0)])),
        entry(2, share(2.0, NOW_NS + 5)),
        entry(3, share(3.0, NOW_NS + 9)),
    ]
    (append,), poison = batches().enrich(0, 9, entries, late=True)
    _, records = written(append)
    assert not poison
    assert records["last_price"].tolist() == [24_000.0, 3.0]
    assert records["received_at_ns"].tolist() == [NOW_NS, NOW_NS + 9]
    assert set(records["raw_entry_ms"]) == {1_003}
    assert left_out("late") - before == 3


def test_late_entry_that_ends_inside_a_segment_does_not_swallow_the_next() -> None:
    before = left_out("damaged_frame")
    entries = [entry(1, share(1.0)[:-1]), entry(2, share(2.0))]
    (append,), _ = batches().enrich(0, 9, entries, late=True)
    assert written(append)[1]["last_price"].tolist() == [2.0]
    assert left_out("damaged_frame") - before == 1


def test_late_entries_that_are_all_poison_write_nothing() -> None:
    appends, poison = batches().enrich(0, 9, [entry(1, b"", head=b"")], late=True)
    assert (appends, len(poison)) == ([], 1)


def test_newer_instruments_go_on_with_the_sequence_a_new_owner_begins_anew() -> None:
    first = batches()
    first.enrich(0, 9, [entry(1, share(1.0))], late=False)
    second = batches(first)
    ((append,), _) = second.enrich(0, 9, [entry(2, share(2.0))], late=False)
    assert written(append)[0]["sequence"] == 1
    second.start(0)
    ((append,), _) = second.enrich(0, 10, [entry(3, share(3.0))], late=False)
    assert written(append)[0]["sequence"] == 0


def test_what_is_odd_is_counted() -> None:
    unknown, repeated = metrics.UNKNOWN_INSTRUMENTS._value.get(), metrics.REPEATED._value.get()
    raw = segments([packet(UNKNOWN, 1.0), packet(SHARE, 1.0), packet(SHARE, 1.0)])
    batches().enrich(0, 9, [entry(1, raw)], late=False)
    assert metrics.UNKNOWN_INSTRUMENTS._value.get() - unknown == 1
    assert metrics.REPEATED._value.get() - repeated == 1


def test_entries_of_several_shards_are_told_apart_in_order() -> None:
    mixed = [entry(1, b"", shard=0), entry(2, b"", shard=12), entry(3, b"", shard=0)]
    found = {shard: [each.id.ms for each in entries] for shard, entries in by_shard(mixed)}
    assert found == {0: [1_001, 1_003], 12: [1_002]}


def test_whole_bytes_end_with_the_last_whole_segment() -> None:
    one, two = share(1.0), share(2.0)
    for cut in range(len(two)):
        assert whole_bytes(one + two[:cut]) == len(one)
    assert whole_bytes(one + two) == len(one + two)
    assert whole_bytes(b"") == 0


@pytest.mark.parametrize("late", [False, True])
def test_repair_is_marked_in_its_records_and_in_the_last_state_and_nowhere_else(late: bool) -> None:
    made = batches()
    entries = [entry(1, share(1.0)), repair(2, 2.0, NOW_NS + 1_000), entry(3, share(3.0))]
    appends, poison = made.enrich(0, 9, entries[:2], late=late)
    assert not poison
    marks = [written(append)[1]["tick_flags"] & TickFlag.REPAIR for append in appends]
    assert [mark.tolist() for mark in marks] == [[0], [TickFlag.REPAIR]]
    assert made.engine.last.ticked()["tick_flags"] & TickFlag.REPAIR == [TickFlag.REPAIR]
    made.enrich(0, 9, entries[2:], late=late)
    assert made.engine.last.ticked()["tick_flags"] & TickFlag.REPAIR == [0]


def test_late_ticks_on_both_sides_of_a_repair_keep_their_order() -> None:
    entries = [
        *(entry(number, share(float(number))) for number in (1, 2)),
        repair(3, 3.0),
        *(entry(number, share(float(number))) for number in (4, 5)),
    ]
    appends, _ = batches().enrich(0, 9, entries, late=True)
    prices = [written(append)[1]["last_price"].tolist() for append in appends]
    assert prices == [[2.0], [3.0], [5.0]]


def test_entry_of_many_short_packets_becomes_entries_that_any_log_takes() -> None:
    ticks = 2 * RECORDS_PER_ENTRY_MAX + 1
    packets = [kite_frames.ltp(SHARE, 100 + n) for n in range(ticks)]
    made = batches()
    raw = entry(1, segments(packets), head=header(ticks))
    appends, _ = made.enrich(0, 9, [raw, entry(2, share(1.0))], late=False)
    found = [written(append) for append in appends]
    assert [int(head["records"]) for head, _ in found] == [
        RECORDS_PER_ENTRY_MAX,
        RECORDS_PER_ENTRY_MAX,
        1,
        1,
    ]
    assert [int(head["sequence"]) for head, _ in found] == [0, 1, 2, 3]
    assert max(append.size_bytes for append in appends) < 1024 * 1024
    whole = np.concatenate([records for _, records in found[:3]])
    assert whole["raw_packet_index"].tolist() == list(range(ticks))
