"""What the streams hold already is read before anybody is let in, and never for ever."""

from collections.abc import Awaitable, Callable

from publisher.feeds.catalogue import Catalogue, Malformed
from publisher.feeds.shard_reader import PAST_S_MAX, ShardReader
from shared.clock import ManualClock
from shared.runtime.logs import get_log
from shared.streams.entry import Entry
from shared.streams.ids import BEFORE_ALL, EntryId
from tests.support.publisher_rows import CALL, batch, rows


class Streams:
    """Two streams that are read a few entries at a time; `writes` come with each further read."""

    def __init__(self, held: dict[str, int], *, writes: str = "") -> None:
        self.left = [
            Entry(stream, EntryId(number, 0), batch(rows((CALL, float(number))), shard=int(stream)))
            for stream, entries in held.items()
            for number in range(1, entries + 1)
        ]
        self.clock = ManualClock()
        self._writes = writes
        self._written = 1000

    async def read(self) -> list[Entry]:
        self.clock.advance(1.0)
        if self._writes:
            self._written += 1
            fields = batch(rows((CALL, 0.5)), shard=int(self._writes))
            self.left.append(Entry(self._writes, EntryId(self._written, 0), fields))
        read, self.left = self.left[:3], self.left[3:]
        return read


class Shards:
    shards = 2


def follow(newest: dict[int, int]) -> Callable[[int], Awaitable[tuple[str, EntryId]]]:
    async def of(shard: int) -> tuple[str, EntryId]:
        held = newest.get(shard)
        return str(shard), EntryId(held, 0) if held else BEFORE_ALL

    return of


async def past(streams: Streams, newest: dict[int, int]) -> list[tuple[str, int]]:
    catalogue: Catalogue = Shards()  # type: ignore[assignment]
    malformed = Malformed(get_log(), streams.clock)
    reader = ShardReader(streams, catalogue, malformed, follow(newest))  # type: ignore[arg-type]
    await reader.begin()
    read = [(entry.stream, entry.id.ms) async for entry, _ in reader.past(streams.clock)]
    assert [each async for each in reader.past(streams.clock)] == []
    return read


async def test_all_that_both_streams_hold_is_the_past() -> None:
    read = await past(Streams({"0": 7, "1": 4}, writes="1"), {0: 7, 1: 4})
    assert [number for stream, number in read if stream == "0"] == [*range(1, 8)]
    assert [number for stream, number in read if stream == "1"][:4] == [*range(1, 5)]
    assert len(read) == 12, "it is over as soon as the newest entry of each has come"


async def test_streams_without_an_entry_have_no_past() -> None:
    streams = Streams({"0": 2})
    assert await past(streams, {}) == []
    assert len(streams.left) == 2


async def test_a_newest_entry_that_is_deleted_meanwhile_ends_the_past_with_the_stream() -> None:
    assert len(await past(Streams({"0": 2}), {0: 9})) == 2


async def test_a_newest_entry_that_never_comes_is_not_awaited_for_ever() -> None:
    streams = Streams({}, writes="1")
    await past(streams, {0: 9})
    assert streams.clock.monotonic_s() <= PAST_S_MAX + 1.0
