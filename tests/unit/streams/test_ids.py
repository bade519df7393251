from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import MessageError
from shared.streams.ids import BEFORE_ALL, EntryId, parse

PART = st.integers(0, 2**64 - 1)


@given(PART, PART)
def test_id_written_and_read_is_the_same(ms, sequence):
    entry_id = EntryId(ms, sequence)
    assert parse(str(entry_id)) == parse(str(entry_id).encode()) == entry_id


def test_id_without_a_sequence_is_the_first_of_its_millisecond():
    assert parse("1700000000000") == EntryId(1700000000000, 0)
    assert parse("0") == BEFORE_ALL


@pytest.mark.parametrize(
    "text", ["", "-", "1-", "-1", "a-1", "1-2-3", "$", ">", b"\xff-1", "1.5-0", "²-0", "9" * 21]
)
def test_text_that_is_no_id_is_refused_by_name(text):
    with pytest.raises(MessageError, match="is not <milliseconds>-<sequence>"):
        parse(text)


def test_ids_are_ordered_by_time_then_sequence():
    assert EntryId(1, 9) < EntryId(2, 0) < EntryId(2, 10)
