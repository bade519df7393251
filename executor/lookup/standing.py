"""How the account stands, for whoever watches: what is open, what is in doubt and since when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from executor.metrics import CHANGES_MAX, CHANGES_MOST, LIVING, UNSETTLED, UNSETTLED_AGE
from shared.clock import Clock
from shared.resilience.windows import per_day
from shared.store.journal_reads import JournalReads
from shared.wire.orders import State

_DAY: Final = per_day(1)


class Standing:
    """Counts what the journal has; the age of a doubt grows also while nobody can count."""

    def __init__(self, journal: JournalReads, clock: Clock, modifications_max: int) -> None:
        self._journal = journal
        self._clock = clock
        self._doubted_us: int | None = None
        CHANGES_MAX.set(modifications_max)
        UNSETTLED_AGE.set_function(self.doubt_age_s)

    async def count(self) -> Mapping[State, int]:
        """Return how many commands are not at rest, by state.

        Raises:
            StoreError: PostgreSQL is away.
        """
        lots = await self._journal.open_lots()
        doubted = lots.get(State.UNKNOWN)
        self._doubted_us = doubted.oldest_us if doubted is not None else None
        UNSETTLED.set(doubted.commands if doubted is not None else 0)
        LIVING.set(sum(lot.commands for lot in lots.values()))
        # An order dies with its day, also one whose end nobody saw.
        today = _DAY.index(self._clock.now_ns())
        CHANGES_MOST.set(await self._journal.most_modifications(_DAY.starts_ns(today) // 1000))
        return {state: lot.commands for state, lot in lots.items()}

    def doubt_age_s(self) -> float:
        """Return for how long the oldest command of unknown outcome has been sent, else 0."""
        if self._doubted_us is None:
            return 0.0
        return max(0.0, self._clock.now_ns() / 1e9 - self._doubted_us / 1e6)
