"""Option chains, passed on as they were written."""

from __future__ import annotations

from typing import Literal

import msgspec

from publisher.feeds.catalogue import Outlet
from publisher.feeds.tick_feed import MESSAGE_ENTRIES_MAX
from publisher.protocol.messages import ChainNotice
from shared.errors import MessageError
from shared.streams import groups
from shared.streams.client import Connection
from shared.streams.entry import Entry
from shared.streams.ids import EntryId
from shared.streams.reader import TailReader
from shared.wire import topics
from shared.wire.codec import JSON_FIELD

#: A snapshot of every chain is within the last half minute of the stream.
READ_BACK_MS = 35_000


class _Head(msgspec.Struct):
    """All that has to be known of a chain to pass it on."""

    kind: Literal["snapshot", "delta"]
    underlying: str
    expiry: str


_HEADS = msgspec.json.Decoder(_Head)


class ChainFeed:
    """Reads `chains.v1` from a snapshot of every chain on."""

    name = "chains"

    def __init__(self, redis: Connection, outlet: Outlet, *, block_ms: int) -> None:
        self._redis = redis
        self._desk = outlet.desk
        self._wake = outlet.wake
        self._malformed = outlet.malformed
        self._reader = TailReader(redis, {}, count_max=MESSAGE_ENTRIES_MAX, block_ms=block_ms)

    async def begin(self) -> None:
        """Go back to before the newest snapshots, once."""
        if not self._reader.positions:
            newest = await groups.newest_id(self._redis, topics.CHAINS.name())
            start = EntryId(max(0, newest.ms - READ_BACK_MS), 0)
            self._reader.add(topics.CHAINS.name(), start)

    async def step(self) -> None:
        """Read the stream once."""
        for entry in await self._reader.read():
            try:
                self._tell(entry)
            except MessageError as error:
                self._malformed.note(entry, error)

    def _tell(self, entry: Entry) -> None:
        body = entry.fields.get(JSON_FIELD, b"")
        try:
            head = _HEADS.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MessageError(f"chain: {error}") from error
        notice = ChainNotice(
            id=str(entry.id), name=f"{head.underlying}:{head.expiry}", chain=msgspec.Raw(body)
        )
        self._wake(self._desk.tell_chain(notice, is_snapshot=head.kind == "snapshot"))
