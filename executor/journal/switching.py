"""Trading switches that came as commands."""

from __future__ import annotations

from typing import Final

from executor.journal.moves import move
from executor.journal.telling import parse_command
from executor.rules.guard import is_expired
from executor.rules.lifecycle import Step
from shared.store.change import Change
from shared.store.rows import CommandRow
from shared.store.trading import TradingState, TradingSwitch
from shared.wire.orders import Reason
from shared.wire.switching import Halt, Reduce, Resume

_STATES: Final[dict[str, TradingState]] = {
    "halt": "HALTED",
    "reduce": "REDUCING",
    "resume": "ACTIVE",
}
KINDS: Final = frozenset(_STATES)


async def apply(change: Change, row: CommandRow, *, account: str) -> None:
    """Put the switch where the command says, in the change that claims it.

    So it holds for everything that is sent afterwards, and whatever is claimed with it.

    Raises:
        StoreError: the server refused or vanished.
    """
    command = parse_command(row)
    assert isinstance(command, Halt | Reduce | Resume)
    if is_expired(row.valid_until_us, change.at_us):
        await move(change, row, Step.EXPIRE, reason=_EXPIRED)
        return
    if (command.scope == "strategy") != bool(command.subject):
        await move(change, row, Step.REFUSE, reason=_subject(command.subject))
        return
    subject = {"account": account, "strategy": command.subject, "global": ""}[command.scope]
    switch = TradingSwitch(
        scope=command.scope,
        subject=subject,
        state=_STATES[row.kind],
        set_by=f"{command.by} ({row.command_id})",
        sentence=command.sentence,
        changed_us=change.at_us,
    )
    await change.set_trading(switch)
    await move(change, row, Step.APPLY)


def _subject(subject: str) -> Reason:
    measured, limit = subject or "absent", "the strategy with scope strategy, otherwise absent"
    sentence = f"subject is {measured}, must be {limit}"
    return Reason(
        code="subject_mismatch", sentence=sentence, field="subject", measured=measured, limit=limit
    )


_EXPIRED: Final = Reason(
    code="expired", sentence="valid_until_us passed before the command was read"
)
