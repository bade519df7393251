"""GTTs, mutual funds, conversions over HTTP."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from deploy.sandbox.envelope import success
from deploy.sandbox.gate import CALL
from deploy.sandbox.refusals import bad_input, funds_off, unknown_trigger
from deploy.sandbox.simulation import Simulation

ID_DIGITS_MAX = 15
_PRODUCTS = ("CNC", "NRML", "MIS", "MTF")


class WriteRoutes:
    """Answers what changes something beside orders; funds only where they are switched on."""

    def __init__(self, simulation: Simulation, *, has_funds: bool) -> None:
        self._simulation = simulation
        self._has_funds = has_funds

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to serve."""
        return [
            web.get("/gtt/triggers", self._triggers),
            web.post("/gtt/triggers", self._place_trigger),
            web.get("/gtt/triggers/{trigger_id}", self._trigger),
            web.put("/gtt/triggers/{trigger_id}", self._modify_trigger),
            web.delete("/gtt/triggers/{trigger_id}", self._delete_trigger),
            web.put("/portfolio/positions", self._convert),
            web.get("/mf/orders", self._fund_orders),
            web.get("/mf/orders/{order_id}", self._fund_orders),
            web.post("/mf/orders", self._fund_write),
            web.delete("/mf/orders/{order_id}", self._fund_write),
            web.get("/mf/sips", self._plans),
            web.get("/mf/sips/{sip_id}", self._plans),
            web.post("/mf/sips", self._plan_write),
            web.put("/mf/sips/{sip_id}", self._plan_write),
            web.delete("/mf/sips/{sip_id}", self._plan_write),
        ]

    async def _triggers(self, request: web.Request) -> web.Response:
        return success(self._simulation.gtts(request[CALL].owner().user_id).rows())

    async def _trigger(self, request: web.Request) -> web.Response:
        book = self._simulation.gtts(request[CALL].owner().user_id)
        return success(book.row(_trigger_id(request)))

    async def _place_trigger(self, request: web.Request) -> web.Response:
        call = request[CALL]
        trigger_id = self._simulation.gtts(call.owner().user_id).place(call.form)
        return success({"trigger_id": trigger_id})

    async def _modify_trigger(self, request: web.Request) -> web.Response:
        call = request[CALL]
        book = self._simulation.gtts(call.owner().user_id)
        return success({"trigger_id": book.modify(_trigger_id(request), call.form)})

    async def _delete_trigger(self, request: web.Request) -> web.Response:
        book = self._simulation.gtts(request[CALL].owner().user_id)
        return success({"trigger_id": book.delete(_trigger_id(request))})

    async def _convert(self, request: web.Request) -> web.Response:
        call = request[CALL]
        form, desk = call.form, self._simulation.desk(call.owner().user_id)
        quantity = form.get("quantity", "")
        if not quantity.isdecimal() or len(quantity) > ID_DIGITS_MAX or not int(quantity):
            raise bad_input("Invalid `quantity`.")
        if not {form.get("old_product"), form.get("new_product")} <= set(_PRODUCTS):
            raise bad_input("Invalid `product`.")
        desk.convert(form, int(quantity))
        return success(payload=True)

    async def _fund_orders(self, request: web.Request) -> web.Response:
        desk = self._simulation.funds(request[CALL].owner().user_id)
        order_id = request.match_info.get("order_id")
        return success(desk.orders() if order_id is None else desk.order(order_id))

    async def _plans(self, request: web.Request) -> web.Response:
        desk = self._simulation.funds(request[CALL].owner().user_id)
        sip_id = request.match_info.get("sip_id")
        return success(desk.plans() if sip_id is None else desk.plan(sip_id))

    async def _fund_write(self, request: web.Request) -> web.Response:
        call = request[CALL]
        desk = self._funds(call.owner().user_id)
        if request.method == "DELETE":
            return success({"order_id": desk.cancel(request.match_info["order_id"])})
        return success({"order_id": desk.place(call.form)})

    async def _plan_write(self, request: web.Request) -> web.Response:
        call = request[CALL]
        desk = self._funds(call.owner().user_id)
        if request.method == "POST":
            return success({"sip_id": desk.begin(call.form)})
        sip_id = request.match_info["sip_id"]
        if request.method == "PUT":
            return success({"sip_id": desk.change(sip_id, call.form)})
        return success({"sip_id": desk.end(sip_id)})

    def _funds(self, user_id: str) -> Any:
        if not self._has_funds:
            raise funds_off()
        return self._simulation.funds(user_id)


def _trigger_id(request: web.Request) -> int:
    text = request.match_info["trigger_id"]
    if not text.isdecimal() or len(text) > ID_DIGITS_MAX:
        raise unknown_trigger()
    return int(text)
