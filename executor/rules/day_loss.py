"""What the day has cost so far, as the broker reckons it. Pure.

Source: kite.trade/docs/connect/v3/portfolio, "Positions" (read 2026-11): `m2m` of a net row is its
return from the last close, or from the day's own trades, to the last price, closed rows included.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from shared.wire.decimals import is_sane

_PAISA: Final = Decimal("0.01")


def loss_of(rows: Iterable[Mapping[str, Any]]) -> Decimal | None:
    """Return the day's loss in rupees, a profit negative; None where a row does not tell its own.

    Rows are those of the net positions; none at all is a day without one.
    """
    results = [_rupees(row.get("m2m")) for row in rows]
    known = [each for each in results if each is not None]
    return -sum(known, Decimal(0)) if len(known) == len(results) else None


def _rupees(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        exact = Decimal(str(value))
    except InvalidOperation:
        return None
    return exact.quantize(_PAISA) if is_sane(exact) else None
