"""Ticks that just came, for those that want each of them: one log for all, read by bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from publisher.fanout import interest
from publisher.fanout.dialects import At, Dialect
from publisher.fanout.framing import Framer
from publisher.fanout.interest import Words
from publisher.fanout.payloads import Payloads
from publisher.fanout.pouring import Batch, Pourer
from publisher.fanout.subscriber import Ledger
from publisher.fanout.taking import ROWS_PER_MESSAGE_MAX
from publisher.fanout.unread import Kind, Unread
from publisher.protocol import frames

#: Rows that wait here for their readers; with more, whoever has not read them gets its own line.
ROWS_MAX = 4096

#: All that one subscriber is owed: who, a whole WebSocket frame, how many ticks; empty for nothing.
#: A plain tuple: there are tens of thousands a second.
Parcel = tuple[int, bytes, int]
#: A subscriber with all that the hub knows of it.
Member = tuple[int, Ledger]


class Fresh:
    """Holds batches until everybody who wants some of them has read them, or too many wait.

    Who keeps up is written to straight from here, one pass for all of a kind. Who does not, or is
    owed anything else, has its part poured into its own flow first: `settle`.
    """

    def __init__(
        self,
        dialects: Sequence[Dialect],
        payloads: Sequence[Payloads],
        pourer: Pourer,
        ledgers: Mapping[int, Ledger],
        at: Mapping[str, str],
        message_bytes_max: int,
    ) -> None:
        self._dialects = dialects
        self._payloads = payloads
        self._pourer = pourer
        self._ledgers = ledgers
        #: How far the streams have come, by shard; who has read all that is here has come as far.
        self._at = at
        self._bytes_max = message_bytes_max
        self._framer = Framer()
        self._unread = Unread()

    @property
    def rows(self) -> int:
        """Return how many rows wait for their readers."""
        return self._unread.rows

    def append(self, batch: Batch, bits: Words) -> None:
        """Take a batch, `bits` saying for each row who wants it; nobody else may change them."""
        self._unread.append(batch, bits)
        if self._unread.rows > ROWS_MAX:
            self._pour(self._unread.owed)

    def settle(self, subscriber: int) -> None:
        """Pour what a subscriber has not read into its flow: there it has all that it is owed."""
        if self._unread.rows and interest.has(self._unread.owed, subscriber):
            self.settle_all([subscriber])

    def settle_all(self, subscribers: Sequence[int]) -> None:
        """Pour what these have not read into their flows, in one pass."""
        if self._unread.rows and subscribers:
            self._pour(interest.all_of(subscribers, len(self._unread.owed)))

    def reached(self, at: At | None) -> At | None:
        """Return how far shards have come for whoever has just been given all that it is owed."""
        return None if at is None else {shard: self._at[shard] for shard in at}

    def take(
        self, kind: Kind, members: Sequence[Member], now_s: float, singly: list[int]
    ) -> list[Parcel]:
        """Return a parcel for each member, all of one kind and with an empty flow: all it is owed.

        To `singly` goes whose part is more than one message; it is in its flow then.
        """
        if not self._unread.rows:
            return [(subscriber, b"", 0) for subscriber, _ in members]
        mask = interest.all_of([member[0] for member in members], len(self._unread.owed))
        parcels, long = self._parcels(kind, mask)
        self.settle_all(long)
        self._unread.read(mask)
        singly += long
        paced = [member for member in members if member[1].min_interval_s]
        if paced:
            told = {parcel[0] for parcel in parcels}
            for subscriber, ledger in paced:
                if subscriber in told:
                    ledger.due_s = now_s + ledger.min_interval_s
        if len(parcels) + len(long) < len(members):
            served = {parcel[0] for parcel in parcels}.union(long)
            parcels += [(each, b"", 0) for each, _ in members if each not in served]
        return parcels

    def _parcels(self, kind: Kind, mask: Words) -> tuple[list[Parcel], list[int]]:
        """Join to one frame what each of the mask, all of one kind, has not read.

        Beside the parcels: whose part is more than one message.
        """
        encoded, shares = self._unread.shares(kind, mask, self._payloads[kind[0]])
        subscribers, counts = shares.subscribers, np.diff(shares.cuts)
        is_long = (counts > ROWS_PER_MESSAGE_MAX) | (shares.totals > self._bytes_max)
        envelope = self._dialects[kind[0]].envelope(self._unread.come(self._at))
        made = self._framer.frames(encoded, shares.places, shares.cuts, is_long, envelope)
        long: list[int] = []
        if is_long.any():
            long = subscribers[is_long].tolist()
            subscribers, counts = subscribers[~is_long], counts[~is_long]
        return list(zip(subscribers.tolist(), made, counts.tolist(), strict=True)), long

    def _pour(self, mask: Words) -> None:
        """Pour what those of the mask have not read into their flows."""
        for part, batch in self._unread.parts(mask):
            self._pourer.pour(part, batch, self._ledgers)
        self._unread.read(mask)


def frame_of(dialect: Dialect, payloads: Sequence[bytes], opening: bytes, closing: bytes) -> bytes:
    """Return a whole WebSocket frame of ticks, its parts copied once."""
    body = dialect.separator.join(payloads)
    opcode = frames.TEXT if dialect.are_ticks_text else frames.BINARY
    header = frames.header(opcode, len(opening) + len(body) + len(closing))
    return b"".join((header, opening, body, closing))
