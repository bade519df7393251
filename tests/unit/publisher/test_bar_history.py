"""Whoever comes back is told every bar since, or that some may be missing."""

import pytest

from publisher.fanout import bar_history
from publisher.fanout.bar_history import INTERVALS_MAX, BarHistory
from publisher.fanout.flow import Source
from shared.streams.ids import EntryId
from shared.wire.bars import BAR
from tests.support.publisher_rows import bars


def history(*entries: tuple[str, str]) -> BarHistory:
    """Return a history of two shards, each entry with a bar of a minute and one of five."""
    made = BarHistory()
    for shard in ("0", "1"):
        made.begin(shard, EntryId(0, 0))
    for number, (shard, entry_id) in enumerate(entries):
        made.append(Source(shard, entry_id), bars((101, 60, number), (102, 300, number)))
    return made


def told(made: BarHistory, at: dict[str, str], *intervals: int) -> list | None:
    pasts = made.since(at, intervals)
    return pasts and [(past.source.entry_id, past.interval_s) for past in pasts]


def test_what_came_after_a_place_comes_in_the_order_of_the_entries() -> None:
    made = history(("0", "1-0"), ("1", "2-0"), ("0", "3-0"), ("1", "3-1"))
    assert made.at == {"0": "3-0", "1": "3-1"}
    assert told(made, {"0": "1-0", "1": "0-0"}, 60) == [("2-0", 60), ("3-0", 60), ("3-1", 60)]
    assert told(made, {"0": "1-0", "1": "3-1"}, 60, 300) == [("3-0", 60), ("3-0", 300)]
    assert told(made, {"0": "3-0", "1": "3-1"}, 60) == []
    assert told(made, {"0": "0-0", "1": "0-0"}, 900) == []


@pytest.mark.parametrize(
    "at",
    [
        {},
        {"0": "1-0"},
        {"0": "1-0", "1": "2-0", "2": "1-0"},
        {"0": "9-0", "1": "2-0"},
        {"0": "1-0/3", "1": "2-0"},
    ],
)
def test_a_place_that_is_not_known_is_not_guessed_at(at: dict[str, str]) -> None:
    assert told(history(("0", "1-0"), ("1", "2-0")), at, 60) is None


def test_what_was_read_back_to_is_known_and_nothing_before() -> None:
    made = BarHistory()
    made.begin("0", EntryId(5, 0))
    made.append(Source("0", "6-0"), bars((101, 60, 1.0)))
    assert told(made, {"0": "5-0"}, 60) == [("6-0", 60)]
    assert told(made, {"0": "4-9"}, 60) is None


def test_an_interval_that_overflows_forgets_its_own_oldest_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bar_history, "INTERVAL_BYTES_MAX", 3 * BAR.dtype.itemsize)
    made = BarHistory()
    made.begin("0", EntryId(0, 0))
    made.append(Source("0", "1-0"), bars((101, 300, 0.0)))
    for number in range(2, 7):
        made.append(Source("0", f"{number}-0"), bars((101, 60, float(number))))
    assert told(made, {"0": "2-0"}, 60) is None
    assert told(made, {"0": "3-0"}, 60) == [("4-0", 60), ("5-0", 60), ("6-0", 60)]
    assert told(made, {"0": "0-0"}, 300) == [("1-0", 300)]


def test_intervals_past_the_bound_are_passed_on_and_not_kept() -> None:
    made = BarHistory()
    made.begin("0", EntryId(0, 0))
    for interval in range(1, INTERVALS_MAX + 2):
        passed = made.append(Source("0", f"{interval}-0"), bars((101, interval, 1.0)))
        assert [past.interval_s for past in passed] == [interval]
    assert told(made, {"0": "0-0"}, INTERVALS_MAX + 1) is None
    assert told(made, {"0": "0-0"}, INTERVALS_MAX) == [(f"{INTERVALS_MAX}-0", INTERVALS_MAX)]
