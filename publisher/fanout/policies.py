"""How each subscriber's ticks treat it when it falls behind, and how often it gets some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from publisher.fanout import interest
from publisher.fanout.flow import Flow
from publisher.fanout.fresh import Fresh
from publisher.fanout.history import Past
from publisher.fanout.interest import Words
from publisher.fanout.latest import Latest
from publisher.fanout.pouring import Pourer, chosen
from publisher.fanout.subscriber import Ledger, Skipping


class Policies:
    """Changes what a ledger says of pace and policy; the newest of each is where all begin."""

    def __init__(
        self,
        latest: Latest,
        ledgers: Mapping[int, Ledger],
        pourer: Pourer,
        fresh: Fresh,
        nobody: Words,
        flow_bytes_max: int,
    ) -> None:
        self._latest = latest
        self._ledgers = ledgers
        self._pourer = pourer
        self._fresh = fresh
        self._bytes_max = flow_bytes_max
        #: Bits of subscribers that want every tick.
        self.flowing = nobody

    def pace(self, subscriber: int, min_interval_s: float, bytes_per_s: float = 0.0) -> None:
        """Leave at least so long between two rounds of ticks; 0 bytes a second: any number."""
        ledger = self._ledgers[subscriber]
        ledger.min_interval_s = min_interval_s
        ledger.bytes_per_s = bytes_per_s
        ledger.due_s = 0.0

    def conflate(self, subscriber: int) -> None:
        """Give a subscriber the newest of each instrument from now on."""
        ledger = self._settled(subscriber)
        if ledger.flow is None:
            return
        if ledger.skipping is None:
            ledger.wants.settle(self._latest.sequences, ledger.flow.drop()[0])
        ledger.flow = ledger.skipping = None
        interest.clear(self.flowing, subscriber)

    def flow(self, subscriber: int, *, is_strict: bool, bytes_max: int | None = None) -> None:
        """Give a subscriber every tick from now on, once it has what it is owed."""
        ledger = self._settled(subscriber)
        ledger.is_strict = is_strict
        bytes_max = min(bytes_max or self._bytes_max, self._bytes_max)
        if ledger.flow is not None:
            ledger.flow.bytes_max = bytes_max
            return
        ledger.flow = Flow(bytes_max)
        interest.mark(self.flowing, subscriber)
        owed = len(ledger.wants.owed(self._latest.sequences))
        ledger.skipping = Skipping(left_out=owed) if owed else None

    def replay(self, subscriber: int, pasts: Sequence[Past], ticks_max: int) -> bool:
        """Give a subscriber with an empty flow what it wants of old entries, in new sequences.

        False, and nothing is given, where that is more than `ticks_max` or than its budget.
        """
        ledger = self._settled(subscriber)
        assert ledger.flow is not None
        assert not len(ledger.flow)
        batches = chosen(pasts, ledger.wants, self._latest.capacity)
        if sum(len(batch.slots) for batch in batches) > ticks_max:
            return False
        for batch in batches:
            if not self._pourer.replay(
                batch._replace(sequences=self._latest.skip(len(batch.slots))), ledger
            ):
                ledger.flow.drop()
                return False
        return True

    def is_caught_up(self, subscriber: int) -> bool:
        """Tell whether everything that a subscriber wants up to now has been handed out."""
        ledger = self._settled(subscriber)
        return not ledger.snapshots and ledger.skipping is None and not ledger.flow

    def _settled(self, subscriber: int) -> Ledger:
        self._fresh.settle(subscriber)
        return self._ledgers[subscriber]
