"""When an instruments dump is due, whether one may replace another, what differs between two."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Final

import numpy as np

from shared.errors import MessageError
from shared.market.calendar import Calendar, CalendarUnknown, date_of, moment_ns

#: Kite makes the day's dump by then, IST. Source: kite.trade/docs/connect/v3/market-quotes.
FETCH_AT: Final = time(8, 30)
#: Rows of an exchange below which its shrinking says nothing.
EXCHANGE_ROWS_MIN: Final = 100
#: Longer than any closure.
_DAYS_BACK_MAX: Final = 15

#: What names a contract, and what may change about it beside its token.
_CONTRACT: Final = ("exchange", "tradingsymbol", "expiry")
_TERMS: Final = ("lot_size", "tick_size")

Contract = tuple[bytes, bytes, int]


@dataclass(frozen=True, slots=True)
class Renamed:
    """A token that names another contract than before."""

    instrument_token: int
    before: Contract
    after: Contract


@dataclass(frozen=True, slots=True)
class Differences:
    """What one dump says otherwise than the one before; contracts as (exchange, symbol, expiry)."""

    listed: tuple[Contract, ...]
    delisted: tuple[Contract, ...]
    changed: tuple[Contract, ...]
    reused: tuple[Renamed, ...]

    def __bool__(self) -> bool:
        return bool(self.listed or self.delisted or self.changed or self.reused)


def due(fetched_ns: int, now_ns: int, calendar: Calendar) -> bool:
    """Say whether the dump fetched at a moment of Unix ns (0: never) is not the newest any more.

    A new one is expected on every day on which any segment trades; a day of which nothing is
    known counts as such.
    """
    if not fetched_ns:
        return True
    today = date_of(now_ns)
    for days in range(_DAYS_BACK_MAX):
        on = today - timedelta(days)
        made_ns = moment_ns(on, FETCH_AT)
        if made_ns <= now_ns and _trades(calendar, on):
            return fetched_ns < made_ns
    return True


def check(before: np.ndarray, after: np.ndarray, shrinkage_max: float) -> None:
    """Check that a dump is whole, measured by the last good one, both of INSTRUMENT_DTYPE.

    Raises:
        MessageError: it, or one of its exchanges, lost more than the share `shrinkage_max`.
    """
    names, counts = np.unique(before["exchange"], return_counts=True)
    lost = [("", len(before), len(after))] + [
        (name.decode(), count, int((after["exchange"] == name).sum()))
        for name, count in zip(names.tolist(), counts.tolist(), strict=True)
        if count >= EXCHANGE_ROWS_MIN
    ]
    for exchange, rows_before, rows in lost:
        if rows < (1.0 - shrinkage_max) * rows_before:
            of = f" of {exchange}" if exchange else ""
            raise MessageError(
                f"instruments dump has {rows} rows{of} after {rows_before}:"
                f" it lost more than the share shrinkage_max, {shrinkage_max:g}"
            )


def differences(before: np.ndarray, after: np.ndarray) -> Differences:
    """Return what differs between two sets of INSTRUMENT_DTYPE, contract by contract.

    Tokens are given to other contracts after an expiry, so they identify nothing here; but most
    name what they named before, and those are compared as columns.
    """
    _, at, to = np.intersect1d(
        before["instrument_token"],
        after["instrument_token"],
        assume_unique=True,
        return_indices=True,
    )
    same = np.logical_and.reduce([before[name][at] == after[name][to] for name in _CONTRACT])
    at, to = at[same], to[same]
    kept = after[to[np.any([before[name][at] != after[name][to] for name in _TERMS], axis=0)]]
    old = _by_contract(np.delete(before, at))
    new = _by_contract(np.delete(after, to))
    both = old.keys() & new.keys()
    names_before = {terms[0]: contract for contract, terms in old.items()}
    reused = [
        Renamed(terms[0], names_before[terms[0]], contract)
        for contract, terms in new.items()
        if names_before.get(terms[0], contract) != contract
    ]
    return Differences(
        listed=_sorted(new.keys() - both),
        delisted=_sorted(old.keys() - both),
        changed=_sorted(both | _by_contract(kept).keys()),
        reused=tuple(sorted(reused, key=lambda each: each.instrument_token)),
    )


def _trades(calendar: Calendar, on: date) -> bool:
    for segment in calendar.segments():
        try:
            if calendar.trading_day(segment, on):
                return True
        except CalendarUnknown:
            return True
    return False


def _by_contract(rows: np.ndarray) -> dict[Contract, tuple[int, int, float]]:
    """Return (token, lot size, tick size) by contract."""
    contracts = zip(
        rows["exchange"].tolist(),
        rows["tradingsymbol"].tolist(),
        rows["expiry"].tolist(),
        strict=True,
    )
    terms = zip(
        rows["instrument_token"].tolist(),
        rows["lot_size"].tolist(),
        rows["tick_size"].tolist(),
        strict=True,
    )
    return dict(zip(contracts, terms, strict=True))


def _sorted(contracts: Iterable[Contract]) -> tuple[Contract, ...]:
    return tuple(sorted(contracts))
