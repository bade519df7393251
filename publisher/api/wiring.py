"""The HTTP side of the publisher, wired."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from publisher.access.auth import Keyring, Principal
from publisher.access.quota import Quota
from publisher.api.archive import Archive
from publisher.api.commands import Commands, Trading
from publisher.api.door import Door
from publisher.api.market import Market
from publisher.api.orders import Orders
from publisher.api.outcomes import OutcomeFeed, Outcomes
from publisher.api.postbacks import Postbacks
from publisher.api.routes import Api, Rooms, routes_of
from publisher.api.vitals import VitalSigns
from publisher.api.wants import Wants
from publisher.api.webhooks import Webhooks
from publisher.door.server import Part
from publisher.feeds.catalogue import Malformed
from publisher.feeds.tick_feed import Feed
from publisher.page.site import Site
from publisher.session.desk import Desk
from publisher.settings import PublisherSettings
from publisher.webhooks.delivery import Deliveries, Post
from publisher.webhooks.sender import open_sender
from shared.runtime.resources import Resources
from shared.streams.client import Connection, connect


class Job(Protocol):
    """Something that runs beside the server."""

    name: str

    async def run(self, stopping: asyncio.Event) -> None:
        """Run until `stopping` is set."""
        ...


@dataclass(frozen=True, slots=True)
class Around:
    """What the publisher has already; `orders` is None where it knows no account."""

    desk: Desk
    ticks: Connection
    orders: Connection | None
    keyring: Keyring
    settings: PublisherSettings
    resources: Resources

    def identify(self, key: str) -> Principal | None:
        """Return who holds a key or a token, or None."""
        return self.desk.principal_of(key, self.resources.clock.now_ns() / 1e9)

    @property
    def accounts(self) -> tuple[str, ...]:
        """Return the accounts that are known here."""
        return self.settings.publisher.accounts


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
    resources, http = around.resources, around.settings.http
    door = Door(
        around.identify, http, clock=resources.clock, chance=resources.random, log=resources.log
    )
    archive = Archive(around.settings.postgres, resources)
    outcomes = Outcomes()
    vitals = VitalSigns(around.ticks, around.desk, resources.clock)
    market = Market(
        around.ticks,
        vitals,
        around.accounts,
        resources.clock,
        has_journal=archive.is_configured,
    )
    webhooks = Webhooks(
        archive,
        around.keyring,
        around.settings.webhooks,
        accounts=around.accounts,
        clock=resources.clock,
        chance=resources.random,
    )
    rooms = Rooms(
        commands=Commands(await _trading(around, archive, outcomes)),
        orders=Orders(archive, around.accounts),
        market=market,
        wants=Wants(archive, market, around.ticks, resources.clock, most=http.wants_per_key_max),
        postbacks=_postbacks(around),
        webhooks=webhooks,
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
                block_ms=around.settings.publisher.block_ms,
            )
        )
    jobs: list[Job] = [vitals, *await _deliveries(around, archive, webhooks)]
    return HttpSide(parts=[Site(), Api(routes_of(rooms), door)], feeds=feeds, jobs=jobs)


async def _trading(around: Around, archive: Archive, outcomes: Outcomes) -> Trading:
    http, resources = around.settings.http, around.resources
    redis = None
    if http.trading_url:
        redis = await resources.enter(
            connect(http.trading_url, name="publisher-commands", settings=around.settings.redis)
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


async def _deliveries(around: Around, archive: Archive, webhooks: Webhooks) -> list[Job]:
    settings, resources = around.settings.webhooks, around.resources
    if not settings.signing_keys or not archive.is_configured:
        return []
    sender = await resources.enter(open_sender(webhooks.allowed, settings.timeout_s))
    post = Post(
        tables=archive,
        sender=sender,
        holders=around.keyring,
        settings=settings,
        clock=resources.clock,
        chance=resources.random,
        log=resources.log,
    )
    return [Deliveries(post)]


def _postbacks(around: Around) -> Postbacks:
    http = around.settings.http
    return Postbacks(
        around.orders,
        around.accounts,
        quota=Quota(http.postbacks_per_s, http.postbacks_burst),
        bytes_max=http.postback_bytes_max,
        clock=around.resources.clock,
    )
