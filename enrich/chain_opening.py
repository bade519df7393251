"""The day's first open interest of every option, from which a chain's rows count their change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from enrich.chain_ladder import Expiry
from enrich.kernels.chain import UNKNOWN
from shared.wire.chains import OPENING_OI_DTYPE


class Opening:
    """Open interest per instrument row, the day it is of per expiry, what was not kept yet."""

    def __init__(self, expiries: Sequence[Expiry], tokens: np.ndarray) -> None:
        """`tokens`: those of the instrument rows, ascending, shape (n,)."""
        self._tokens = tokens
        self._rows = [each.rows[each.rows >= 0] for each in expiries]
        self._shards = [each.shard for each in expiries]
        self._places = np.full(len(tokens), -1, np.int64)
        for place, rows in enumerate(self._rows):
            self._places[rows] = place
        self._days = np.zeros(len(expiries), np.int64)
        self._known = [0] * len(expiries)
        self._unkept: set[int] = set()
        #: By row, UNKNOWN before one was seen; the kernel writes the first of the day into it.
        self.first_oi = np.full(len(tokens), UNKNOWN, np.int64)

    def turn_to(self, place: int, day: int) -> None:
        """Begin an expiry's day, in days since 1970 in India, unless it has begun."""
        if day != self._days[place]:
            self._days[place], self._known[place] = day, 0
            self.first_oi[self._rows[place]] = UNKNOWN

    def note(self, place: int) -> None:
        """Notice, after an expiry was priced, whether options were seen for the first time."""
        known = int(np.count_nonzero(self.first_oi[self._rows[place]] != UNKNOWN))
        if known != self._known[place]:
            self._known[place] = known
            self._unkept.add(self._shards[place])

    def unkept(self, shard: int) -> np.ndarray | None:
        """Return all that is known of a shard, shape (n,), None if nothing is new since."""
        if shard not in self._unkept:
            return None
        self._unkept.discard(shard)
        mine = [rows for rows, of in zip(self._rows, self._shards, strict=True) if of == shard]
        rows = np.concatenate(mine)
        rows = rows[self.first_oi[rows] != UNKNOWN]
        records = np.zeros(len(rows), OPENING_OI_DTYPE)
        records["instrument_token"] = self._tokens[rows]
        records["oi"], records["day"] = self.first_oi[rows], self._days[self._places[rows]]
        return records

    def restore(self, shard: int, records: np.ndarray) -> None:
        """Take over what an owner before kept, shape (n,).

        Of one day what was kept stands, for it was seen earlier; what only we know, as a Redis may
        have lost its memory, is kept again.
        """
        for place, of in enumerate(self._shards):
            if of == shard and self._known[place]:
                self._unkept.add(shard)
        rows = np.minimum(
            np.searchsorted(self._tokens, records["instrument_token"]),
            max(0, len(self._tokens) - 1),
        )
        if not len(self._tokens):
            return
        known = (self._tokens[rows] == records["instrument_token"]) & (self._places[rows] >= 0)
        rows, records = rows[known], records[known]
        for place in np.unique(self._places[rows]).tolist():
            here = self._places[rows] == place
            day = int(records["day"][here].max())
            if day < self._days[place]:
                continue
            self.turn_to(place, day)
            here &= records["day"] == day
            self.first_oi[rows[here]] = records["oi"][here]
            self.note(place)

    def adopt(self, before: Opening, kept: np.ndarray, places: Sequence[int]) -> None:
        """Go on from other instruments, shape (n,): the row there of each row here, or -1.

        `places`: the place there of each expiry here, or -1.
        """
        rows = np.flatnonzero(kept >= 0)
        self.first_oi[rows] = before.first_oi[kept[rows]]
        for place, there in enumerate(places):
            if there >= 0:
                self._days[place] = before._days[there]  # of the same class
                self.note(place)
