"""Whether an order only takes risk away, as far as anybody knows.

Of a position counts what the newest reading showed, less what every order of the exit's side may
have filled since, or may yet. What nobody knows reduces nothing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from executor.rules.reducer import BrokerOrder
from executor.rules.units import counted
from shared.wire.orders import Modify, Place, Reason

_MARKET: Final = frozenset({"MARKET", "SL-M"})


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """A position and what is on its way to be sold of it, or bought back.

    `own` is how much of that is the order's which is to be modified.
    """

    position: int
    on_the_way: int = 0
    own: int = 0


def side_of(what: Place | BrokerOrder) -> str:
    """Return what an order adds to, as the journal names it: its side and instrument."""
    return f"{what.transaction_type} {what.exchange}:{what.tradingsymbol}"


def refuse_unless_reducing(place: Place, exposure: Exposure | None, scope: str) -> Reason | None:
    """Return why a placement might add to what is held, or None where it certainly does not."""
    return _refuse(place, place.quantity, exposure, scope)


def refuse_modify_unless_reducing(
    modify: Modify, order: BrokerOrder, exposure: Exposure | None, scope: str
) -> Reason | None:
    """Return why the changed order might add to what is held; one that shrinks never does."""
    if not raises_risk(modify, order):
        return None
    more = max(0, (modify.quantity or order.quantity) - order.quantity)
    own = exposure.own if exposure is not None else 0
    return _refuse(order, own + more, exposure, scope)


def raises_risk(modify: Modify, order: BrokerOrder) -> bool:
    """Tell whether the change makes the order larger, or readier to trade."""
    if modify.quantity is not None and modify.quantity > order.quantity:
        return True
    order_type = modify.order_type or order.order_type
    if order_type != order.order_type and order_type in _MARKET:
        return True
    is_buy = order.transaction_type == "BUY"
    prices = ((modify.price, order.price), (modify.trigger_price, order.trigger_price))
    return any(_is_worse(new, old, is_buy=is_buy) for new, old in prices)


def _is_worse(new: Decimal | None, old: Decimal, *, is_buy: bool) -> bool:
    """Tell whether a new price is one at which more may be lost; any is where there was none."""
    if new is None or new == old:
        return False
    return not old or (new > old) is is_buy


def _refuse(
    what: Place | BrokerOrder, quantity: int, exposure: Exposure | None, scope: str
) -> Reason | None:
    if exposure is None:
        return Reason(
            code="trading_reducing",
            sentence=f"trading is REDUCING ({scope}) and the position is not known; "
            "only cancels pass",
            field="transaction_type",
            measured="unknown",
            limit="a known position",
        )
    side, exchange = what.transaction_type, what.exchange
    opposite = max(0, exposure.position if side == "SELL" else -exposure.position)
    left = max(0, opposite - (exposure.on_the_way - exposure.own))
    if quantity <= left:
        return None
    return Reason(
        code="trading_reducing",
        sentence=f"trading is REDUCING ({scope}): the position is "
        f"{counted(exposure.position, exchange)}, {counted(exposure.on_the_way, exchange)} on the "
        f"way out of it, so {side} {counted(quantity, exchange)} does not only reduce",
        field="quantity",
        measured=str(quantity),
        limit=f"at most {left}",
    )
