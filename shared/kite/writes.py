"""Writes that are no orders: GTTs, the product of a position, mutual funds.

Each is one request and the name of the id in its answer. Routes and fields as kiteconnect 5.2.2
sends them; an answer of success without the id is an unknown outcome.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from shared.errors import KiteOutcomeUnknown, KiteUnavailable
from shared.kite import translate
from shared.kite.rest import KiteRest, Parameters, Request
from shared.wire.funds import MfCancel, MfPlace, SipCancel, SipModify, SipPlace
from shared.wire.gtt import Convert, GttDelete, GttModify, GttPlace

Write = (
    GttPlace
    | GttModify
    | GttDelete
    | Convert
    | MfPlace
    | MfCancel
    | SipPlace
    | SipModify
    | SipCancel
)


class Call(NamedTuple):
    """A request, with the field of its answer that names what it was about; "" for none."""

    request: Request
    id_field: str


def call_of(write: Write, *, tag: str = "") -> Call:
    """Return the request of a write; `tag`, of at most 8 characters, is for mutual funds alone."""
    method, path, id_field = _route(write)
    form: Parameters = ()
    if method != "DELETE":
        gtt = write if isinstance(write, GttPlace | GttModify) else None
        form = _trigger(gtt) if gtt is not None else _fields(write, tag)
    return Call(Request(method, path, form=form), id_field)


def _route(write: Write) -> tuple[str, str, str]:
    match write:
        case GttPlace():
            found = "POST", "/gtt/triggers", "trigger_id"
        case GttModify():
            found = "PUT", f"/gtt/triggers/{write.trigger_id}", "trigger_id"
        case GttDelete():
            found = "DELETE", f"/gtt/triggers/{write.trigger_id}", "trigger_id"
        case Convert():
            found = "PUT", "/portfolio/positions", ""
        case MfPlace():
            found = "POST", "/mf/orders", "order_id"
        case MfCancel():
            found = "DELETE", f"/mf/orders/{_part(write.order_id)}", "order_id"
        case SipPlace():
            found = "POST", "/mf/sips", "sip_id"
        case SipModify():
            found = "PUT", f"/mf/sips/{_part(write.sip_id)}", "sip_id"
        case _:
            found = "DELETE", f"/mf/sips/{_part(write.sip_id)}", "sip_id"
    return found


class KiteWrites:
    """What of an account is written beside its orders."""

    def __init__(self, rest: KiteRest) -> None:
        self._rest = rest

    async def write(self, write: Write, *, tag: str = "") -> str:
        """Send once; return the id of what was written, "" where there is none.

        Raises:
            KiteRejected, KiteSessionExpired, KiteThrottled, KiteUnavailable: nothing happened.
            KiteOutcomeUnknown: it may have; look for it, never send it again.
        """
        call = call_of(write, tag=tag)
        data = translate.written(call.request, await self._rest.call(call.request))
        if not call.id_field:
            return ""
        try:
            found = msgspec.json.decode(data)
        except msgspec.DecodeError:
            found = None
        named = found.get(call.id_field) if isinstance(found, dict) else None
        if isinstance(named, str | int) and named and named is not True:
            return str(named)
        raise KiteOutcomeUnknown(f"{call.request.name}: success without {call.id_field}")

    async def rows(self, request: Request) -> list[dict[str, Any]]:
        """Return the rows that a read gives.

        Raises:
            KiteSessionExpired, KiteThrottled, KiteRejected, KiteUnavailable: not read.
        """
        body = translate.read(request, await self._rest.call(request))
        try:
            return msgspec.json.decode(body, type=list[dict[str, Any]])
        except msgspec.DecodeError as error:
            raise KiteUnavailable(f"{request.name}: data is not a list") from error


def _trigger(gtt: GttPlace | GttModify) -> Parameters:
    instrument = {"exchange": gtt.exchange, "tradingsymbol": gtt.tradingsymbol}
    condition = {
        **instrument,
        "trigger_values": [float(value) for value in gtt.trigger_values],
        "last_price": float(gtt.last_price),
    }
    orders = [
        {
            **instrument,
            "transaction_type": order.transaction_type,
            "quantity": order.quantity,
            "order_type": order.order_type,
            "product": order.product,
            "price": float(order.price),
        }
        for order in gtt.orders
    ]
    # Kite's own client writes these values with spaces; so do we.
    return (
        ("condition", json.dumps(condition)),
        ("orders", json.dumps(orders)),
        ("type", gtt.trigger_type),
    )


_HEAD = ("command_id", "strategy_id", "valid_until_us", "sip_id")


def _fields(write: Write, tag: str) -> Parameters:
    found = ((name, getattr(write, name)) for name in write.__struct_fields__ if name not in _HEAD)
    named = [(name, _text(value)) for name, value in found if value is not None]
    return (*named, ("tag", tag)) if tag else tuple(named)


def _text(value: Any) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _part(text: str) -> str:
    return quote(text, safe="")
