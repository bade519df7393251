"""What ingest tells of what is round it: the calendar, the Redis it fills."""

from __future__ import annotations

import asyncio

from shared.clock import Clock
from shared.market.calendar import Calendar
from shared.runtime.market_metrics import tell_sessions
from shared.runtime.supervise import pause
from shared.streams.client import Connection
from shared.streams.server_metrics import LOOK_S, observe


class VitalSigns:
    """Answers scrapes from the calendar; asks the Redis of ticks how it is, now and then."""

    def __init__(self, ticks: Connection, calendar: Calendar, clock: Clock) -> None:
        self._ticks = ticks
        tell_sessions(calendar, clock)

    async def run(self, stopping: asyncio.Event) -> None:
        """Ask until `stopping`."""
        while not stopping.is_set():
            await observe(self._ticks, "ticks")
            await pause(stopping, LOOK_S)
