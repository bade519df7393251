"""A group's reader that acknowledges with its next read: one round trip where there were two."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from redis.asyncio import Redis

from shared.streams import replies
from shared.streams.client import Word, translate
from shared.streams.entry import Entry
from shared.streams.ids import EntryId
from shared.streams.line import Line
from shared.streams.reader import GroupReader


class SettlingReader(GroupReader):
    """Reads over a connection of its own; what is done is acknowledged by the read that follows.

    Of each stream one entry more than `count_max` may come at once.
    Whoever ends before that read leaves entries pending that are done: delivery is at least once
    as ever. `settle` before a stream is given up spares the next owner the work.
    """

    def __init__(  # noqa: PLR0913  # those of a GroupReader
        self,
        redis: Redis,
        streams: Sequence[str],
        group: str,
        consumer: str,
        *,
        count_max: int,
        block_ms: int,
        start: Literal["0", "$"] = "0",
    ) -> None:
        super().__init__(
            redis, streams, group, consumer, count_max=count_max, block_ms=block_ms, start=start
        )
        self._line = Line(redis)
        self._done: defaultdict[str, list[EntryId]] = defaultdict(list)

    def done(self, entries: Sequence[Entry]) -> None:
        """Acknowledge these with the next read, before it looks for new ones."""
        for entry in entries:
            self._done[entry.stream].append(entry.id)

    async def settle(self) -> None:
        """Acknowledge now what is done.

        Raises:
            StreamError: Redis refused or vanished; the next read, or settling, does it.
        """
        await self.acknowledge([Entry(s, one, {}) for s, ids in self._done.items() for one in ids])
        self._done.clear()

    def remove(self, stream: str) -> None:
        """Stop reading `stream`; what is not acknowledged by now stays pending, done or not."""
        super().remove(stream)
        self._done.pop(stream, None)

    async def _read_once(self) -> list[Entry]:
        commands: list[list[Word]] = [
            ["XACK", stream, self._group, *map(str, done)] for stream, done in self._done.items()
        ]
        settled = len(commands)
        commands.append(self._read_words())
        if len(self._streams) > 1:
            # Before 7.2 Redis wakes a reader with the entries of one stream alone.
            commands.append(self._words("COUNT", 1))
        with translate(f"XREADGROUP of {', '.join(self._streams[:3])}"):
            answers = await self._line.exchange(commands)
            for answer in answers:
                self._check_group(answer)
                if isinstance(answer, Exception):
                    raise answer
        self._forget_done()
        return [entry for answer in answers[settled:] for entry in replies.of_plain_read(answer)]

    def _forget_done(self) -> None:
        for stream, done in self._done.items():
            self._held[stream].difference_update(done)
        self._done.clear()
