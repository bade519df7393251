"""Messages of one channel, each kept once for everybody who has not read it yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from publisher.fanout.dialects import Dialect


@dataclass(slots=True)
class _Kept:
    entry_id: str
    message: Any
    size: int
    bodies: dict[int, bytes] = field(default_factory=dict)


class Backlog:
    """Numbers messages from 0; a reader is one number, the next it has to be given.

    The oldest are let go where there are more than `entries_max` or `bytes_max`. What a reader
    that is further behind gets is for `restarts` to say: the channel from its newest restart on
    (an option chain's snapshot), or nothing ever (an account's orders).
    """

    def __init__(
        self,
        dialects: Sequence[Dialect],
        *,
        entries_max: int,
        bytes_max: int,
        restarts: bool = False,
    ) -> None:
        self._dialects = dialects
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self.restarts = restarts
        self._kept: dict[int, _Kept] = {}
        self._places: dict[str, int] = {}
        #: The entry before the oldest kept; whoever had it last has missed nothing.
        self._origin: str | None = None
        self.first = 0
        self.next = 0
        #: Where a reader without a past begins.
        self.start = 0
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def begin(self, entry_id: str) -> None:
        """Say after which entry of its stream the channel begins."""
        if not self._kept:
            self._origin = entry_id

    def append(self, entry_id: str, message: Any, *, is_restart: bool = False) -> None:
        """Add the newest message, the one of this entry."""
        text = self._dialects[0].reply(message)
        self._kept[self.next] = _Kept(entry_id, message, len(text), {0: text})
        self._places[entry_id] = self.next
        self.bytes += len(text)
        if is_restart:
            self.start = self.next
        self.next += 1
        if not self.restarts:
            self.start = self.next
        while len(self._kept) > self._entries_max or (
            self.bytes > self._bytes_max and len(self._kept) > 1
        ):
            self._let_go()
        while is_restart and self.first < self.start:
            self._let_go()

    def after(self, entry_id: str) -> int | None:
        """Return the reader who had this entry last; None where something may be missing."""
        place = self._places.get(entry_id)
        if place is not None:
            return place + 1
        return self.first if entry_id == self._origin else None

    def newest_id(self) -> str | None:
        """Return the id of the newest message, or of the entry the channel begins after."""
        return self._kept[self.next - 1].entry_id if self._kept else self._origin

    def read(self, reader: int, dialect: int, bytes_max: int) -> tuple[list[bytes], int]:
        """Return messages from `reader` on, one, then more while they fit; the reader after them.

        A reader behind the oldest kept gets what it has missed never again: see `is_lost`.
        """
        taken: list[bytes] = []
        total = 0
        while reader < self.next:
            body = self._body(reader, dialect)
            if taken and total + len(body) > bytes_max:
                break
            taken.append(body)
            total += len(body)
            reader += 1
        return taken, reader

    def is_lost(self, reader: int) -> bool:
        """Tell whether messages this reader has to be given are no longer there."""
        return reader < self.first

    def _body(self, index: int, dialect: int) -> bytes:
        kept = self._kept[index]
        body = kept.bodies.get(dialect)
        if body is None:
            body = kept.bodies[dialect] = self._dialects[dialect].reply(kept.message)
        return body

    def _let_go(self) -> None:
        kept = self._kept.pop(self.first)
        if self._places.get(kept.entry_id) == self.first:
            del self._places[kept.entry_id]
        self._origin = kept.entry_id
        self.bytes -= kept.size
        self.first += 1
        self.start = max(self.start, self.first)
