"""Orders over REST: place, modify, cancel, the day's book.

A write returns Kite's order_id or raises what `translate.written` raises; an answer of success
without an order_id is an unknown outcome. Routes and fields as kiteconnect 5.2.2 sends them.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

import msgspec

from shared.errors import KiteOutcomeUnknown, KiteUnavailable
from shared.kite import reads, translate
from shared.kite.rest import KiteRest, Parameters, Request
from shared.kite.sliced import Placed, read_placed
from shared.wire.orders import Modify, Place


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Everything Kite takes for a placement, under Kite's names; None is not sent."""

    variety: str
    exchange: str
    tradingsymbol: str
    transaction_type: str
    quantity: int
    product: str
    order_type: str
    price: Decimal | None = None
    validity: str | None = None
    validity_ttl: int | None = None
    disclosed_quantity: int | None = None
    trigger_price: Decimal | None = None
    iceberg_legs: int | None = None
    iceberg_quantity: int | None = None
    auction_number: str | None = None
    algo_id: str | None = None
    tag: str | None = None
    market_protection: float | None = None
    autoslice: str | None = None


class ChangedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Everything Kite takes for a modification; None leaves the field as it is."""

    variety: str
    order_id: str
    parent_order_id: str | None = None
    quantity: int | None = None
    price: Decimal | None = None
    order_type: str | None = None
    trigger_price: Decimal | None = None
    validity: str | None = None
    disclosed_quantity: int | None = None
    market_protection: float | None = None


_ROWS: Final = msgspec.json.Decoder(list[msgspec.Raw])


class _OrderId(msgspec.Struct, frozen=True):
    order_id: str | int = ""


_ORDER_ID: Final = msgspec.json.Decoder(_OrderId)


def new_order(command: Place, *, tag: str) -> NewOrder:
    """Return the placement that a command asks for, under our `tag`."""
    return NewOrder(
        variety=command.variety,
        exchange=command.exchange,
        tradingsymbol=command.tradingsymbol,
        transaction_type=command.transaction_type,
        quantity=command.quantity,
        product=command.product,
        order_type=command.order_type,
        price=command.price,
        trigger_price=command.trigger_price,
        validity=command.validity,
        validity_ttl=command.validity_ttl_minutes,
        disclosed_quantity=command.disclosed_quantity or None,
        market_protection=command.market_protection,
        iceberg_legs=command.iceberg_legs,
        iceberg_quantity=command.iceberg_quantity,
        auction_number=command.auction_number,
        algo_id=command.algo_id or None,
        tag=tag,
        autoslice="true" if command.autoslice else None,
    )


def changed_order(command: Modify, *, order_id: str) -> ChangedOrder:
    """Return the modification that a command asks for, of Kite's `order_id`."""
    return ChangedOrder(
        variety=command.variety,
        order_id=order_id,
        quantity=command.quantity,
        price=command.price,
        trigger_price=command.trigger_price,
        order_type=command.order_type,
        validity=command.validity,
        disclosed_quantity=command.disclosed_quantity,
        market_protection=command.market_protection,
    )


class KiteOrders:
    """The orders of one account; every row is Kite's own JSON, untouched."""

    def __init__(self, rest: KiteRest) -> None:
        self._rest = rest

    async def place(self, order: NewOrder) -> Placed:
        """Place once; return what it led to, one order but for a sliced one.

        Raises:
            KiteRejected, KiteSessionExpired, KiteThrottled, KiteUnavailable: it was not placed.
            KiteOutcomeUnknown: it may have been; look for its tag, never send it again.
        """
        request = Request("POST", f"/orders/{_part(order.variety)}", form=_parameters(order))
        answer = await self._rest.call(request)
        return read_placed(request.name, translate.written(request, answer))

    async def modify(self, order: ChangedOrder) -> str:
        """Change an open order once; return its order_id; raises as `place` does."""
        path = f"/orders/{_part(order.variety)}/{_part(order.order_id)}"
        return await self._write(Request("PUT", path, form=_parameters(order)))

    async def cancel(
        self, order_id: str, *, variety: str = "regular", parent_order_id: str | None = None
    ) -> str:
        """Cancel an open order once; return its order_id; raises as `place` does."""
        query = (("parent_order_id", parent_order_id),) if parent_order_id else ()
        path = f"/orders/{_part(variety)}/{_part(order_id)}"
        return await self._write(Request("DELETE", path, query=query))

    async def book(self) -> list[msgspec.Raw]:
        """Return every order of the day, from all platforms.

        Raises:
            KiteSessionExpired, KiteThrottled, KiteRejected, KiteUnavailable: not read.
        """
        return await self._rows(reads.orders())

    async def history(self, order_id: str) -> list[msgspec.Raw]:
        """Return the steps of one order, oldest first; raises as `book` does."""
        return await self._rows(reads.order_history(order_id))

    async def trades(self) -> list[msgspec.Raw]:
        """Return every fill of the day; raises as `book` does."""
        return await self._rows(reads.trades())

    async def order_trades(self, order_id: str) -> list[msgspec.Raw]:
        """Return the fills of one order; raises as `book` does."""
        return await self._rows(reads.order_trades(order_id))

    async def _write(self, request: Request) -> str:
        answer = await self._rest.call(request)
        try:
            order_id = str(_ORDER_ID.decode(translate.written(request, answer)).order_id)
        except msgspec.DecodeError:
            order_id = ""
        if not order_id:
            raise KiteOutcomeUnknown(
                f"{request.name}: success without an order_id", status=answer.status
            )
        return order_id

    async def _rows(self, request: Request) -> list[msgspec.Raw]:
        body = translate.read(request, await self._rest.call(request))
        try:
            return _ROWS.decode(body)
        except msgspec.DecodeError as error:
            raise KiteUnavailable(f"{request.name}: data is not a list") from error


def _part(text: str) -> str:
    return quote(text, safe="")


def _parameters(order: NewOrder | ChangedOrder) -> Parameters:
    return tuple(_named(order))


def _named(order: NewOrder | ChangedOrder) -> Iterator[tuple[str, str]]:
    # Kite's own client repeats the path's variety and order_id in the body; so do we.
    for name in order.__struct_fields__:
        value = getattr(order, name)
        if value is not None:
            yield name, _text(value)


def _text(value: Any) -> str:
    """Write a number without exponent, a float without a needless .0."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float):
        return f"{Decimal(repr(value)).normalize():f}"
    return str(value)
