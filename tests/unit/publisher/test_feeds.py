"""Where a feed begins."""

import pytest

from publisher.feeds import _just_before
from shared.streams.ids import BEFORE_ALL, EntryId


@pytest.mark.parametrize("entry_id", [EntryId(5, 3), EntryId(5, 0), EntryId(1, 0)])
def test_an_entry_is_the_next_one_after_the_id_just_before_it(entry_id: EntryId) -> None:
    assert _just_before(entry_id).next() in {entry_id, EntryId(entry_id.ms, 0)}
    assert _just_before(entry_id) < entry_id


def test_there_is_nothing_before_the_beginning() -> None:
    assert _just_before(BEFORE_ALL) == BEFORE_ALL
