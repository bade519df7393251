"""Trading switches that the executor has put, told to whoever listens to control.v1."""

from __future__ import annotations

from executor.desk import Desk
from shared.errors import StreamError
from shared.store.trading import hint_of
from shared.streams.writer import Append, StreamWriter
from shared.wire.codec import encode
from shared.wire.topics import CONTROL


class Hints:
    """Writes a hint for each switch that was committed; the table is the truth."""

    def __init__(self, desk: Desk, control: StreamWriter) -> None:
        self._desk = desk
        self._control = control

    async def tell(self) -> None:
        """Write what was switched since the last time; a hint that cannot be written is dropped."""
        switched = self._desk.journal.take_switched()
        if not switched:
            return
        appends = [Append(CONTROL, "", encode(hint_of(each))) for each in switched]
        try:
            await self._control.append(appends)
        except StreamError as error:
            self._desk.patience.log.warning("trading.hint_unsent", error=str(error))
