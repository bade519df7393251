"""Placing, changing, reading orders over HTTP."""

from __future__ import annotations

from aiohttp import web

from deploy.sandbox.desk import Delays
from deploy.sandbox.envelope import success
from deploy.sandbox.faults import FaultBoard, Occasion
from deploy.sandbox.gate import CALL
from deploy.sandbox.limits import RequestLimits
from deploy.sandbox.market_clock import MarketClock
from deploy.sandbox.order_rows import order_row, position_rows, trade_row
from deploy.sandbox.simulation import Simulation

HIDDEN_S = 30.0


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
        user_id = call.owner().user_id
        # Counted before it is read, since refused placements count against the day as well.
        self._limits.admit_placement(user_id, self._clock.now_s())
        desk = self._simulation.desk(user_id)
        delays = self._delays(Occasion(user_id, request.method, request.path))
        order_id = desk.place(request.match_info["variety"], call.form, delays)
        await self._simulation.deliver()
        return success({"order_id": order_id})

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
        rows = position_rows(desk.trades, self._simulation.last_and_close(desk.trades))
        return success({"net": rows, "day": rows})

    def _delays(self, occasion: Occasion) -> Delays:
        hidden = self._faults.take("hidden_for", occasion)
        stuck = self._faults.take("stuck_in_validation", occasion)
        return Delays(
            hidden_s=0.0 if hidden is None else _seconds(hidden.seconds),
            stuck_s=0.0 if stuck is None else _seconds(stuck.seconds),
        )


def _seconds(seconds: float | None) -> float:
    return HIDDEN_S if seconds is None else seconds
