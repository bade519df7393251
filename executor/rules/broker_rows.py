"""Rows of the broker's lists of triggers, fund orders and plans, looked through for one of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from shared.wire.orders import Reason

Row = Mapping[str, Any]

_INDIA: Final = timezone(timedelta(hours=5, minutes=30))
#: How much the broker's clock may be behind ours.
_SKEW_S: Final = 2.0


def only_one(
    rows: Sequence[Row],
    id_field: str,
    time_field: str,
    sent_us: int,
    taken: frozenset[str],
) -> str | None:
    """Return the id of the one row since then that is nobody else's; None for none or two."""
    found = {
        id_of(row, id_field)
        for row in rows
        if seconds_of(row.get(time_field)) >= sent_us / 1e6 - _SKEW_S
    } - taken
    return found.pop() if len(found) == 1 else None


def gone(rows: Sequence[Row], id_field: str, wanted: str, *, living: tuple[str, ...]) -> str | None:
    """Return the id where its row shows that it lives no more; one not listed proves nothing."""
    states = [row.get("status") for row in rows if id_of(row, id_field) == wanted]
    # One that is not listed at all proves nothing: the list keeps seven days.
    return wanted if states and states[0] not in living else None


def cancelled(rows: Sequence[Row], id_field: str, wanted: str) -> str | None:
    """Return the id where its row says that it is cancelled."""
    states = [row.get("status") for row in rows if id_of(row, id_field) == wanted]
    return wanted if states and states[0] == "CANCELLED" else None


def id_of(row: Row, field: str) -> str:
    """Return a row's id as text."""
    return str(row.get(field, ""))


def decimal_of(value: Any) -> Decimal:
    """Return a value as a decimal, NaN where it is none."""
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return Decimal("NaN")


def seconds_of(stamp: Any) -> float:
    """Return Unix seconds of the broker's stamp, which is India's time without a zone."""
    try:
        return datetime.fromisoformat(str(stamp)).replace(tzinfo=_INDIA).timestamp()
    except ValueError:
        return 0.0


def reason_of(code: str, field: str, measured: str, limit: str) -> Reason:
    """Return the reason that names field, value and rule."""
    sentence = f"{field} is {measured}, must be {limit}"
    return Reason(code=code, sentence=sentence, field=field, measured=measured, limit=limit)
