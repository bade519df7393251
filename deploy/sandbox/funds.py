"""Mutual-fund orders and plans of one account, as the broker took them while it did."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from deploy.sandbox.market_clock import MarketClock
from deploy.sandbox.order_rows import india_text
from deploy.sandbox.refusals import bad_input, unknown_order

TAG_CHARACTERS_MAX = 8
_FREQUENCIES = ("weekly", "monthly", "quarterly")
_ISIN_CHARACTERS = 12


class FundDesk:
    """Takes and cancels, never executes: what a fund allots is not the broker's to say."""

    def __init__(self, user_id: str, clock: MarketClock) -> None:
        self._user_id = user_id
        self._clock = clock
        self._orders: dict[str, dict[str, Any]] = {}
        self._plans: dict[str, dict[str, Any]] = {}

    def place(self, form: Mapping[str, str]) -> str:
        """Take an order and return its id.

        Raises:
            KiteRejected: the form breaks a rule.
        """
        side = form.get("transaction_type", "")
        if side not in ("BUY", "SELL"):
            raise bad_input("Invalid `transaction_type`.")
        amount = _number(form, "amount") if side == "BUY" else 0.0
        quantity = _number(form, "quantity") if side == "SELL" else 0.0
        order_id = str(uuid.uuid4())
        self._orders[order_id] = {
            "order_id": order_id,
            "exchange_order_id": None,
            "tradingsymbol": _isin(form),
            "status": "OPEN",
            "status_message": None,
            "folio": None,
            "fund": "Sandbox fund",
            "order_timestamp": india_text(self._clock.now_s()),
            "exchange_timestamp": None,
            "settlement_id": None,
            "transaction_type": side,
            "variety": "regular",
            "purchase_type": "FRESH",
            "quantity": quantity,
            "amount": amount,
            "last_price": 0,
            "average_price": 0,
            "placed_by": self._user_id,
            "tag": _tag(form),
        }
        return order_id

    def cancel(self, order_id: str) -> str:
        """Cancel an order.

        Raises:
            KiteRejected: there is none of this id.
        """
        if order_id not in self._orders:
            raise unknown_order()
        self._orders[order_id]["status"] = "CANCELLED"
        return order_id

    def begin(self, form: Mapping[str, str]) -> str:
        """Begin a plan and return its id; raises as `place` does."""
        if form.get("frequency") not in _FREQUENCIES:
            raise bad_input("Invalid `frequency`.")
        sip_id = str(181_635_213_661_372 + len(self._plans))
        self._plans[sip_id] = {
            "sip_id": sip_id,
            "tradingsymbol": _isin(form),
            "fund": "Sandbox fund",
            "dividend_type": "growth",
            "transaction_type": "BUY",
            "status": "ACTIVE",
            "created": india_text(self._clock.now_s()),
            "frequency": form["frequency"],
            "instalment_amount": _number(form, "amount"),
            "instalments": int(form.get("instalments", "-1")),
            "last_instalment": india_text(self._clock.now_s()),
            "pending_instalments": int(form.get("instalments", "-1")),
            "instalment_day": int(form.get("instalment_day", "0")),
            "completed_instalments": 0,
            "next_instalment": india_text(self._clock.now_s(), "%Y-%m-%d"),
            "trigger_price": 0,
            "step_up": {},
            "tag": _tag(form),
        }
        return sip_id

    def change(self, sip_id: str, form: Mapping[str, str]) -> str:
        """Change a plan; raises as `cancel` does."""
        plan = self._plan(sip_id)
        if "amount" in form:
            plan["instalment_amount"] = _number(form, "amount")
        if "status" in form:
            plan["status"] = form["status"].upper()
        for name in ("instalments", "instalment_day"):
            if name in form:
                plan[name] = int(form[name])
        plan["frequency"] = form.get("frequency", plan["frequency"])
        return sip_id

    def end(self, sip_id: str) -> str:
        """End a plan; raises as `cancel` does."""
        self._plan(sip_id)["status"] = "CANCELLED"
        return sip_id

    def orders(self) -> list[dict[str, Any]]:
        """Return every order."""
        return list(self._orders.values())

    def order(self, order_id: str) -> dict[str, Any]:
        """Return one order; raises as `cancel` does."""
        if order_id not in self._orders:
            raise unknown_order()
        return self._orders[order_id]

    def plans(self) -> list[dict[str, Any]]:
        """Return every plan."""
        return list(self._plans.values())

    def plan(self, sip_id: str) -> dict[str, Any]:
        """Return one plan; raises as `cancel` does."""
        return self._plan(sip_id)

    def _plan(self, sip_id: str) -> dict[str, Any]:
        if sip_id not in self._plans:
            raise unknown_order()
        return self._plans[sip_id]


def _isin(form: Mapping[str, str]) -> str:
    isin = form.get("tradingsymbol", "")
    if len(isin) != _ISIN_CHARACTERS or not isin.isalnum():
        raise bad_input("Invalid `tradingsymbol`.")
    return isin


def _number(form: Mapping[str, str], name: str) -> float:
    try:
        number = Decimal(form.get(name, ""))
    except InvalidOperation as error:
        raise bad_input(f"Invalid `{name}`.") from error
    if not number.is_finite() or number <= 0:
        raise bad_input(f"Invalid `{name}`.")
    return float(number)


def _tag(form: Mapping[str, str]) -> str | None:
    tag = form.get("tag", "")
    if len(tag) > TAG_CHARACTERS_MAX:
        raise bad_input(f"Tag should be less than or equal to {TAG_CHARACTERS_MAX} characters.")
    return tag or None
