"""Mutual-fund orders and plans: their rules, and how one of unknown outcome is found; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from executor.rules.broker_rows import (
    Row,
    cancelled,
    decimal_of,
    id_of,
    only_one,
    reason_of,
)
from shared.wire.decimals import price_rule
from shared.wire.funds import MfCancel, MfPlace, SipCancel, SipModify, SipPlace
from shared.wire.orders import Reason

FundWrite = MfPlace | MfCancel | SipPlace | SipModify | SipCancel
_SIP_CHANGES: Final = ("amount", "status", "instalments", "frequency", "instalment_day")


def refuse_fund(write: FundWrite) -> Reason | None:
    """Return the first rule that a write of mutual funds breaks."""
    if isinstance(write, MfPlace):
        wanted, other = (
            ("amount", "quantity")
            if write.transaction_type == "BUY"
            else (
                "quantity",
                "amount",
            )
        )
        value = getattr(write, wanted)
        if value is None or not value.is_finite() or value <= 0:
            measured = "absent" if value is None else str(value)
            limit = f"above 0 with {write.transaction_type}"
            return reason_of(f"{wanted}_missing", wanted, measured, limit)
        if getattr(write, other) is not None:
            limit = f"none with {write.transaction_type}"
            return reason_of(f"{other}_unexpected", other, str(getattr(write, other)), limit)
    if isinstance(write, SipModify) and not any(
        getattr(write, name) is not None for name in _SIP_CHANGES
    ):
        limit = f"one of {', '.join(_SIP_CHANGES)}"
        return reason_of("nothing_to_modify", "amount", "absent", limit)
    amount = write.amount if isinstance(write, SipPlace | SipModify) else None
    problem = price_rule(amount) if amount is not None else ""
    return reason_of("amount_invalid", "amount", str(amount), problem) if problem else None


def find_fund_order(
    write: MfPlace | MfCancel, rows: Sequence[Row], *, sent_us: int, tag: str
) -> str | None:
    """Return the order_id of what a command led to, by its tag; None where it is not seen."""
    if isinstance(write, MfCancel):
        return cancelled(rows, "order_id", write.order_id)
    ours = [row for row in rows if row.get("tag") == tag]
    return only_one(ours, "order_id", "order_timestamp", sent_us, frozenset())


def find_plan(
    write: SipPlace | SipModify | SipCancel, rows: Sequence[Row], *, sent_us: int, tag: str
) -> str | None:
    """Return the sip_id of what a command led to, None where it is not seen."""
    if isinstance(write, SipCancel):
        return cancelled(rows, "sip_id", write.sip_id)
    if isinstance(write, SipModify):
        return changed(write, rows)
    ours = [row for row in rows if row.get("tag") == tag]
    return only_one(ours, "sip_id", "created", sent_us, frozenset())


def changed(write: SipModify, rows: Sequence[Row]) -> str | None:
    """Return the plan's id where it is as the command wanted it."""
    row = next((each for each in rows or () if id_of(each, "sip_id") == write.sip_id), None)
    if row is None:
        return None
    for name in _SIP_CHANGES:
        wanted, seen = (
            getattr(write, name),
            row.get("instalment_amount" if name == "amount" else name),
        )
        if wanted is not None and str(seen).lower() != str(wanted) and decimal_of(seen) != wanted:
            return None
    return write.sip_id
