"""What an account has sent today, for the limits of the day. Pure.

A placement counts from the moment it is decided, before it is written: what is decided beside it is
judged with it. It is taken back where nothing was written. Orders of others count as well: the
broker's day is the account's, not ours.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from executor.rules.risk import Spent

NOTHING: Final = Spent()


class Tally:
    """One day's count: placements by attempt, units and rupees by order."""

    def __init__(self) -> None:
        self.placements = 0
        self.spent = NOTHING
        self._of: dict[str, Spent] = {}
        self._external: set[str] = set()

    def note_placement(self, command_id: str, spent: Spent, *, attempts: int = 1) -> None:
        """Count attempts of a placement; what it spends counts once."""
        self.placements += attempts
        self._set(command_id, larger(self._of.get(command_id, NOTHING), spent))

    def take_back_placement(self, command_id: str, *, is_first: bool) -> None:
        """Undo the count of an attempt that was never written; an earlier one may have spent."""
        self.placements -= 1
        if is_first:
            self._set(command_id, NOTHING)

    def note_extra(self, key: str, extra: Spent) -> None:
        """Count what a modify adds to the order of a placement's command_id, or of an order_id."""
        self._set(key, plus(self._of.get(key, NOTHING), extra))

    def take_back_extra(self, key: str, extra: Spent) -> None:
        """Undo the count of a modify that was never written."""
        self._set(key, minus(self._of.get(key, NOTHING), extra))

    def see_external(self, order_id: str, spent: Spent) -> None:
        """Count an order that nobody here placed, once; it may have grown since."""
        self.placements += order_id not in self._external
        self._external.add(order_id)
        self._set(order_id, larger(self._of.get(order_id, NOTHING), spent))

    def see_own(self, order_id: str) -> None:
        """Forget an order that turned out to be of a placement here, which counts already."""
        if order_id in self._external:
            self._external.remove(order_id)
            self.placements -= 1
            self._set(order_id, NOTHING)

    def _set(self, key: str, spent: Spent) -> None:
        self.spent = plus(minus(self.spent, self._of.pop(key, NOTHING)), spent)
        if spent != NOTHING:
            self._of[key] = spent


def larger(one: Spent, other: Spent) -> Spent:
    """Return the larger of each."""
    return Spent(
        quantity=max(one.quantity, other.quantity), turnover=max(one.turnover, other.turnover)
    )


def plus(one: Spent, other: Spent) -> Spent:
    """Return the sum."""
    return Spent(quantity=one.quantity + other.quantity, turnover=one.turnover + other.turnover)


def minus(one: Spent, other: Spent) -> Spent:
    """Return the difference."""
    return Spent(quantity=one.quantity - other.quantity, turnover=one.turnover - other.turnover)


def growth(before: Spent, after: Spent) -> Spent:
    """Return what a change adds; what it takes away was sent all the same."""
    return Spent(
        quantity=max(0, after.quantity - before.quantity),
        turnover=max(Decimal(0), after.turnover - before.turnover),
    )
