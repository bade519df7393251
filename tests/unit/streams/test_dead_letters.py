from __future__ import annotations

import pytest

from shared.errors import MessageError
from shared.streams.dead_letters import DeadLetter, letters_max, of_entry, to_fields
from shared.streams.entry import Entry
from shared.streams.ids import EntryId

LETTER = DeadLetter(
    stream="orders.commands.v1.AB1234",
    id=EntryId(5, 1),
    group="executor",
    reason="unknown field `qty`",
    attempts=3,
    fields={b"json": b"{}", b"reason": b"theirs", b"field.x": b"\xff"},
)


def test_dead_letter_written_and_read_is_the_same_even_where_names_collide():
    assert of_entry(Entry("x.dead", EntryId(9, 0), to_fields(LETTER))) == LETTER


def test_reason_is_cut_to_a_sensible_length():
    fields = to_fields(LETTER._replace(reason="x" * 10_000))
    assert len(fields[b"reason"]) == 500


@pytest.mark.parametrize("name", [b"stream", b"id", b"group", b"reason", b"attempts"])
def test_entry_without_one_of_the_fields_is_no_dead_letter(name):
    fields = to_fields(LETTER)
    del fields[name]
    with pytest.raises(MessageError, match=r"9-0 of x\.dead is not a dead letter"):
        of_entry(Entry("x.dead", EntryId(9, 0), fields))


def test_entry_with_a_number_that_is_none_is_no_dead_letter():
    fields = to_fields(LETTER) | {b"attempts": b"three"}
    with pytest.raises(MessageError, match="not a dead letter"):
        of_entry(Entry("x.dead", EntryId(9, 0), fields))


def test_dead_letters_of_orders_are_never_trimmed_those_of_ticks_are():
    assert letters_max("orders.commands.v1.AB1234") == 0
    assert letters_max("ticks.raw.v1.0") > 0
