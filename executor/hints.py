"""Trading switches that the executor has put, told to whoever listens to control.v1."""

from __future__ import annotations

from executor.desk import Desk
from shared.errors import StreamError
from shared.store.trading import TradingSwitch
from shared.streams.writer import Append, StreamWriter
from shared.wire.codec import encode
from shared.wire.control import Control
from shared.wire.topics import CONTROL

#: What a hint may be long; the table has the whole of it.
_TEXT_MAX = 200


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


def hint_of(switch: TradingSwitch) -> Control:
    """Return the hint: its subject is the scope, with the account or strategy after a colon."""
    subject = f"{switch.scope}:{switch.subject}" if switch.subject else switch.scope
    return Control(
        kind="trading_state_changed",
        subject=subject[:_TEXT_MAX],
        by=switch.set_by[:_TEXT_MAX],
        at_us=switch.changed_us,
    )
