"""What the door of Kite's dialect reads: raw ticks, and what the broker says of orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from publisher.fanout.universe import Universe
from publisher.feeds.catalogue import Catalogue, Malformed
from publisher.kite import metrics
from publisher.kite.protocol import order_text
from publisher.kite.server import KiteServer
from shared.errors import MessageError
from shared.kite.codec.repack import repack
from shared.kite.codec.shelf import Shelf
from shared.streams import published
from shared.streams.client import Connection
from shared.streams.entry import Entry
from shared.streams.ids import EntryId
from shared.streams.reader import TailReader
from shared.streams.tails import Tail
from shared.wire import codec, topics
from shared.wire.orders import BrokerUpdate

ENTRIES_MAX: Final = 64
_SEGMENTS_FIELD: Final = b"s"
#: Polls repeat what was said; Zerodha's socket says each change once.
_TOLD: Final = frozenset({"socket", "postback"})


class KiteTickFeed:
    """Kite's packets of every shard, onto the shelf of the door."""

    name = "kite_ticks"

    def __init__(
        self,
        redis: Connection,
        catalogue: Catalogue,
        door: KiteServer,
        malformed: Malformed,
        *,
        reader: Tail,
        overlap_s: float,
    ) -> None:
        self._redis = redis
        self._catalogue = catalogue
        self._door = door
        self._malformed = malformed
        self._overlap_ms = round(overlap_s * 1000)
        self._reader = reader
        self._followed = 0
        self._universe: Universe | None = None

    async def begin(self) -> None:
        """Take up shards that are new, with the last value of everything in them."""
        self._follow_universe()
        for shard in range(self._followed, self._catalogue.shards):
            stream = topics.RAW_TICKS.name(shard)
            newest = await self._reader.newest(stream)
            last = await published.get_last(self._redis, shard)
            self._door.note(self._door.shelf.put(repack(last)))
            # Last values are up to a second old: the stream is read again from before them.
            self._reader.add(stream, EntryId(max(0, newest.ms - self._overlap_ms), 0))
            self._followed = shard + 1

    async def step(self) -> None:
        """Read the shards once."""
        if self._catalogue.shards > self._followed:
            await self.begin()
        self._follow_universe()
        for entry in await self._reader.read():
            self._take(entry)

    def _follow_universe(self) -> None:
        universe = self._catalogue.universe
        if universe is self._universe:
            return
        shelf = Shelf(universe.tokens)
        shelf.inherit(self._door.shelf)
        self._door.move_to(shelf)
        self._universe = universe

    def _take(self, entry: Entry) -> None:
        segments = entry.fields.get(_SEGMENTS_FIELD)
        if segments is None:
            self._malformed.note(entry, MessageError("raw entry has no field `s`"))
            return
        shelf = self._door.shelf
        for shelved in shelf.take(segments):
            metrics.PACKETS_LEFT_OUT.inc(shelved.left_out)
            metrics.FRAMES_DAMAGED.inc(shelved.damaged)
            self._door.note(shelf.touched)


class KiteOrderFeed:
    """Order updates of the configured accounts, from now on: Zerodha repeats none either."""

    name = "kite_orders"

    def __init__(
        self,
        redis: Connection,
        accounts: Sequence[str],
        door: KiteServer,
        malformed: Malformed,
        *,
        block_ms: int,
    ) -> None:
        self._accounts = {topics.UPDATES.name(account): account for account in accounts}
        self._door = door
        self._malformed = malformed
        self._reader = TailReader(
            redis, dict.fromkeys(self._accounts, "$"), count_max=ENTRIES_MAX, block_ms=block_ms
        )

    async def begin(self) -> None:
        """Begin with what comes next."""
        await self._reader.pin()

    async def step(self) -> None:
        """Read the accounts once."""
        for entry in await self._reader.read():
            try:
                update: BrokerUpdate = codec.decode(entry.fields, BrokerUpdate)
            except MessageError as error:
                self._malformed.note(entry, error)
                continue
            if update.source in _TOLD:
                self._door.tell(self._accounts[entry.stream], order_text(update.row))
                metrics.ORDER_UPDATES.inc()
