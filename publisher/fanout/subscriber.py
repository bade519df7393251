"""What one subscriber wants with what it is owed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from publisher.fanout.flow import Flow
from publisher.fanout.latest import Sequences, Slots

ModeIndexes = NDArray[np.int8]
_NOTHING_SENT: Sequences = np.empty(0, np.uint64)


@dataclass(slots=True)
class SnapshotJob:
    """A snapshot under way: what was newest at `snapshot_id`, from `position` on still to send."""

    snapshot_id: int
    slots: Slots
    position: int = 0

    @property
    def is_done(self) -> bool:
        """Tell whether every instrument of it has been looked at."""
        return self.position >= len(self.slots)


class Wants:
    """Instruments by slot, each with its mode and the last sequence that has been sent of it.

    What is owed is never stored: an instrument whose newest sequence is above the sent one is
    owed, so a subscriber that reads nothing costs nothing more.
    """

    def __init__(self) -> None:
        self.slots: Slots = np.empty(0, np.int64)
        self.modes: ModeIndexes = np.empty(0, np.int8)
        #: The mode of all of them, None where there are several or none.
        self.only_mode: int | None = None
        #: Up to where everything has been sent of each, None where that differs: see `_sent`.
        self.level: int | None = 0
        self._sent: Sequences = _NOTHING_SENT

    def __len__(self) -> int:
        return len(self.slots)

    def has(self, slots: Slots) -> NDArray[np.bool_]:
        """Tell which of these are wanted."""
        return np.isin(slots, self.slots)

    def add(self, slots: Slots, mode: int, sequences: Sequences, *, is_snapshot: bool) -> None:
        """Want these in this mode, `sequences` being all slots' newest.

        What is new, or comes as a snapshot, is owed only from the next record on; what was wanted
        already stays owed.
        """
        sent = self._each_sent()
        slots = np.unique(slots)
        known = self.has(slots)
        places = np.searchsorted(self.slots, slots[known])
        self.modes[places] = mode
        if is_snapshot:
            sent[places] = sequences[slots[known]]
        fresh = slots[~known]
        everything = np.concatenate([self.slots, fresh])
        order = np.argsort(everything, kind="stable")
        modes = np.concatenate([self.modes, np.full(len(fresh), mode, np.int8)])
        sent = np.concatenate([sent, sequences[fresh]])
        self._replace(everything[order], modes[order], sent[order])

    def modes_of(self, slots: Slots) -> ModeIndexes:
        """Return the modes of slots that are all wanted."""
        return self.modes[np.searchsorted(self.slots, slots)]

    def settle(self, sequences: Sequences, lost: Slots) -> None:
        """Take everything as sent but these slots, whose newest is owed."""
        sent = sequences[self.slots]
        sent[np.isin(self.slots, lost)] = 0
        self.level, self._sent = None, sent

    def remove(self, slots: Slots) -> None:
        """No longer want these."""
        kept = ~np.isin(self.slots, slots)
        self._replace(self.slots[kept], self.modes[kept], self._each_sent()[kept])

    def owed(self, sequences: Sequences) -> NDArray[np.int64]:
        """Return the places in `slots` that moved since they were sent, longest owed first."""
        newest = sequences[self.slots]
        sent = self._sent if self.level is None else self.level
        places: Slots = (newest > sent).nonzero()[0]
        longest_first: Slots = places[newest[places].argsort()]
        return longest_first

    def send(self, places: Slots, sequences: Sequences) -> None:
        """Take the newest at these places as sent; others are still owed."""
        sent = self._each_sent()
        sent[places] = sequences[self.slots[places]]
        self.level, self._sent = None, sent

    def send_all(self, sequence: int) -> None:
        """Take everything as sent, `sequence` being that of the newest record there is."""
        self.level, self._sent = sequence, _NOTHING_SENT

    def _each_sent(self) -> Sequences:
        """Return what has been sent of each, to be changed and kept."""
        if self.level is None:
            return self._sent
        return np.full(len(self.slots), self.level, np.uint64)

    def _replace(self, slots: Slots, modes: ModeIndexes, sent: Sequences) -> None:
        self.slots, self.modes, self._sent = slots, modes, sent
        self.level = None
        present = np.unique(modes)
        self.only_mode = int(present[0]) if len(present) == 1 else None


class Queue:
    """Messages that may not be conflated, at most `bytes_max` of them at any time."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._messages: deque[bytes] = deque()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._messages)

    def push(self, message: bytes) -> bool:
        """Append a message; False, and nothing is kept, where it does not fit."""
        if self.bytes + len(message) > self._bytes_max:
            return False
        self._messages.append(message)
        self.bytes += len(message)
        return True

    def pop(self, bytes_max: int) -> list[bytes]:
        """Take the oldest messages: one, then more while they fit into `bytes_max`."""
        taken: list[bytes] = []
        total = 0
        while self._messages and (not taken or total + len(self._messages[0]) <= bytes_max):
            taken.append(self._messages.popleft())
            total += len(taken[-1])
        self.bytes -= total
        return taken

    def clear(self) -> None:
        """Forget everything."""
        self._messages.clear()
        self.bytes = 0


@dataclass(slots=True)
class Skipping:
    """A subscriber that did not keep up: conflated until it has caught up.

    `left_out`: ticks not told since the last notice, those still owed included; `carried`: owed
    instruments that notice has spoken for already.
    """

    left_out: int = 0
    carried: int = 0


@dataclass(slots=True)
class Ledger:
    """Everything the hub knows of one subscriber."""

    dialect: int
    queue: Queue
    wants: Wants = field(default_factory=Wants)
    snapshots: list[SnapshotJob] = field(default_factory=list)
    #: Every tick in its turn; None under the policy `conflate`.
    flow: Flow | None = None
    is_strict: bool = False
    skipping: Skipping | None = None
    #: Channels followed, each with the next message to be given; those that have one.
    readers: dict[str, int] = field(default_factory=dict)
    behind: set[str] = field(default_factory=set)
    has_gaps: bool = False
    min_interval_s: float = 0.0
    bytes_per_s: float = 0.0
    due_s: float = 0.0
    is_let_go: bool = False

    @property
    def is_plain(self) -> bool:
        """Tell whether ticks are all that may be owed, and nothing holds them back but time."""
        return not (
            self.queue.bytes
            or self.behind
            or self.snapshots
            or self.skipping is not None
            or self.bytes_per_s
            or self.is_let_go
        )

    def let_go(self) -> None:
        """Give up on it, with what it was owed."""
        self.is_let_go = True
        self.queue.clear()
        if self.flow is not None:
            self.flow.drop()
