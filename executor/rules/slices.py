"""A placement that the broker cuts into several orders, seen as one.

Autoslice cuts at once what is above the freeze quantity; an iceberg sends its legs one after the
other. Either way the placement is complete when the fills of all its orders add up to what was
asked, and no sighting of one of them alone ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec
from msgspec.structs import replace

from executor.rules.lifecycle import Step
from executor.rules.reducer import BrokerOrder
from shared.wire.orders import Place

#: Tag of a slice, followed by the order_id of the first one.
#: Source: kite.trade/forum comments 52970, 51301 (read 2026-11).
PARENT_MARK: Final = "autoslice:"
#: Status of an order that the broker named in an answer, and that nobody has seen yet.
NAMED: Final = "PUT ORDER REQ RECEIVED"


class Whole(msgspec.Struct, frozen=True):
    """All orders of a placement as one, with what that means to it."""

    step: Step
    order: BrokerOrder


def is_cut(place: Place) -> bool:
    """Tell whether the broker may make several orders of a placement."""
    return place.autoslice or place.variety == "iceberg"


def parent_of(order: BrokerOrder) -> str | None:
    """Return the order_id of the first slice where an order says that it is another one."""
    marks = (mark for mark in order.marks if mark.startswith(PARENT_MARK))
    return next((mark.removeprefix(PARENT_MARK) for mark in marks), None)


def named(order_id: str, parent_order_id: str) -> BrokerOrder:
    """Return the view of a slice of which nothing but its order_id is known."""
    return BrokerOrder(order_id=order_id, status=NAMED, parent_order_id=parent_order_id)


def together(
    place: Place,
    views: Sequence[BrokerOrder],
    *,
    first: str | None,
    refused: int | None,
    is_lost: bool = False,
) -> Whole:
    """Return what all orders of a placement that are known come to.

    `first` is the order_id of the first of them, `refused` how many slices the broker refused,
    None while nobody knows. `is_lost` says that no answer will tell of further ones.
    """
    filled = sum(view.filled_quantity for view in views)
    taken = sum(view.quantity for view in views if view.status != "REJECTED")
    is_due = not refused and (_is_unseen(views) or (refused is None and not is_lost))
    step = _step(place, views, is_known=_is_known(views, first, refused), is_due=is_due)
    cancelled = sum(view.cancelled_quantity for view in views)
    is_ended = step in (Step.SEEN_COMPLETE, Step.SEEN_CANCELLED, Step.SEEN_REJECTED)
    newest = max(views, key=lambda view: view.observed_us)
    order = replace(
        newest,
        order_id=first or newest.order_id,
        status=_STATUS[step],
        quantity=place.quantity,
        filled_quantity=filled,
        pending_quantity=0 if is_ended else max(place.quantity - filled - cancelled, 0),
        cancelled_quantity=place.quantity - filled if step is Step.SEEN_CANCELLED else cancelled,
        average_price=_average(views, filled),
        status_message=next((each.status_message for each in views if each.status_message), None),
        accepted_quantity=taken,
    )
    return Whole(step, order)


def _is_known(views: Sequence[BrokerOrder], first: str | None, refused: int | None) -> bool:
    """Tell whether no further order can show: the answer was read, its first order is here."""
    return bool(refused) and any(view.order_id == first for view in views)


def _is_unseen(views: Sequence[BrokerOrder]) -> bool:
    """Tell whether the broker took orders that nobody has seen yet, nor how large they are."""
    return any(view.status == NAMED and not view.quantity for view in views)


def _step(place: Place, views: Sequence[BrokerOrder], *, is_known: bool, is_due: bool) -> Step:
    if sum(view.filled_quantity for view in views) >= place.quantity:
        return Step.SEEN_COMPLETE
    living = [view for view in views if not view.is_terminal]
    failed = [view for view in views if view.status in ("REJECTED", "CANCELLED")]
    if not living and (failed or is_known):
        is_rejected = all(view.status == "REJECTED" for view in views)
        return Step.SEEN_REJECTED if is_rejected else Step.SEEN_CANCELLED
    is_short = sum(view.quantity for view in views if view not in failed) < place.quantity
    # What is merely not seen yet is no part that was refused: a basket would be undone for it.
    if place.autoslice and is_short and (failed or not is_due):
        return Step.SEEN_PART
    is_entering = living and all(view.step is Step.SEEN_ENTERING for view in views)
    return Step.SEEN_ENTERING if is_entering else Step.SEEN_OPEN


def _average(views: Sequence[BrokerOrder], filled: int) -> Decimal:
    if not filled:
        return Decimal(0)
    turnover = sum((view.average_price * view.filled_quantity for view in views), Decimal(0))
    return round(turnover / filled, 4)


_STATUS: Final = {
    Step.SEEN_COMPLETE: "COMPLETE",
    Step.SEEN_CANCELLED: "CANCELLED",
    Step.SEEN_REJECTED: "REJECTED",
    Step.SEEN_PART: "OPEN",
    Step.SEEN_OPEN: "OPEN",
    Step.SEEN_ENTERING: NAMED,
}
