"""Compiled loops give what a plain description of them gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.fanout.dialects import DIALECTS, Dialect
from publisher.fanout.encoded import Encoded, of_parts
from publisher.fanout.framing import Framer
from publisher.fanout.kernels import cells, concern, joining, newest, owing, shares
from publisher.fanout.kernels.bits import ones, place_of_lowest
from publisher.fanout.kernels.json_rows import write_rows
from publisher.fanout.latest import LATE_NS_MAX, NO_SLOT, Latest
from publisher.fanout.warming import warm_up
from publisher.protocol import frames
from tests.support.publisher_rows import rows

WORDS = 3
words = st.lists(st.integers(0, 2**64 - 1), min_size=WORDS, max_size=WORDS)
bit_rows = st.lists(words, min_size=1, max_size=12)


def members(bits: list[int]) -> set[int]:
    return {64 * word + bit for word in range(WORDS) for bit in range(64) if bits[word] >> bit & 1}


@given(st.integers(1, 2**64 - 1))
def test_bits_of_a_word_are_counted_and_the_lowest_found(bits: int) -> None:
    assert ones(np.uint64(bits)) == bits.bit_count()
    assert place_of_lowest(np.uint64(bits)) == (bits & -bits).bit_length() - 1


@given(owed=bit_rows, mask=words)
def test_everybody_of_the_mask_is_given_the_rows_of_its_bits_in_their_order(owed, mask) -> None:
    sizes = np.arange(10, 10 + len(owed))
    table = np.array(owed, np.uint64), np.array(mask, np.uint64)
    subscribers, cuts, totals, places = shares.shared_out(*table, sizes)
    expected = {
        subscriber: [row for row, bits in enumerate(owed) if subscriber in members(bits)]
        for subscriber in sorted(members(mask) & set().union(*map(members, owed)))
    }
    assert subscribers.tolist() == list(expected)
    given_rows = [places[cuts[n] : cuts[n + 1]].tolist() for n in range(len(subscribers))]
    assert given_rows == list(expected.values())
    assert totals.tolist() == [sum(10 + row for row in each) for each in given_rows]


@given(table=bit_rows, flowing=words, data=st.data())
def test_changed_instruments_concern_whoever_wants_one(table, flowing, data) -> None:
    slots = data.draw(st.lists(st.integers(0, len(table) - 1), max_size=8))
    everybody, pairs, owed = concern.concern(
        np.array(table, np.uint64), np.array(slots, np.int64), np.array(flowing, np.uint64)
    )
    wanting = [members(table[slot]) for slot in slots]
    assert members(everybody.tolist()) == set().union(*wanting)
    assert pairs == sum(map(len, wanting))
    strict = [each & members(flowing) for each in wanting]
    if any(strict):
        assert [members(row) for row in owed.tolist()] == strict
    else:
        assert not len(owed)


lengths = st.lists(
    st.lists(st.sampled_from([0, 1, 3, 40, 900, 70_000]), max_size=4), min_size=1, max_size=6
)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@given(sizes=lengths, has_at=st.booleans(), left_out=st.sets(st.integers(0, 5)))
def test_a_frame_is_a_header_and_the_message_that_the_dialect_writes(
    dialect: Dialect, sizes, has_at, left_out
) -> None:
    at = {"0": "5-1"} if has_at else None
    payloads = [[bytes([65 + place]) * size for place, size in enumerate(own)] for own in sizes]
    flat = [payload for own in payloads for payload in own]
    cuts = np.cumsum([0, *map(len, payloads)])
    is_left_out = np.array([number in left_out for number in range(len(payloads))])
    encoded = of_parts(flat[::-1])  # they need not lie in the order in which they are wanted
    places = np.arange(len(flat))[::-1].copy()
    made = Framer().frames(encoded, places, cuts, is_left_out, dialect.envelope(at))
    opcode = frames.TEXT if dialect.are_ticks_text else frames.BINARY
    messages = [dialect.ticks(own, at) for n, own in enumerate(payloads) if n not in left_out]
    assert made == [frames.header(opcode, len(body)) + body for body in messages]


def test_a_frame_of_before_does_not_change_with_the_next() -> None:
    framer, envelope = Framer(), DIALECTS[0].envelope(None)
    cuts, nobody = np.array([0, 1]), np.zeros(1, np.bool_)
    (first,) = framer.frames(of_parts([b"1"]), np.zeros(1, np.int64), cuts, nobody, envelope)
    before = bytes(first)
    framer.frames(of_parts([b"2"]), np.zeros(1, np.int64), cuts, nobody, envelope)
    assert first == before


ticks = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 3)), min_size=1, max_size=8)


@given(batches=st.lists(ticks, max_size=6))
def test_newest_records_are_those_of_a_dictionary_that_leaves_out_what_is_late(batches) -> None:
    latest, held, count = Latest(4), {}, 0
    for batch in batches:
        records = rows(*((token, 1.0) for token, _ in batch))
        stamps = [step * (LATE_NS_MAX // 2) for _, step in batch]
        records["received_at_ns"] = stamps
        applied = latest.apply(np.frombuffer(records.tobytes(), records.dtype))
        known = [token for token, _ in batch if latest.slots_of(np.array([token]))[0] != NO_SLOT]
        before = dict(held)
        late = 0
        for (token, _), stamp in zip(batch, stamps, strict=True):
            if token not in known:
                continue
            if stamp < before.get(token, 0) < stamp + LATE_NS_MAX:
                late += 1
                continue
            count += 1
            held[token] = stamp
        assert (applied.late, applied.over) == (late, len(batch) - len(known))
    assert latest.sequence == count
    tokens = np.array(sorted(held), np.uint32)
    stored = latest.records(latest.slots_of(tokens))
    assert dict(zip(tokens.tolist(), stored["received_at_ns"].tolist(), strict=True)) == held


wishes = st.lists(
    st.tuples(st.lists(st.integers(0, 9), unique=True), st.integers(0, 12)), min_size=1, max_size=5
)


@given(wishes=wishes, sequences=st.permutations(range(1, 11)))
def test_owed_is_what_moved_above_a_subscribers_level_longest_owed_first(wishes, sequences) -> None:
    newest_of = np.array(sequences, np.uint64)
    wanted = [np.array(slots, np.int64) for slots, _ in wishes]
    levels = np.array([level for _, level in wishes], np.uint64)
    found, cuts = owing.owed(
        np.concatenate(wanted), np.cumsum(list(map(len, wanted))), levels, newest_of, 4
    )
    for number, (slots, level) in enumerate(wishes):
        mine = found[cuts[number] : cuts[number + 1]].tolist()
        expected = [slot for slot in slots if sequences[slot] > level]
        if len(expected) <= 4:
            expected.sort(key=sequences.__getitem__)
        assert mine == expected


def test_every_loop_is_compiled_once_whatever_is_told_to_whom() -> None:
    warm_up()
    taken = newest.look_up, newest.take, concern.concern
    for loop in (*taken, shares.shared_out, owing.owed, cells.store, joining.join, write_rows):
        assert len(getattr(loop, "signatures", [()])) == 1


def test_payloads_that_were_not_made_are_of_no_bytes() -> None:
    nothing = Encoded(np.empty(0, np.uint8), np.zeros(2, np.int64), np.zeros(2, np.int64))
    assert nothing.payloads() == [b"", b""]
