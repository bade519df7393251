"""Channels whose every message is for whoever follows them, and how far each follower has come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from publisher.fanout.backlog import Backlog
from publisher.fanout.dialects import Dialect
from publisher.fanout.subscriber import Ledger


class Following:
    """Keeps channels by name; a follower's place in each is in its ledger."""

    def __init__(self, dialects: Sequence[Dialect], ledgers: Mapping[int, Ledger]) -> None:
        self._dialects = dialects
        self._ledgers = ledgers
        self.by_name: dict[str, Backlog] = {}
        self._followers: dict[str, set[int]] = {}

    def add(
        self, name: str, *, entries_max: int, bytes_max: int, restarts: bool = False
    ) -> Backlog:
        """Have a channel that subscribers can follow; see Backlog for its bounds."""
        channel = Backlog(
            self._dialects, entries_max=entries_max, bytes_max=bytes_max, restarts=restarts
        )
        self.by_name[name] = channel
        self._followers[name] = set()
        return channel

    def get(self, name: str) -> Backlog | None:
        """Return a channel, or None where there is none of this name."""
        return self.by_name.get(name)

    def tell(
        self, name: str, entry_id: str, message: Any, *, is_restart: bool = False
    ) -> list[int]:
        """Append a message to a channel; return whom to wake."""
        self.by_name[name].append(entry_id, message, is_restart=is_restart)
        followers = sorted(self._followers[name])
        for subscriber in followers:
            self._ledgers[subscriber].behind.add(name)
        return followers

    def follow(self, subscriber: int, name: str, reader: int | None = None) -> None:
        """Give a subscriber a channel's messages from this one on; None: from its start."""
        channel, ledger = self.by_name[name], self._ledgers[subscriber]
        ledger.readers[name] = channel.start if reader is None else reader
        if ledger.readers[name] < channel.next:
            ledger.behind.add(name)
        self._followers[name].add(subscriber)

    def unfollow(self, subscriber: int, name: str) -> None:
        """Give a subscriber no more of a channel."""
        ledger = self._ledgers[subscriber]
        ledger.readers.pop(name, None)
        ledger.behind.discard(name)
        self._followers[name].discard(subscriber)

    def leave(self, subscriber: int) -> None:
        """Give a subscriber no more of any channel."""
        for name in tuple(self._ledgers[subscriber].readers):
            self.unfollow(subscriber, name)
