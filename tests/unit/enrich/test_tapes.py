"""A tape gives byte-identical records however it was blocked, sliced or damaged behind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrich.engine import Engine, Lineage
from enrich.parameters import Parameters
from shared.wire.playback import Cut, slices
from shared.wire.tape_filling import Filling, pieces_of
from tests.support.kite_market import RATE, header, instruments
from tests.support.tapes import opened, tape_of
from tests.unit.enrich.test_engine import LINEAGE, tapes

cuts = st.builds(
    Cut,
    bytes_max=st.sampled_from([1, 200, 2_000, 100_000]),
    span_ns_max=st.sampled_from([0, 1, 1_000_000, 300_000_000]),
)


def records_of(entries: list[bytes]) -> bytes:
    """Return the records of raw entries, without the names of the entries.

    Those are the only fields that may differ: raw_entry_ms, raw_entry_sequence, raw_packet_index.
    """
    made = Engine(instruments(), 7, Parameters(id=3, rate=RATE))
    parts = []
    for number, segments in enumerate(entries):
        records, _ = made.enrich(header(500), segments, Lineage(number, number, 9))
        parts.append(records.copy())
    every = np.concatenate(parts)
    for name in LINEAGE:
        every[name] = 0
    return every.tobytes()


def blocked(tape: list[bytes], ends: set[int]) -> bytes:
    """Return a tape whose blocks end behind those segments."""
    blocks, filling = [], Filling()
    for number, segment in enumerate(tape, start=1):
        for piece in pieces_of(segment):
            filling.add(piece, "AB1234", 0)
        if number in ends or number == len(tape):
            blocks.append(filling.take())
    return tape_of(blocks)


@pytest.mark.slow
@given(tapes(), st.sets(st.integers(1, 11)), cuts)
@settings(max_examples=60, deadline=None)
def test_records_of_a_replayed_tape_do_not_depend_on_blocks_or_slices(tape, ends, cut) -> None:
    reader = opened(blocked(tape, ends))
    replayed = [
        piece.segments
        for _, block in reader.blocks()
        for piece in slices(reader.header, block, cut)
    ]
    assert reader.damage is None
    assert b"".join(replayed) == b"".join(tape)
    assert records_of(replayed) == records_of([b"".join(tape)])


@given(tapes(), st.sets(st.integers(1, 11)), st.data())
@settings(max_examples=30, deadline=None)
def test_records_of_a_truncated_tape_are_the_first_of_the_whole_one(tape, ends, data) -> None:
    body = blocked(tape, ends)
    reader = opened(body[: data.draw(st.integers(48, len(body)))])
    replayed = [block.payload for _, block in reader.blocks()]
    if replayed:
        assert records_of([b"".join(tape)]).startswith(records_of(replayed))
