"""Good-till-triggered orders of one account: kept, fired when the price gets there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from deploy.sandbox.desk import Desk
from deploy.sandbox.market import Market
from deploy.sandbox.market_clock import MarketClock
from deploy.sandbox.matching import PAISE_PER_RUPEE
from deploy.sandbox.order_rows import india_text
from deploy.sandbox.refusals import bad_input, unknown_trigger
from shared.errors import KiteRejected

#: Triggers that may wait at a time; how long one waits. Source: kite.trade/docs (read 2026-11).
ACTIVE_MAX = 500
LIFE_S = 365 * 86_400
#: The list keeps what ended for so long.
LISTED_S = 7 * 86_400
_COUNTS = {"single": 1, "two-leg": 2}
_PRODUCTS = ("CNC", "NRML", "MTF")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One GTT at one moment; times in Unix seconds."""

    trigger_id: int
    kind: str
    condition: Mapping[str, Any]
    orders: tuple[Mapping[str, Any], ...]
    created_s: int
    updated_s: int
    status: str = "active"
    results: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)


class GttBook:
    """Takes, changes, deletes and fires the triggers of one account."""

    def __init__(self, user_id: str, desk: Desk, market: Market, clock: MarketClock) -> None:
        self._user_id = user_id
        self._desk = desk
        self._market = market
        self._clock = clock
        self._triggers: dict[int, Trigger] = {}

    def place(self, form: Mapping[str, str]) -> int:
        """Keep a new trigger and return its id.

        Raises:
            KiteRejected: the form breaks a rule, or too many triggers wait.
        """
        kind, condition, orders = _read(form)
        self._check(condition)
        if sum(found.status == "active" for found in self._triggers.values()) >= ACTIVE_MAX:
            raise bad_input("Maximum allowed GTT limit exceeded.")
        now_s = self._clock.now_s()
        trigger_id = 100_000 + len(self._triggers) + 1
        self._triggers[trigger_id] = Trigger(
            trigger_id=trigger_id,
            kind=kind,
            condition=condition,
            orders=orders,
            created_s=now_s,
            updated_s=now_s,
        )
        return trigger_id

    def modify(self, trigger_id: int, form: Mapping[str, str]) -> int:
        """Replace what a waiting trigger says; raises as `place` does, also for an unknown one."""
        known = self._active(trigger_id)
        kind, condition, orders = _read(form)
        self._check(condition)
        self._triggers[trigger_id] = replace(
            known, kind=kind, condition=condition, orders=orders, updated_s=self._clock.now_s()
        )
        return trigger_id

    def delete(self, trigger_id: int) -> int:
        """Take a waiting trigger away.

        Raises:
            KiteRejected: there is none of this id.
        """
        known = self._active(trigger_id)
        now_s = self._clock.now_s()
        self._triggers[trigger_id] = replace(known, status="deleted", updated_s=now_s)
        return trigger_id

    def rows(self) -> list[dict[str, Any]]:
        """Return what waits, with what ended in the last days."""
        since_s = self._clock.now_s() - LISTED_S
        return [
            self._row(found)
            for found in self._triggers.values()
            if found.status == "active" or found.updated_s >= since_s
        ]

    def row(self, trigger_id: int) -> dict[str, Any]:
        """Return one trigger of any age.

        Raises:
            KiteRejected: there is none of this id.
        """
        if trigger_id not in self._triggers:
            raise unknown_trigger()
        return self._row(self._triggers[trigger_id])

    def on_market(self) -> None:
        """Fire what the price has reached, expire what has waited too long."""
        now_s = self._clock.now_s()
        for found in list(self._triggers.values()):
            if found.status != "active":
                continue
            if now_s >= found.created_s + LIFE_S:
                self._triggers[found.trigger_id] = replace(found, status="expired", updated_s=now_s)
            elif (leg := self._reached(found)) is not None:
                self._fire(found, leg, now_s)

    def _check(self, condition: Mapping[str, Any]) -> None:
        if self._market.contract(condition["exchange"], condition["tradingsymbol"]) is None:
            raise bad_input("Invalid `tradingsymbol`.")

    def _active(self, trigger_id: int) -> Trigger:
        found = self._triggers.get(trigger_id)
        if found is None or found.status != "active":
            raise unknown_trigger()
        return found

    def _reached(self, trigger: Trigger) -> int | None:
        """Return which leg the price has reached; a single one from where it was placed."""
        condition = trigger.condition
        found = self._market.contract(condition["exchange"], condition["tradingsymbol"])
        if found is None:
            return None
        last = self._market.book(found[0]).last / PAISE_PER_RUPEE
        values = condition["trigger_values"]
        if trigger.kind == "two-leg":
            return 0 if last <= values[0] else 1 if last >= values[1] else None
        is_above = values[0] >= condition["last_price"]
        return 0 if (last >= values[0] if is_above else last <= values[0]) else None

    def _fire(self, trigger: Trigger, leg: int, now_s: int) -> None:
        order = trigger.orders[leg]
        outcome = {"status": "success", "order_id": "", "rejection_reason": ""}
        try:
            form = {name: str(value) for name, value in order.items()}
            outcome["order_id"] = self._desk.place("regular", form)
        except KiteRejected as refusal:
            outcome |= {"status": "failed", "rejection_reason": str(refusal)}
        result = {
            "account_id": self._user_id,
            **order,
            "validity": "DAY",
            "meta": "{}",
            "timestamp": india_text(now_s),
            "triggered_at": trigger.condition["trigger_values"][leg],
            "order_result": outcome,
        }
        self._triggers[trigger.trigger_id] = replace(
            trigger, status="triggered", updated_s=now_s, results={leg: result}
        )

    def _row(self, trigger: Trigger) -> dict[str, Any]:
        condition = trigger.condition
        found = self._market.contract(condition["exchange"], condition["tradingsymbol"])
        return {
            "id": trigger.trigger_id,
            "user_id": self._user_id,
            "parent_trigger": None,
            "type": trigger.kind,
            "created_at": india_text(trigger.created_s),
            "updated_at": india_text(trigger.updated_s),
            "expires_at": india_text(trigger.created_s + LIFE_S),
            "status": trigger.status,
            "condition": {**condition, "instrument_token": found[1].token if found else 0},
            "orders": [
                {**order, "result": trigger.results.get(number)}
                for number, order in enumerate(trigger.orders)
            ],
            "meta": {},
        }


