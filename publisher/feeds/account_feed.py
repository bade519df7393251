"""Order events and order updates, each told once to whoever follows its account."""

from __future__ import annotations

from publisher import metrics
from publisher.fanout import channels
from publisher.feeds.catalogue import Outlet
from publisher.feeds.tick_feed import MESSAGE_ENTRIES_MAX
from publisher.protocol.messages import Order, Update
from shared.errors import MessageError
from shared.streams import groups
from shared.streams.client import Connection
from shared.streams.entry import Entry
from shared.streams.ids import BEFORE_ALL
from shared.streams.reader import TailReader
from shared.wire import codec, topics
from shared.wire.orders import BrokerUpdate, OrderEvent

#: Entries read back at the start, for those who come back to a new publisher.
READ_BACK_MAX = 2000


class AccountFeed:
    """Reads both streams of the configured accounts into their channels.

    What is read back at the start is told to nobody but who asks for it by its place.
    """

    name = "orders"

    def __init__(self, redis: Connection, outlet: Outlet, *, block_ms: int) -> None:
        self._redis = redis
        self._desk = outlet.desk
        self._wake = outlet.wake
        self._malformed = outlet.malformed
        accounts = outlet.desk.order_sequences
        self._streams = {
            **{topics.EVENTS.name(each): (channels.ORDERS, each) for each in accounts},
            **{topics.UPDATES.name(each): (channels.UPDATES, each) for each in accounts},
        }
        self._reader = TailReader(redis, {}, count_max=MESSAGE_ENTRIES_MAX, block_ms=block_ms)
        self._begun: set[str] = set()

    async def begin(self) -> None:
        """Take up every stream not taken up yet, at its newest entry."""
        for stream, (kind, account) in self._streams.items():
            if stream in self._begun:
                continue
            past = await groups.newest(self._redis, stream, READ_BACK_MAX)
            channel = self._desk.hub.channels.get(kind + account)
            assert channel is not None
            # Fewer than asked for: it is the whole stream, which began after 0-0.
            is_whole = len(past) < READ_BACK_MAX
            channel.begin(str(BEFORE_ALL) if is_whole else str(past[0].id))
            for entry in past if is_whole else past[1:]:
                self._take(entry)
            self._reader.add(stream, past[-1].id if past else BEFORE_ALL)
            self._begun.add(stream)

    async def step(self) -> None:
        """Read the streams once."""
        for entry in await self._reader.read():
            self._take(entry)

    def _take(self, entry: Entry) -> None:
        kind, account = self._streams[entry.stream]
        try:
            message = self._order(entry, account) if kind == channels.ORDERS else None
            told = message or Update(
                id=str(entry.id), account=account, update=codec.decode(entry.fields, BrokerUpdate)
            )
        except MessageError as error:
            self._malformed.note(entry, error)
            return
        self._wake(self._desk.hub.channels.tell(kind + account, str(entry.id), told))

    def _order(self, entry: Entry, account: str) -> Order:
        event: OrderEvent = codec.decode(entry.fields, OrderEvent)
        self._desk.order_sequences[account] = event.sequence
        metrics.ORDER_EVENTS.inc()
        return Order(id=str(entry.id), account=account, event=event)
