"""Placing, changing, reading orders over HTTP."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from deploy.sandbox.desk import Circumstances
from deploy.sandbox.envelope import success
from deploy.sandbox.faults import FaultBoard, Occasion
from deploy.sandbox.gate import CALL
from deploy.sandbox.limits import RequestLimits
from deploy.sandbox.market_clock import MarketClock
from deploy.sandbox.order_rows import order_row, position_rows, trade_row
from deploy.sandbox.order_rules import WHOLE_DIGITS_MAX
from deploy.sandbox.refusals import not_enough_money
from deploy.sandbox.simulation import Simulation
from deploy.sandbox.slicing import slice_quantities
from shared.errors import KiteRejected

HIDDEN_S = 30.0
AUTOSLICE_TAG = "autoslice"
#: What a child slice refused by a fault would have needed, and what there was.
CHILD_SHORT_OF_RUPEES = (95_417.84, 74_251.80)


class OrderRoutes:
    """Answers everything about one account's orders."""

    def __init__(
        self, simulation: Simulation, faults: FaultBoard, limits: RequestLimits, clock: MarketClock
    ) -> None:
        self._simulation = simulation
        self._faults = faults
        self._limits = limits
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to serve."""
        return [
            web.post("/orders/{variety}", self._place),
            web.put("/orders/{variety}/{order_id}", self._modify),
            web.delete("/orders/{variety}/{order_id}", self._cancel),
            web.get("/orders", self._book),
            web.get("/orders/{order_id}", self._history),
            web.get("/orders/{order_id}/trades", self._order_trades),
            web.get("/trades", self._trades),
            web.get("/portfolio/positions", self._positions),
        ]

    async def _place(self, request: web.Request) -> web.Response:
        call = request[CALL]
        user_id, variety = call.owner().user_id, request.match_info["variety"]
        occasion = Occasion(user_id, request.method, request.path)
        slices = self._slices(call.form)
        first = {**call.form, "quantity": str(slices[0])} if slices else call.form
        own_tags = (AUTOSLICE_TAG,) if slices else ()
        order_id = self._place_one(occasion, variety, first, own_tags)
        answer: dict[str, Any] = {"order_id": order_id}
        if slices:
            tags = (AUTOSLICE_TAG, f"{AUTOSLICE_TAG}:{order_id}")
            answer["children"] = [
                self._child(occasion, variety, {**call.form, "quantity": str(quantity)}, tags)
                for quantity in slices[1:]
            ]
        await self._simulation.deliver()
        return success(answer)

    def _slices(self, form: dict[str, str]) -> tuple[int, ...]:
        """Return the quantities an order is cut into; nothing when it goes out whole."""
        found = self._simulation.contract(form.get("exchange", ""), form.get("tradingsymbol", ""))
        quantity = form.get("quantity", "")
        wanted = form.get("autoslice", "").lower() == "true"
        if not wanted or found is None or not found.freeze_quantity:
            return ()
        if not quantity.isdecimal() or len(quantity) > WHOLE_DIGITS_MAX:
            return ()
        if int(quantity) <= found.freeze_quantity or int(quantity) % found.lot_size:
            return ()
        return slice_quantities(int(quantity), found.freeze_quantity, found.lot_size)

    def _place_one(
        self, occasion: Occasion, variety: str, form: dict[str, str], tags: tuple[str, ...]
    ) -> str:
        # Counted before it is read, since refused placements count against the day as well.
        self._limits.admit_placement(occasion.account, self._clock.now_s())
        desk = self._simulation.desk(occasion.account)
        return desk.place(variety, form, self._circumstances(occasion, tags))

    def _child(
        self, occasion: Occasion, variety: str, form: dict[str, str], tags: tuple[str, ...]
    ) -> dict[str, Any]:
        try:
            if self._faults.take("autoslice_child_error", occasion):
                raise not_enough_money(*CHILD_SHORT_OF_RUPEES)
            return {"order_id": self._place_one(occasion, variety, form, tags)}
        except KiteRejected as refusal:
            error = {
                "code": refusal.status,
                "error_type": refusal.error_type,
                "message": str(refusal),
                "data": None,
            }
            return {"error": error}

    async def _modify(self, request: web.Request) -> web.Response:
        call = request[CALL]
        desk = self._simulation.desk(call.owner().user_id)
        order_id = desk.modify(request.match_info["order_id"], call.form)
        await self._simulation.deliver()
        return success({"order_id": order_id})

    async def _cancel(self, request: web.Request) -> web.Response:
        desk = self._simulation.desk(request[CALL].owner().user_id)
        order_id = desk.cancel(request.match_info["order_id"])
        await self._simulation.deliver()
        return success({"order_id": order_id})

    async def _book(self, request: web.Request) -> web.Response:
        desk = self._simulation.desk(request[CALL].owner().user_id)
        return success([order_row(order) for order in desk.orders()])

    async def _history(self, request: web.Request) -> web.Response:
        desk = self._simulation.desk(request[CALL].owner().user_id)
        history = desk.history(request.match_info["order_id"])
        return success([order_row(order) for order in history])

    async def _order_trades(self, request: web.Request) -> web.Response:
        desk = self._simulation.desk(request[CALL].owner().user_id)
        order_id = desk.history(request.match_info["order_id"])[-1].order_id
        return success(
            [trade_row(trade) for trade in desk.trades if trade.order.order_id == order_id]
        )

    async def _trades(self, request: web.Request) -> web.Response:
        desk = self._simulation.desk(request[CALL].owner().user_id)
        return success([trade_row(trade) for trade in desk.trades])

    async def _positions(self, request: web.Request) -> web.Response:
        desk = self._simulation.desk(request[CALL].owner().user_id)
        rows = position_rows(desk.booked, self._simulation.last_and_close(desk.booked))
        return success({"net": rows, "day": rows})

    def _circumstances(self, occasion: Occasion, tags: tuple[str, ...]) -> Circumstances:
        hidden = self._faults.take("hidden_for", occasion)
        stuck = self._faults.take("stuck_in_validation", occasion)
        return Circumstances(
            hidden_s=0.0 if hidden is None else _seconds(hidden.seconds),
            stuck_s=0.0 if stuck is None else _seconds(stuck.seconds),
            tags=tags,
        )


def _seconds(seconds: float | None) -> float:
    return HIDDEN_S if seconds is None else seconds
