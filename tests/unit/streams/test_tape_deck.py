"""Raw entries onto tapes: rotated, counted, whole whatever the disk does."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.clock import ManualClock
from shared.errors import LocalError
from shared.streams.entry import Entry
from shared.streams.ids import EntryId
from shared.streams.tape_deck import TapeDeck, TapeTerms
from shared.streams.tape_file import create
from shared.wire.segments import segment
from shared.wire.shards import ShardMap
from shared.wire.tape import Block, BlockKind
from shared.wire.tape_reader import Tape
from shared.wire.ticks import SOCKET_SEVERAL
from tests.support.option_chain import market
from tests.support.tapes import VERSION, raw_entry

NOW_NS = 1_795_500_000_000_000_000
FRAME = b"\0\1\0\x08" + bytes(8)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_NS)


def deck_of(directory: Path, clock: ManualClock, **terms: float) -> TapeDeck:
    return TapeDeck(TapeTerms(directory, **{"free_bytes_min": 0, **terms}), clock)


def entry(number: int, **more) -> Entry:
    return raw_entry(segment(NOW_NS + number, FRAME), sequence=number, version=VERSION, **more)


def blocks_on(path: Path) -> list[Block]:
    with path.open("rb") as file:
        tape = Tape(file)
        blocks = [block for _, block in tape.blocks()]
        assert tape.damage is None
        return blocks


def paths_of(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.tape"), key=lambda path: path.stat().st_mtime_ns)


def test_entries_of_a_shard_come_out_as_they_went_in(tmp_path: Path, clock) -> None:
    deck = deck_of(tmp_path, clock)
    entries = [entry(number) for number in range(5)]
    deck.take(0, entries)
    deck.close()
    (path,) = paths_of(tmp_path)
    (block,) = blocks_on(path)
    assert block.payload == b"".join(each.fields[b"s"] for each in entries)
    assert (block.first_ns, block.last_ns, block.packets) == (NOW_NS, NOW_NS + 4, 5)
    recorded = deck.recorded
    assert (recorded.entries, recorded.packets, recorded.files) == (5, 5, [str(path)])
    assert recorded.stored_bytes == path.stat().st_size


def test_every_shard_has_its_own_tape(tmp_path: Path, clock) -> None:
    deck = deck_of(tmp_path, clock)
    for shard in (4, 7):
        deck.take(shard, [entry(0)])
    deck.close()
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "raw-0004-20261124T060000Z.tape",
        "raw-0007-20261124T060000Z.tape",
    ]


def test_block_waits_no_longer_than_told(tmp_path: Path, clock) -> None:
    deck = deck_of(tmp_path, clock, flush_s=1.0)
    deck.take(0, [entry(0)])
    deck.tend()
    assert not paths_of(tmp_path)
    clock.advance(1.0)
    deck.tend()
    with paths_of(tmp_path)[0].open("rb") as file:
        assert len([*Tape(file).blocks()]) == 1
    deck.close()


@pytest.mark.parametrize("by", ["size", "age", "version"])
def test_tape_is_exchanged_by_size_age_and_version(tmp_path: Path, clock, by: str) -> None:
    sizes = {"rotate_bytes": 100, "block_bytes": 1} if by == "size" else {}
    deck = deck_of(tmp_path, clock, flush_s=0.5, rotate_s=10.0, **sizes)
    deck.take(0, [entry(0)])
    clock.advance(10.0 if by == "age" else 1.0)
    deck.tend()
    clock.advance(10.0 if by == "age" else 0.0)
    deck.tend()
    changed = {"instruments_version": VERSION + 1} if by == "version" else {}
    deck.take(0, [entry(1, **changed)])
    deck.close()
    first, second = paths_of(tmp_path)
    assert [len(blocks_on(path)) for path in (first, second)] == [1, 1]
    with second.open("rb") as file:
        assert Tape(file).header.instruments_version == VERSION + (by == "version")


def test_tape_begins_with_its_shards_instruments(tmp_path: Path, clock) -> None:
    deck = deck_of(tmp_path, clock)
    assert deck.lacks(VERSION)
    deck.know(VERSION, market(), ShardMap(version=1, shards=2, underlyings={"INFY": 1}))
    deck.take(1, [entry(0)])
    deck.close()
    instruments, shard_map, segments = blocks_on(paths_of(tmp_path)[0])
    assert instruments.payload == market()[market()["shard"] == 1].tobytes()
    assert shard_map.payload == b'{"version":1,"shards":2,"underlyings":{"INFY":1}}'
    assert segments.kind is BlockKind.SEGMENTS


def test_lost_entries_are_counted_where_they_were_lost(tmp_path: Path, clock) -> None:
    deck = deck_of(tmp_path, clock)
    other = {"account": b"XY9876"}
    deck.take(0, [entry(0), entry(1), entry(50, **other), entry(1), entry(5), entry(51, **other)])
    deck.take(0, [entry(0, epoch=2), entry(1, epoch=2)])
    deck.close()
    before, after = blocks_on(paths_of(tmp_path)[0])
    assert (before.missed_entries, after.missed_entries) == (0, 3)
    assert (before.account, before.socket) == ("", SOCKET_SEVERAL)
    assert deck.recorded.missed_entries == 3


@pytest.mark.parametrize(
    "fields", [{}, {b"h": b"short", b"s": b""}, {b"h": entry(0).fields[b"h"], b"s": b"half"}]
)
def test_entry_that_is_none_is_counted_and_left_out(tmp_path: Path, clock, fields) -> None:
    deck = deck_of(tmp_path, clock)
    deck.take(0, [Entry("x", EntryId(1, 1), fields), entry(0)])
    deck.close()
    assert (deck.recorded.unreadable_entries, deck.recorded.entries) == (1, 1)


def test_two_tapes_of_one_second_have_two_names(tmp_path: Path, clock) -> None:
    for _ in range(2):
        deck = deck_of(tmp_path, clock)
        deck.take(0, [entry(0)])
        deck.close()
    assert len(paths_of(tmp_path)) == 2


class SmallDisk(io.FileIO):
    """A file on a disk that has room for so many bytes."""

    def __init__(self, path: Path, room: int) -> None:
        super().__init__(path, "xb")
        self._room = room

    def write(self, body) -> int:
        left = self._room - self.tell()
        if left <= 0:
            raise OSError(28, "No space left on device")
        return super().write(bytes(body)[:left])


@pytest.mark.parametrize("room", range(60, 700, 40))
def test_full_disk_ends_recording_in_one_sentence_and_leaves_whole_blocks(
    tmp_path: Path, clock, room: int
) -> None:
    terms = TapeTerms(tmp_path, block_bytes=1, free_bytes_min=0)
    deck = TapeDeck(terms, clock, opener=lambda path: SmallDisk(path, room))
    with pytest.raises(LocalError) as caught:
        deck.take(0, [entry(number) for number in range(100)])
    assert str(caught.value).startswith("disk full: tape ")
    assert "\n" not in str(caught.value)
    with pytest.raises(LocalError):
        deck.close()
    (path,) = paths_of(tmp_path)
    with path.open("rb") as file:
        tape = Tape(file)
        blocks = [block for _, block in tape.blocks()]
    assert len(blocks) == deck.recorded.packets
    assert tape.damage is not None
    assert "without its index" in tape.damage.reason


def test_device_that_is_full_says_so(tmp_path: Path, clock) -> None:
    def full(path: Path) -> io.FileIO:
        del path
        return Path("/dev/full").open("wb", buffering=0)  # the deck closes it

    deck = TapeDeck(TapeTerms(tmp_path, free_bytes_min=0), clock, opener=full)
    deck.take(0, [entry(0)])
    with pytest.raises(LocalError, match="disk full"):
        deck.close()


def test_recording_stops_before_the_disk_is_full_for_everybody(tmp_path: Path, clock) -> None:
    free: Iterator[int] = iter([1000, 1000, 999])
    deck = TapeDeck(
        TapeTerms(tmp_path, free_bytes_min=1000, sync_s=1.0, flush_s=0.0),
        clock,
        free_bytes=lambda _: next(free),
    )
    deck.take(0, [entry(0)])
    deck.tend()
    clock.advance(1.0)
    with pytest.raises(LocalError, match="recording stops: 999 bytes are free"):
        deck.tend()
    deck.close()
    assert len(blocks_on(paths_of(tmp_path)[0])) == 1


def test_directory_that_is_not_there_is_told(tmp_path: Path, clock) -> None:
    terms = TapeTerms(tmp_path / "missing", free_bytes_min=0)
    deck = TapeDeck(terms, clock, opener=create, free_bytes=lambda _: 1)
    deck.take(0, [entry(0)])
    with pytest.raises(LocalError, match="cannot be made: No such file"):
        deck.close()
