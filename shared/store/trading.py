"""The switches that say what may be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from shared.wire.control import Control

if TYPE_CHECKING:  # who only names a switch does without the driver
    from shared.store.pool import Pool

#: A strategy that is held more strictly already is left so.
REDUCE_STRATEGY: Final = """
INSERT INTO trading_states AS known (scope, subject, state, set_by, sentence, changed_us)
VALUES ('strategy', $1, 'REDUCING', $2, $3, $4)
ON CONFLICT (scope, subject) DO UPDATE
SET state = 'REDUCING', set_by = $2, sentence = $3, changed_us = $4
WHERE known.state = 'ACTIVE'
"""
SET_TRADING: Final = """
INSERT INTO trading_states (scope, subject, state, set_by, sentence, changed_us)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (scope, subject) DO UPDATE SET state = $3, set_by = $4, sentence = $5, changed_us = $6
"""
#: What a hint may be long; the table has the whole of it.
_TEXT_MAX: Final = 200
Scope = Literal["global", "account", "strategy"]
TradingState = Literal["ACTIVE", "REDUCING", "HALTED"]


class TradingSwitch(msgspec.Struct, frozen=True, kw_only=True):
    """One switch: `subject` is the account or strategy it is for, empty for the global one."""

    scope: Scope
    subject: str = ""
    state: TradingState
    set_by: str
    sentence: str = ""
    changed_us: int


def hint_of(switch: TradingSwitch) -> Control:
    """Return the hint for control.v1: its subject is the scope, then a colon and whose it is."""
    subject = f"{switch.scope}:{switch.subject}" if switch.subject else switch.scope
    return Control(
        kind="trading_state_changed",
        subject=subject[:_TEXT_MAX],
        by=switch.set_by[:_TEXT_MAX],
        at_us=switch.changed_us,
    )


async def set_trading(pool: Pool, switch: TradingSwitch) -> None:
    """Put a switch where it says; it holds for every placement committed to be sent afterwards.

    Raises:
        StoreError: PostgreSQL refused or vanished.
    """
    async with pool.transaction() as connection:
        await connection.execute(SET_TRADING, *msgspec.structs.astuple(switch))


async def get_trading(pool: Pool) -> list[TradingSwitch]:
    """Return every switch that was ever set; one that is not here is ACTIVE.

    Raises:
        StoreError: PostgreSQL refused or vanished.
    """
    async with pool.connection() as connection:
        rows = await connection.fetch(
            "SELECT scope, subject, state, set_by, sentence, changed_us FROM trading_states "
            "ORDER BY scope, subject"
        )
    return [msgspec.convert(dict(row.items()), TradingSwitch) for row in rows]
