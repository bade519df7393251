"""The newest record of every instrument, and which of them were not handed out yet."""

from __future__ import annotations

import numpy as np

from enrich.kernels.tick import KEPT_OUT
from shared.kite.codec.decode import blank_ticks
from shared.wire.ticks import TICK_DTYPE, TickFlag

#: A record as so many bytes: numpy copies structured ones field by field, at fifty times the cost.
_WHOLE = f"V{TICK_DTYPE.itemsize}"


def chosen(records: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Return a copy of some records, shape (n,), chosen as numpy's indices do."""
    copied: np.ndarray = records.view(_WHOLE)[which].view(TICK_DTYPE)
    return copied


class LastRecords:
    """One record per instrument row; the kernels write into `records`."""

    def __init__(self, tokens: np.ndarray, shards: np.ndarray) -> None:
        """`tokens`, `shards`: those of the instrument rows, shape (n,), tokens ascending."""
        self._tokens = tokens
        self._shards = np.ascontiguousarray(shards)
        self.records = blank_ticks(len(shards))
        self._refreshed_ns = np.zeros(len(shards), dtype=np.uint64)

    def __len__(self) -> int:
        return len(self.records)

    def refreshed(self, shard: int, part: int = 0, parts: int = 1) -> np.ndarray:
        """Return the newest records of a shard that this method has not returned before.

        Of the shard's instruments only every `parts`-th is looked at, beginning with `part`.
        """
        stamps = self.records["received_at_ns"][part::parts]
        fresh = stamps != self._refreshed_ns[part::parts]
        due = part + parts * np.flatnonzero(fresh & (self._shards[part::parts] == shard))
        self._refreshed_ns[due] = self.records["received_at_ns"][due]
        return chosen(self.records, due)

    def forget_refreshed(self) -> None:
        """Let `refreshed` return everything again, as what it returned may not have been kept."""
        self._refreshed_ns[:] = 0

    def ticked(self) -> np.ndarray:
        """Return the newest record of every instrument that has ticked, shape (n,)."""
        return chosen(self.records, self.records["received_at_ns"] > 0)

    def mark_repaired(self, records: np.ndarray) -> None:
        """Say of records, as of the last state they became, that no socket brought them."""
        records["tick_flags"] |= np.uint8(TickFlag.REPAIR)
        records = records[records["tick_flags"] & KEPT_OUT == 0]
        rows = np.searchsorted(self._tokens, records["instrument_token"])
        rows[rows == len(self.records)] = 0
        last_tokens = self.records["instrument_token"][rows]
        known = rows[last_tokens == records["instrument_token"]]
        self.records["tick_flags"][known] |= np.uint8(TickFlag.REPAIR)