def _read(
    form: Mapping[str, str],
) -> tuple[str, Mapping[str, Any], tuple[Mapping[str, Any], ...]]:
    kind = form.get("type", "")
    if kind not in _COUNTS:
        raise bad_input("Invalid `type`.")
    condition, orders = _json(form, "condition", dict), _json(form, "orders", list)
    values = condition.get("trigger_values")
    numbers = [*(values if isinstance(values, list) else ()), condition.get("last_price")]
    if not isinstance(values, list) or len(values) != _COUNTS[kind] or len(orders) != len(values):
        raise bad_input("Invalid `trigger_values`.")
    if not all(isinstance(each, int | float) and each > 0 for each in numbers):
        raise bad_input("Invalid `condition`.")
    if kind == "two-leg" and not values[0] < condition["last_price"] < values[1]:
        raise bad_input("Trigger price was already met, or the triggers are out of order.")
    for order in orders:
        if not isinstance(order, dict) or order.get("order_type") != "LIMIT":
            raise bad_input("Invalid `order_type`.")
        if order.get("product") not in _PRODUCTS:
            raise bad_input("Invalid `product`.")
    named = {name: str(condition.get(name, "")) for name in ("exchange", "tradingsymbol")}
    return kind, {**condition, **named}, tuple(orders)


def _json(form: Mapping[str, str], name: str, kind: type[Any]) -> Any:
    try:
        found = json.loads(form.get(name, ""))
    except ValueError as error:
        raise bad_input(f"Invalid `{name}`.") from error
    if not isinstance(found, kind):
        raise bad_input(f"Invalid `{name}`.")
    return found
