from __future__ import annotations

from shared.streams import replies
from shared.streams.entry import Entry
from shared.streams.ids import EntryId
from shared.streams.replies import Group, Pending


def test_read_that_timed_out_is_no_entries():
    assert replies.of_read(None) == replies.of_read([]) == []


def test_read_of_two_streams_is_one_list_that_names_them():
    reply = [
        [b"a", [(b"1-0", {b"n": b"1"}), (b"1-1", {b"n": b"2"})]],
        [b"b", [(b"2-0", {b"n": b"3"})]],
    ]
    assert replies.of_read(reply) == [
        Entry("a", EntryId(1, 0), {b"n": b"1"}),
        Entry("a", EntryId(1, 1), {b"n": b"2"}),
        Entry("b", EntryId(2, 0), {b"n": b"3"}),
    ]


def test_claimed_entry_without_content_is_left_out():
    reply = [(None, None), (b"1-0", {b"n": b"1"})]
    assert replies.of_range("a", reply) == [Entry("a", EntryId(1, 0), {b"n": b"1"})]


def test_pending_rows_are_narrowed():
    row = {"message_id": b"1-0", "consumer": b"c", "time_since_delivered": 5, "times_delivered": 2}
    assert replies.of_pending([row]) == [Pending(EntryId(1, 0), "c", 5, 2)]


def test_groups_are_narrowed_with_and_without_the_fields_of_seven():
    row = {"name": b"g", "consumers": 1, "pending": 2, "last-delivered-id": b"3-0"}
    group = Group("g", 1, 2, EntryId(3, 0))
    assert replies.of_groups([row, row | {"entries-read": None, "lag": None}]) == [group, group]
