"""What one subscriber is given when it can take more: in which order, how much at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from publisher.fanout.backlog import Backlog
from publisher.fanout.dialects import At, Dialect
from publisher.fanout.flow import Flow
from publisher.fanout.latest import Latest, Slots
from publisher.fanout.names import Names
from publisher.fanout.payloads import Payloads
from publisher.fanout.subscriber import Ledger, Skipping
from publisher.protocol.messages import Skipped

#: Rows looked at for one message; it ends earlier where `message_bytes_max` does.
ROWS_PER_MESSAGE_MAX = 256


class Taken(NamedTuple):
    """What to send now, then what to do.

    `wait_s` None: wait to be woken; 0: ask again at once; else ask again after so many seconds.
    `is_let_go`: end the connection, it did not read what may not be left out.
    """

    messages: Sequence[bytes] = ()
    ticks: int = 0
    wait_s: float | None = None
    is_let_go: bool = False
    is_text: bool = True


LET_GO = Taken(is_let_go=True)


class Taker:
    """Gives queued messages first, then channels, a snapshot's next part, ticks."""

    def __init__(
        self,
        latest: Latest,
        dialects: Sequence[Dialect],
        channels: dict[str, Backlog],
        message_bytes_max: int,
    ) -> None:
        self._latest = latest
        self._dialects = dialects
        self._channels = channels
        self._bytes_max = message_bytes_max
        self.names = Names(latest)
        self.payloads = [Payloads(latest, each.encoders, self.names) for each in dialects]
        #: How far the streams have come, by shard.
        self.at: dict[str, str] = {}
        #: Ticks told of in `skipped` instead of one by one, by policy.
        self.skipped = {"skip": 0, "strict": 0}

    def take(self, ledger: Ledger, now_s: float) -> Taken:
        """Return what to write now; `wait_s` None says that nothing at all is owed any more."""
        if ledger.is_let_go:
            return LET_GO
        is_text = self._dialects[ledger.dialect].is_text
        if len(ledger.queue):
            return Taken(ledger.queue.pop(self._bytes_max), wait_s=0.0, is_text=is_text)
        if ledger.behind:
            return self._take_channel(ledger, is_text=is_text)
        if ledger.snapshots:
            return self._take_snapshot(ledger, now_s)
        return self._take_ticks(ledger, now_s)

    def _take_ticks(self, ledger: Ledger, now_s: float) -> Taken:
        if now_s < ledger.due_s:
            return Taken(wait_s=ledger.due_s - now_s)
        if ledger.flow is not None and ledger.skipping is None:
            return self._take_flow(ledger, ledger.flow, now_s)
        return self._take_newest(ledger, now_s)

    def _take_channel(self, ledger: Ledger, *, is_text: bool) -> Taken:
        name = next(iter(ledger.behind))
        channel, reader = self._channels[name], ledger.readers[name]
        if channel.is_lost(reader):
            if not channel.restarts:
                ledger.let_go()
                return LET_GO
            reader = channel.start
        messages, reader = channel.read(reader, ledger.dialect, self._bytes_max)
        ledger.readers[name] = reader
        if reader >= channel.next:
            ledger.behind.discard(name)
        return Taken(messages, wait_s=0.0, is_text=is_text)

    def _take_snapshot(self, ledger: Ledger, now_s: float) -> Taken:
        job, wants = ledger.snapshots[0], ledger.wants
        if ledger.flow is not None and ledger.flow.holds(job.snapshot_id):
            # Ticks of before the snapshot come before it.
            return self._take_flow(ledger, ledger.flow, now_s, up_to=job.snapshot_id)
        slots = job.slots[job.position : job.position + ROWS_PER_MESSAGE_MAX]
        # What moved since is owed as a tick already, what was given up is not sent at all.
        is_due = (self._latest.sequences[slots] <= job.snapshot_id) & wants.has(slots)
        due = np.flatnonzero(is_due)
        payloads = self._fitting(ledger, np.searchsorted(wants.slots, slots[due]))
        is_cut = len(payloads) < len(due)
        job.position += int(due[len(payloads)]) if is_cut else len(slots)
        if job.is_done:
            ledger.snapshots.pop(0)
        dialect = self._dialects[ledger.dialect]
        message = dialect.snapshot(job.snapshot_id, payloads, job.is_done)
        return self._ticks([message], len(payloads), 0.0, dialect)

    def _take_flow(
        self, ledger: Ledger, flow: Flow, now_s: float, *, up_to: int | None = None
    ) -> Taken:
        payloads, at = flow.pop(self._bytes_max, ROWS_PER_MESSAGE_MAX, up_to=up_to)
        if not payloads:
            return Taken()
        dialect = self._dialects[ledger.dialect]
        is_done = not len(flow) and not ledger.snapshots
        if is_done and at is not None:
            # Whoever has all of it has come as far as the streams, which may be further.
            at = {shard: self.at[shard] for shard in at}
        message = dialect.ticks(payloads, at)
        self._pace(ledger, now_s, len(message), is_done=is_done)
        return self._ticks([message], len(payloads), None if is_done else 0.0, dialect)

    def _take_newest(self, ledger: Ledger, now_s: float) -> Taken:
        wants, dialect = ledger.wants, self._dialects[ledger.dialect]
        owed = wants.owed(self._latest.sequences)
        if ledger.skipping is not None:
            notice = _notice(ledger.skipping, len(owed))
            if notice is not None:
                self.skipped["strict" if ledger.is_strict else "skip"] += notice.ticks
                return Taken([dialect.reply(notice)], wait_s=0.0, is_text=dialect.is_text)
        if not len(owed):
            ledger.skipping = None
            wants.send_all(self._latest.sequence)
            return Taken()
        places = owed[:ROWS_PER_MESSAGE_MAX]
        payloads = self._fitting(ledger, places)
        sent = places[: len(payloads)]
        is_done = len(sent) == len(owed)
        if is_done:
            wants.send_all(self._latest.sequence)
        else:
            wants.send(sent, self._latest.sequences)
        message = dialect.ticks(payloads, self._caught_up(ledger, len(sent), is_done=is_done))
        self._pace(ledger, now_s, len(message), is_done=is_done)
        return self._ticks([message], len(payloads), None if is_done else 0.0, dialect)

    def _caught_up(self, ledger: Ledger, sent: int, *, is_done: bool) -> At | None:
        """End the skipping with the last of what is owed; say then how far that comes."""
        if ledger.skipping is None:
            return None
        ledger.skipping.carried -= sent
        if not is_done:
            return None
        ledger.skipping = None
        return self.at

    def _fitting(self, ledger: Ledger, places: Slots) -> list[bytes]:
        """Return payloads of the first wants at these places: one, then more while they fit."""
        payloads = self._encoded(ledger, places)
        if sum(map(len, payloads)) <= self._bytes_max:
            return payloads
        total = np.cumsum([len(payload) for payload in payloads])
        return payloads[: max(1, int(np.searchsorted(total, self._bytes_max, side="right")))]

    def _encoded(self, ledger: Ledger, places: Slots) -> list[bytes]:
        wants, payloads = ledger.wants, self.payloads[ledger.dialect]
        slots = wants.slots[places]
        if wants.only_mode is not None:
            return payloads.of(wants.only_mode, slots)
        modes = wants.modes[places]
        by_place: list[bytes] = [b""] * len(places)
        for mode in np.unique(modes).tolist():
            ours = np.flatnonzero(modes == mode)
            for place, payload in zip(ours.tolist(), payloads.of(mode, slots[ours]), strict=True):
                by_place[place] = payload
        return by_place

    @staticmethod
    def _pace(ledger: Ledger, now_s: float, sent_bytes: int, *, is_done: bool) -> None:
        """Hold back what comes next: for the interval after a round, for the bytes always."""
        if is_done and ledger.min_interval_s:
            ledger.due_s = now_s + ledger.min_interval_s
        if ledger.bytes_per_s:
            ledger.due_s = max(ledger.due_s, now_s + sent_bytes / ledger.bytes_per_s)

    @staticmethod
    def _ticks(messages: list[bytes], ticks: int, wait_s: float | None, dialect: Dialect) -> Taken:
        return Taken(messages, ticks=ticks, wait_s=wait_s, is_text=dialect.are_ticks_text)


def _notice(skipping: Skipping, owed: int) -> Skipped | None:
    """Return the notice that is due before the newest of `owed` instruments are told."""
    lost = skipping.left_out - (owed - skipping.carried)
    skipping.left_out, skipping.carried = 0, owed
    return Skipped(ticks=lost, instruments=owed) if lost > 0 else None
