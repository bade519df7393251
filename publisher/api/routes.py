"""HTTP /v1: every address with what it takes and answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from publisher.api.command_bodies import ModifyBody, PlaceBody
from publisher.api.commands import CancelQuery, Commands, GiveQuery
from publisher.api.door import Door
from publisher.api.listing import InstrumentsQuery
from publisher.api.market import Market
from publisher.api.openapi import document
from publisher.api.orders import BrokerOrdersQuery, CommandsQuery, EventsQuery, Orders
from publisher.api.postbacks import Postbacks
from publisher.api.route import AccountPageQuery, AccountQuery, Answer, Call, PageQuery, Route
from publisher.api.shapes import (
    BrokerOrderView,
    CommandView,
    InstrumentView,
    Layouts,
    Many,
    Me,
    One,
    OrderStory,
    OrderView,
    Receipt,
    Shards,
    Vitals,
    WantBody,
    Wanted,
    WantView,
)
from publisher.api.wants import Wants
from publisher.api.webhooks import (
    DeadLetter,
    Gone,
    Replayed,
    WebhookBody,
    WebhookMade,
    Webhooks,
    WebhookView,
)
from shared.wire.orders import Command, OrderEvent

OPENAPI_PATH = "/v1/openapi.json"
VERSION = "1.0.0"
_KEYED = "`command_id` is the idempotency key; the header `Idempotency-Key` says the same."
#: The document by the addresses it describes: what an address takes and answers is code.
_DOCUMENTS: dict[tuple[tuple[str, str], ...], bytes] = {}
_GIVEN = {200: One[Receipt], 202: One[Receipt]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """Who answers."""

    commands: Commands
    orders: Orders
    market: Market
    wants: Wants
    postbacks: Postbacks
    webhooks: Webhooks


class Api:
    """Adds /v1 to a server."""

    def __init__(self, routes: Sequence[Route], door: Door) -> None:
        described = Route(
            method="GET",
            path=OPENAPI_PATH,
            summary="This document",
            handle=self._describe,
            answers={200: dict[str, Any]},
            needs_key=False,
        )
        self.routes = (*routes, described)
        self._door = door

    def attach(self, application: web.Application) -> None:
        """Add every route, then what answers everything else below /v1."""
        for route in self.routes:
            application.router.add_route(route.method, route.path, self._door.handler(route))
        application.router.add_route("*", "/v1/{rest:.*}", self._door.lost(self.routes))

    async def _describe(self, _call: Call) -> Answer:
        # Made when first asked for: it takes a tenth of a second, which no start need wait for.
        addresses = tuple((route.method, route.path) for route in self.routes)
        if addresses not in _DOCUMENTS:
            _DOCUMENTS[addresses] = msgspec.json.encode(document(self.routes, version=VERSION))
        return Answer(body=_DOCUMENTS[addresses])


def routes_of(rooms: Rooms) -> list[Route]:
    """Return every address of /v1."""
    return [
        *_giving(rooms.commands),
        *_journal(rooms.orders),
        *_market(rooms.market),
        *_wants(rooms.wants),
        *_webhooks(rooms.webhooks),
        Route(
            method="POST",
            path="/v1/postbacks/{account}",
            summary="Hand on one of Kite's HTTP postbacks, raw",
            handle=rooms.postbacks.take,
            answers={200: One[bool]},
            body=dict[str, Any],
            body_note="as Kite sends it; the executor checks its checksum",
            refusals=(404, 429),
            needs_key=False,
        ),
    ]


def _giving(commands: Commands) -> list[Route]:
    def route(**facts: Any) -> Route:
        given = {"query": GiveQuery, "allowance": "write", "scope": "trade:<account>"}
        return Route(answers=_GIVEN, refusals=(409,), **{**given, **facts})

    def change(path: str, handle: Any, whose: str) -> Route:
        summary = f"Change an order, named by {whose}"
        return route(
            method="PUT", path=path, summary=summary, handle=handle, body=ModifyBody,
            body_note=_KEYED,
        )  # fmt: skip

    def cancel(path: str, handle: Any, whose: str) -> Route:
        summary = f"Cancel an order, named by {whose}"
        return route(
            method="DELETE", path=path, summary=summary, handle=handle, query=CancelQuery,
            allowance="cancel",
        )  # fmt: skip

    return [
        route(
            method="POST", path="/v1/commands", summary="Give a command, as on the stream",
            handle=commands.give, body=Command, body_note=_KEYED,
        ),
        route(
            method="POST", path="/v1/orders", summary="Place an order",
            handle=commands.place, body=PlaceBody, body_note=_KEYED,
        ),
        change("/v1/orders/{command_id}", commands.modify, "the command that placed it"),
        cancel("/v1/orders/{command_id}", commands.cancel, "the command that placed it"),
        change("/v1/broker-orders/{order_id}", commands.modify_at_broker, "the broker's order_id"),
        cancel("/v1/broker-orders/{order_id}", commands.cancel_at_broker, "the broker's order_id"),
    ]  # fmt: skip


def _journal(orders: Orders) -> list[Route]:
    def route(path: str, summary: str, handle: Any, query: Any, answer: Any) -> Route:
        refusals = (404, 502) if "{" in path else (502,)
        return Route(
            method="GET", path=path, summary=summary, handle=handle, query=query,
            answers={200: answer}, refusals=refusals, scope="orders:<account>",
        )  # fmt: skip

    return [
        route("/v1/commands", "Commands, newest first", orders.commands, CommandsQuery,
              Many[CommandView]),
        route("/v1/commands/{command_id}", "One command", orders.command, AccountQuery,
              One[CommandView]),
        route("/v1/commands/{command_id}/events", "Its steps, oldest first",
              orders.command_events, EventsQuery, Many[OrderEvent]),
        route("/v1/orders", "Placements with their orders, newest first", orders.orders,
              AccountPageQuery, Many[OrderView]),
        route("/v1/orders/{command_id}", "One placement with its orders and events",
              orders.order, AccountQuery, One[OrderStory]),
        route("/v1/broker-orders", "The broker's orders, whoever placed them",
              orders.broker_orders, BrokerOrdersQuery, Many[BrokerOrderView]),
        route("/v1/broker-orders/{order_id}", "One of the broker's orders", orders.broker_order,
              AccountQuery, One[BrokerOrderView]),
        route("/v1/events", "An account's order events, oldest first", orders.events,
              EventsQuery, Many[OrderEvent]),
    ]  # fmt: skip


def _market(market: Market) -> list[Route]:
    def route(path: str, summary: str, handle: Any, answer: Any, **facts: Any) -> Route:
        return Route(
            method="GET", path=path, summary=summary, handle=handle, answers={200: answer}, **facts
        )

    readable = {"scope": "ticks", "refusals": (502,)}
    return [
        route("/v1/me", "Whose key it is, what it opens", market.me, One[Me]),
        route("/v1/instruments", "Published instruments by token", market.instruments,
              Many[InstrumentView], query=InstrumentsQuery, **readable),
        route("/v1/shards", "Which shard carries which underlying", market.shards, One[Shards],
              **readable),
        route("/v1/layouts", "Layouts of binary records", market.layouts, One[Layouts],
              **readable),
        route("/v1/vitals", "How the pipeline does", market.vitals, One[Vitals], **readable),
    ]  # fmt: skip


def _wants(wants: Wants) -> list[Route]:
    def route(**facts: Any) -> Route:
        return Route(scope="wants", **facts)

    return [
        route(
            method="GET", path="/v1/subscriptions", handle=wants.listed, query=PageQuery,
            summary="What the key wants to be subscribed to", answers={200: Many[WantView]},
        ),
        route(
            method="POST", path="/v1/subscriptions", handle=wants.add, body=WantBody,
            summary="Subscribe to instruments at the broker", answers={201: One[Wanted]},
            allowance="write", refusals=(409, 502),
        ),
        route(
            method="DELETE", path="/v1/subscriptions", handle=wants.remove_all,
            summary="End every subscription of the key", answers={200: One[Wanted]},
            allowance="write",
        ),
        route(
            method="DELETE", path="/v1/subscriptions/{symbol}", handle=wants.remove,
            summary="End one subscription of the key", answers={200: One[Wanted]},
            allowance="write", refusals=(404,),
        ),
    ]  # fmt: skip


def _webhooks(webhooks: Webhooks) -> list[Route]:
    def route(**facts: Any) -> Route:
        return Route(scope="orders:<account>", **facts)

    one = "/v1/webhooks/{webhook_id}"
    return [
        route(
            method="GET", path="/v1/webhooks", handle=webhooks.listed,
            summary="The key's webhooks", answers={200: Many[WebhookView]},
        ),
        route(
            method="POST", path="/v1/webhooks", handle=webhooks.register, body=WebhookBody,
            summary="Be told of order events", answers={201: One[WebhookMade]},
            allowance="write", refusals=(409,),
        ),
        route(
            method="DELETE", path=one, handle=webhooks.remove, allowance="write",
            summary="Be told no longer", answers={200: One[Gone]}, refusals=(404,),
        ),
        route(
            method="GET", path=f"{one}/dead-letters", handle=webhooks.dead_letters,
            query=PageQuery, summary="Events that were given up, oldest first",
            answers={200: Many[DeadLetter]}, refusals=(404,),
        ),
        route(
            method="POST", path=f"{one}/replay", handle=webhooks.replay, allowance="write",
            summary="Deliver every dead letter again", answers={200: One[Replayed]},
            refusals=(404,),
        ),
    ]  # fmt: skip
