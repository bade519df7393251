"""Which claimed command goes next.

Cancels first, then in the order of their claim. A modify waits while another modify of the same
order is on its way; a command that cannot go yet is parked until something happens. What is at
work is not handed out twice.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection
from enum import Enum, auto
from typing import Final

from executor.rules.families import KINDS
from shared.store.rows import CommandRow

PRIORITY_CANCEL: Final = 0
PRIORITY_NORMAL: Final = 1


class _Place(Enum):
    QUEUED = auto()
    PARKED = auto()
    AT_WORK = auto()


def priority_of(kind: str) -> int:
    """Return the place of a kind in the queue, the smallest first."""
    return PRIORITY_CANCEL if kind == "cancel" else PRIORITY_NORMAL


class Backlog:
    """Commands that are claimed but not yet sent."""

    def __init__(self) -> None:
        # A command may stand in the heap more than once; only its place says where it is.
        self._heap: list[tuple[int, int, str]] = []
        self._rows: dict[str, CommandRow] = {}
        self._places: dict[str, _Place] = {}
        self._busy: set[str] = set()
        #: Busy lanes that something else waits for.
        self._awaited: set[str] = set()
        #: What is parked, in that order: most of the queue waits for its turn and is not asked.
        self._parked: dict[str, None] = {}
        # Every waiting command with an end stands here once, some that wait no more as well.
        self._ends: list[tuple[int, str]] = []
        self._ending: set[str] = set()

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: CommandRow) -> None:
        """Take in a command; one that is here already is left as it is."""
        if row.command_id not in self._rows:
            self._queue(row)

    def take(self, *, cancels_only: bool = False) -> CommandRow | None:
        """Hand out the next command, or None; give it back with `done`, `park` or `put_back`."""
        held: list[tuple[int, int, str]] = []
        taken: CommandRow | None = None
        while self._heap and taken is None:
            if cancels_only and self._heap[0][0] != PRIORITY_CANCEL:
                break
            item = heapq.heappop(self._heap)
            if self._places.get(item[2]) is not _Place.QUEUED:
                continue
            lane = _lane(self._rows[item[2]])
            if lane in self._busy:
                held.append(item)
                self._awaited.add(lane)
            else:
                taken = self._rows[item[2]]
        for item in held:
            heapq.heappush(self._heap, item)
        return None if taken is None else self._hand_out(taken)

    def is_awaited(self, row: CommandRow) -> bool:
        """Tell whether another command waits until this one, which is at work, is given back."""
        return _lane(row) in self._awaited

    def take_expired(self, now_us: int) -> CommandRow | None:
        """Hand out a waiting command whose time has passed, or None."""
        while self._ends and self._ends[0][0] <= now_us:
            _, command_id = heapq.heappop(self._ends)
            self._ending.discard(command_id)
            # One at work stands here again when it is given back.
            if self._places.get(command_id, _Place.AT_WORK) is not _Place.AT_WORK:
                return self._hand_out(self._rows[command_id])
        return None

    def done(self, row: CommandRow) -> None:
        """Forget a command that has been sent or has ended."""
        self._free(row)
        self._rows.pop(row.command_id, None)
        self._places.pop(row.command_id, None)
        self._parked.pop(row.command_id, None)

    def park(self, row: CommandRow) -> None:
        """Put a command aside until `wake`."""
        self._free(row)
        self._places[row.command_id] = _Place.PARKED
        self._parked[row.command_id] = None
        self._note_end(row)

    def put_back(self, row: CommandRow) -> None:
        """Return a command to its place in the queue."""
        self._free(row)
        self._queue(row)

    def wake(self, *, with_families: bool = False) -> None:
        """Put what is parked back into the queue; families have causes of their own."""
        for command_id in tuple(self._parked):
            row = self._rows[command_id]
            if with_families or not _is_of_family(row):
                self._queue(row)

    def wake_families(self, command_ids: Collection[str]) -> None:
        """Put back the parked parents of these command_ids, and whatever was made for them."""
        for command_id in tuple(self._parked):
            row = self._rows[command_id]
            if command_id in command_ids or row.parent_command_id in command_ids:
                self._queue(row)

    def _queue(self, row: CommandRow) -> None:
        self._rows[row.command_id] = row
        self._places[row.command_id] = _Place.QUEUED
        self._parked.pop(row.command_id, None)
        heapq.heappush(self._heap, (row.priority, row.serial, row.command_id))
        self._note_end(row)

    def _free(self, row: CommandRow) -> None:
        self._busy.discard(_lane(row))
        self._awaited.discard(_lane(row))

    def _note_end(self, row: CommandRow) -> None:
        if row.valid_until_us is not None and row.command_id not in self._ending:
            self._ending.add(row.command_id)
            heapq.heappush(self._ends, (row.valid_until_us, row.command_id))

    def _hand_out(self, row: CommandRow) -> CommandRow:
        self._places[row.command_id] = _Place.AT_WORK
        self._parked.pop(row.command_id, None)
        self._busy.add(_lane(row))
        return row


def _is_of_family(row: CommandRow) -> bool:
    return row.parent_command_id is not None or row.kind in KINDS


def _lane(row: CommandRow) -> str:
    if row.kind == "modify":
        return f"modify of {row.target_command_id or row.order_id}"
    return row.command_id
