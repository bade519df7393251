"""What the broker demands of an order form."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import cast

from deploy.sandbox.contracts import Contract, Kind
from deploy.sandbox.matching import FULL_PERCENT, PAISE_PER_RUPEE, Side
from deploy.sandbox.orders import Iceberg, Ticket
from deploy.sandbox.refusals import NO_PROTECTION_TEXT, bad_input

Form = Mapping[str, str]

TAG_CHARACTERS_MAX = 20
VALIDITY_TTL_MINUTES_MAX = 360
QUANTITY_MAX = 10_000_000
PRICE_DIGITS_MAX = 12
WHOLE_DIGITS_MAX = 12
AUTOMATIC_PROTECTION = -1.0

_VARIETIES = ("regular", "amo", "co", "iceberg", "auction")
ICEBERG_LEGS_MIN = 2
ICEBERG_LEGS_MAX = 50
_SIDES = ("BUY", "SELL")
_ORDER_TYPES = ("MARKET", "LIMIT", "SL", "SL-M")
_VALIDITIES = ("DAY", "IOC", "TTL")
_EQUITY_PRODUCTS = ("CNC", "MIS", "MTF")
_DERIVATIVE_PRODUCTS = ("NRML", "MIS")
_PROTECTED = frozenset({"MARKET", "SL-M"})
_PRICED = frozenset({"LIMIT", "SL"})
_TRIGGERED = frozenset({"SL", "SL-M"})


def read_ticket(variety: str, form: Form, contract: Contract | None) -> Ticket:
    """Return the order a form asks for; `contract` is what its symbol names, None if unlisted.

    Raises:
        KiteRejected: a field is missing, malformed, or against the contract's rules.
    """
    _choice("variety", variety, _VARIETIES)
    if contract is None or not contract.is_tradable:
        raise bad_input(
            "The instrument you are placing an order for has either expired or does not exist."
        )
    order_type = _choice("order_type", _needed(form, "order_type"), _ORDER_TYPES)
    equity = contract.kind is Kind.EQUITY
    products = _EQUITY_PRODUCTS if equity else _DERIVATIVE_PRODUCTS
    validity = _choice("validity", form.get("validity") or "DAY", _VALIDITIES)
    triggered = order_type in _TRIGGERED or variety == "co"
    iceberg = _iceberg(form, contract) if variety == "iceberg" else None
    ticket = Ticket(
        variety=variety,
        exchange=contract.exchange,
        symbol=contract.symbol,
        token=contract.token,
        side=cast("Side", _choice("transaction_type", _needed(form, "transaction_type"), _SIDES)),
        quantity=iceberg.leg_quantity if iceberg else _quantity(form, "quantity", contract),
        product=_choice("product", _needed(form, "product"), products),
        order_type=order_type,
        price=_price(form, "price", contract) if order_type in _PRICED else 0,
        trigger_price=_price(form, "trigger_price", contract) if triggered else 0,
        validity=validity,
        validity_ttl=_ttl(form) if validity == "TTL" else 0,
        disclosed_quantity=_whole(form, "disclosed_quantity", 0),
        market_protection=_protection(form, order_type),
        tag=_tag(form),
        tags=(),
        iceberg=iceberg,
        auction_number=_needed(form, "auction_number") if variety == "auction" else "",
    )
    _check_variety(ticket)
    _check_stop(ticket, contract)
    return ticket


def changed_ticket(ticket: Ticket, form: Form, contract: Contract | None, filled: int) -> Ticket:
    """Return the ticket with a modification's fields put in; `filled` units are beyond change.

    Raises:
        KiteRejected: the result would break a rule, or its quantity is not above what traded.
    """
    merged = {
        "transaction_type": ticket.side,
        "quantity": str(ticket.quantity),
        "product": ticket.product,
        "order_type": ticket.order_type,
        "price": rupees_text(ticket.price) if ticket.price else "",
        "trigger_price": rupees_text(ticket.trigger_price) if ticket.trigger_price else "",
        "validity": ticket.validity,
        "validity_ttl": str(ticket.validity_ttl) if ticket.validity_ttl else "",
        "disclosed_quantity": str(ticket.disclosed_quantity),
        "tag": ticket.tag or "",
        **_kept_pieces(ticket),
    }
    if ticket.order_type == "SL-M":
        merged["market_protection"] = str(ticket.market_protection)
    changeable = set(merged) - {"transaction_type", "product", "tag"} | {"market_protection"}
    merged.update({name: text for name, text in form.items() if name in changeable and text})
    changed = read_ticket(ticket.variety, merged, contract)
    if changed.quantity <= filled:
        raise bad_input(f"Order quantity cannot be less than or equal to filled quantity {filled}.")
    return changed


def _kept_pieces(ticket: Ticket) -> dict[str, str]:
    if ticket.iceberg is None:
        return {"auction_number": ticket.auction_number}
    return {
        "quantity": str(ticket.iceberg.total),
        "iceberg_legs": str(ticket.iceberg.legs),
        "iceberg_quantity": str(ticket.iceberg.leg_quantity),
    }


def rupees_text(paise: int) -> str:
    """Return a price as decimal text."""
    return str(Decimal(paise) / PAISE_PER_RUPEE)


def _needed(form: Form, name: str) -> str:
    text = form.get(name, "").strip()
    if not text:
        raise bad_input(f"Missing or empty field `{name}`")
    return text


def _choice(name: str, text: str, allowed: tuple[str, ...]) -> str:
    if text not in allowed:
        raise bad_input(f"Invalid `{name}`.")
    return text


def _whole(form: Form, name: str, missing: int) -> int:
    text = form.get(name, "").strip()
    if not text:
        return missing
    if not text.isdecimal() or len(text) > WHOLE_DIGITS_MAX:
        raise bad_input(f"Invalid `{name}`.")
    return int(text)


def _iceberg(form: Form, contract: Contract) -> Iceberg:
    """Return the first leg of an iceberg order."""
    legs, total = _whole(form, "iceberg_legs", 0), _whole(form, "quantity", 0)
    if not ICEBERG_LEGS_MIN <= legs <= ICEBERG_LEGS_MAX:
        raise bad_input("Invalid `iceberg_legs`.")
    quantity = _quantity(form, "iceberg_quantity", contract)
    if not (legs - 1) * quantity < total <= legs * quantity or total % contract.lot_size:
        raise bad_input("Invalid `iceberg_quantity`.")
    return Iceberg(leg=1, legs=legs, leg_quantity=quantity, total=total)


def _check_variety(ticket: Ticket) -> None:
    if ticket.variety == "co" and (ticket.product, ticket.validity) != ("MIS", "DAY"):
        raise bad_input("Invalid `product`.")
    if ticket.variety == "auction" and ticket.exchange not in ("NSE", "BSE"):
        raise bad_input("Invalid `exchange`.")


def _quantity(form: Form, name: str, contract: Contract) -> int:
    _needed(form, name)
    quantity = _whole(form, name, 0)
    if not 0 < quantity <= QUANTITY_MAX:
        raise bad_input(f"Invalid `{name}`.")
    lot = contract.lot_size
    if quantity % lot:
        raise bad_input(f"Quantity should be in multiples of the lot size {lot}.")
    freeze = contract.freeze_quantity
    if freeze and quantity > freeze:
        most = freeze // lot * lot
        raise bad_input(
            f"The order quantity {quantity} ({quantity // lot} lots) is higher than the maximum "
            f"quantity of {most} ({most // lot} lots) allowed by the exchanges. "
            "Consider placing multiple orders of a smaller quantity."
        )
    return quantity


def _price(form: Form, name: str, contract: Contract) -> int:
    text = _needed(form, name)
    try:
        paise = Decimal(text) * PAISE_PER_RUPEE
    except ArithmeticError as error:  # malformed text and overflow alike
        raise bad_input(f"Invalid `{name}`.") from error
    if not paise.is_finite() or paise <= 0 or paise.adjusted() >= PRICE_DIGITS_MAX:
        raise bad_input(f"Invalid `{name}`.")
    if paise % contract.tick_paise:
        raise bad_input(
            f"Tick size for this script is {contract.tick_paise:.2f} paise. "
            "Kindly enter price in the multiple of tick size for this script"
        )
    return int(paise)


def _ttl(form: Form) -> int:
    minutes = _whole(form, "validity_ttl", 0)
    if not 0 < minutes <= VALIDITY_TTL_MINUTES_MAX:
        raise bad_input("Invalid `validity_ttl`.")
    return minutes


def _protection(form: Form, order_type: str) -> float:
    text = form.get("market_protection", "").strip() or "0"
    try:
        percent = float(text)
    except ValueError as error:
        raise bad_input("Invalid `market_protection`.") from error
    if percent != AUTOMATIC_PROTECTION and not 0 <= percent <= FULL_PERCENT:
        raise bad_input("Invalid `market_protection`.")
    if order_type not in _PROTECTED:
        return 0.0
    if percent == 0:
        raise bad_input(NO_PROTECTION_TEXT)
    return percent


def _tag(form: Form) -> str | None:
    tag = form.get("tag", "")
    if len(tag) > TAG_CHARACTERS_MAX:
        raise bad_input(f"Tag should be less than or equal to {TAG_CHARACTERS_MAX} characters.")
    return tag or None


def _check_stop(ticket: Ticket, contract: Contract) -> None:
    if ticket.order_type == "SL-M" and contract.is_option:
        raise bad_input("SL-M orders are not allowed for options. Please use SL orders instead.")
    if ticket.order_type != "SL":
        return
    wrong = (
        ticket.price < ticket.trigger_price
        if ticket.side == "BUY"
        else ticket.price > ticket.trigger_price
    )
    if wrong:
        side = "buy" if ticket.side == "BUY" else "sell"
        beyond = "above" if ticket.side == "BUY" else "below"
        raise bad_input(f"The price of a {side} SL order must be at or {beyond} its trigger price.")
