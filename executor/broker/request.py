"""A command as it goes to the broker: its tag, its order, what it asks."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from executor.broker.broker import Request
from executor.rules.decision import Send
from executor.rules.facts import Facts
from executor.rules.tag import tag_of
from executor.rules.writes import FUND_TAG_CHARACTERS
from shared.store.rows import CommandRow
from shared.wire.funds import MfPlace, SipPlace
from shared.wire.orders import Command, Place


class Begun(msgspec.Struct, frozen=True):
    """A command whose SENDING is committed; it is sent once, by whoever holds this."""

    row: CommandRow
    request: Request


def ready(facts: Facts, decision: Send, *, account: str) -> CommandRow:
    """Return the row as SENDING is to find it, in its old state yet."""
    return replace(
        facts.row,
        tag=_tag(account, facts),
        order_id=decision.order_id or None,
        attempts=facts.row.attempts + 1,
        sending_us=facts.now_us,
    )


def begun(facts: Facts, decision: Send, sending: CommandRow) -> Begun:
    """Return what is to be sent now that SENDING is committed."""
    request = Request(
        command=_unsliced(facts),
        order_id=decision.order_id,
        variety=decision.variety,
        parent_order_id=decision.parent_order_id,
        tag=sending.tag or "",
    )
    return Begun(sending, request)


def _tag(account: str, facts: Facts) -> str | None:
    tag = tag_of(account, facts.row.command_id)
    if isinstance(facts.command, MfPlace | SipPlace):
        return tag[-FUND_TAG_CHARACTERS:]
    return tag if isinstance(facts.command, Place) else None


def _unsliced(facts: Facts) -> Command:
    """Return the command without a wish to be sliced that would come to a single slice."""
    command, instrument = facts.command, facts.instrument
    if not isinstance(command, Place) or not command.autoslice or instrument is None:
        return command
    is_one = command.quantity <= instrument.freeze_quantity
    return msgspec.structs.replace(command, autoslice=False) if is_one else command
