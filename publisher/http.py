"""The HTTP side of the publisher, wired."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from publisher.api import Api, Rooms, routes_of
from publisher.api_commands import Commands, Trading
from publisher.api_door import Door
from publisher.api_market import Market
from publisher.api_orders import Orders
from publisher.api_wants import Wants
from publisher.archive import Archive
from publisher.auth import Principal
from publisher.desk import Desk
from publisher.feeds import Feed, Malformed
from publisher.http_settings import HttpSection, PublisherPostgres
from publisher.outcomes import OutcomeFeed, Outcomes
from publisher.postbacks import Postbacks
from publisher.quota import Quota
from publisher.server import Part
from publisher.vitals import VitalSigns
from shared.runtime.resources import Resources
from shared.streams.client import Connection, connect
from shared.streams.settings import RedisSettings


class Job(Protocol):
    """Something that runs beside the server."""

    name: str

    async def run(self, stopping: asyncio.Event) -> None:
        """Run until `stopping` is set."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What the publisher has already."""

    desk: Desk
    ticks: Connection
    orders: Connection | None
    accounts: tuple[str, ...]
    identify: Callable[[str], Principal | None]
    redis: RedisSettings
    http: HttpSection
    postgres: PublisherPostgres
    block_ms: int
    resources: Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSide:
    """What the worker is to serve, read and run for it."""

    parts: Sequence[Part]
    feeds: Sequence[Feed]
    jobs: Sequence[Job]


async def wire(around: Around) -> HttpSide:
    """Wire the HTTP side.

    Raises:
        SettingsError: a setting is refused, or a URL is malformed.
    """
    resources, http = around.resources, around.http
    door = Door(
        around.identify, http, clock=resources.clock, chance=resources.random, log=resources.log
    )
    archive = Archive(around.postgres, resources)
    outcomes = Outcomes()
    vitals = VitalSigns(around.ticks, around.desk, resources.clock)
    market = Market(around.ticks, vitals, around.accounts, resources.clock)
    rooms = Rooms(
        commands=Commands(await _trading(around, archive, outcomes)),
        orders=Orders(archive, around.accounts),
        market=market,
        wants=Wants(archive, market, around.ticks, resources.clock, most=http.wants_per_key_max),
        postbacks=_postbacks(around),
    )
    feeds: list[Feed] = []
    if around.orders is not None:
        malformed = Malformed(resources.log, resources.clock)
        feeds.append(
            OutcomeFeed(
                around.orders,
                outcomes,
                malformed,
                accounts=around.accounts,
                block_ms=around.block_ms,
            )
        )
    return HttpSide(parts=[Api(routes_of(rooms), door)], feeds=feeds, jobs=[vitals])


async def _trading(around: Around, archive: Archive, outcomes: Outcomes) -> Trading:
    http, resources = around.http, around.resources
    redis = None
    if http.trading_url:
        redis = await resources.enter(
            connect(http.trading_url, name="publisher-commands", settings=around.redis)
        )
    return Trading(
        redis=redis,
        accounts=around.accounts,
        outcomes=outcomes,
        archive=archive,
        clock=resources.clock,
        chance=resources.random,
        wait_s_max=http.wait_s_max,
        waiting_max=http.waiting_max,
    )


def _postbacks(around: Around) -> Postbacks:
    http = around.http
    return Postbacks(
        around.orders,
        around.accounts,
        quota=Quota(http.postbacks_per_s, http.postbacks_burst),
        bytes_max=http.postback_bytes_max,
        clock=around.resources.clock,
    )
