"""Order events to receivers over HTTPS: at least once, from a queue that survives everything."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from publisher import metrics
from publisher.access.auth import Principal
from publisher.http_settings import WebhookSection
from publisher.webhooks.sender import Parcel, Sender
from publisher.webhooks.signing import secret_of
from shared.clock import Clock
from shared.errors import StoreError
from shared.resilience.retry import RetryPolicy
from shared.runtime.logs import Log
from shared.runtime.supervise import pause
from shared.store.webhooks import Delivery, WebhookTable

#: Deliveries of one webhook read at once.
BATCH_MAX = 20
_GROWTH = 3.0
_NS_PER_US = 1_000
_US_PER_S = 1_000_000
_RETRY_STORE_S = 2.0


class Holders(Protocol):
    """Who holds a key now."""

    @property
    def names(self) -> Sequence[str]:
        """Return the names of all keys."""
        ...

    def named(self, name: str) -> Principal | None:
        """Return the holder of this name, or None."""
        ...


class Tables(Protocol):
    """Where the queue is."""

    async def webhooks(self) -> WebhookTable:
        """Return the table; raises StoreError."""
        ...


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a delivery: `event` is the account's event as on its stream."""

    webhook_id: str
    delivery_id: int
    account: str
    sequence: int
    event: msgspec.Raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What deliveries are made with."""

    tables: Tables
    sender: Sender
    holders: Holders
    settings: WebhookSection
    clock: Clock
    chance: random.Random
    log: Log


class Deliveries:
    """Delivers while it runs; any number of publishers may, each webhook is one's at a time."""

    name = "webhooks"

    def __init__(self, post: Post) -> None:
        self._post = post
        settings = post.settings
        self._retry = RetryPolicy(
            base_s=settings.retry_s_min,
            factor=_GROWTH,
            ceiling_s=settings.retry_s_max,
            jitter=0.2,
            attempts_max=settings.attempts_max,
        )

    async def run(self, stopping: asyncio.Event) -> None:
        """Deliver until `stopping` is set; what is being sent is finished."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._post.settings.workers):
                group.create_task(self._work(stopping), name=f"webhooks {number}")
            group.create_task(self._measure(stopping), name="webhooks measure")

    async def _work(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                table = await self._post.tables.webhooks()
                is_busy = await self._serve_one(table, stopping)
            except StoreError as error:
                self._post.log.warning("webhooks.store_away", reason=str(error))
                await pause(stopping, _RETRY_STORE_S)
                continue
            if not is_busy:
                await pause(stopping, self._post.settings.poll_s)

    async def _serve_one(self, table: WebhookTable, stopping: asyncio.Event) -> bool:
        """Deliver what is due for one webhook; tell whether there was any to look at."""
        settings, now_us = self._post.settings, self._now_us()
        lease_us = round(settings.lease_s * _US_PER_S)
        # Another publisher may know keys that this one does not (yet): theirs are left to it.
        owners = self._post.holders.names
        claimed = await table.claim(owners, now_us=now_us, until_us=now_us + lease_us)
        if claimed is None:
            return False
        webhook_id, owner, url = claimed
        await table.queue_new(webhook_id, now_us=now_us, queued_max=settings.queued_max)
        due = await table.due(webhook_id, now_us=now_us, most=BATCH_MAX)
        for delivery in due:
            # Half of the lease is left for the last one.
            if stopping.is_set() or self._now_us() > now_us + lease_us // 2:
                break
            await self._deliver(table, delivery, owner, url)
        rest_us = 0 if due else round(settings.poll_s * _US_PER_S)
        await table.release(webhook_id, from_us=self._now_us() + rest_us)
        return True

    async def _deliver(self, table: WebhookTable, delivery: Delivery, owner: str, url: str) -> None:
        holder = self._post.holders.named(owner)
        if holder is None or not holder.may_read_orders(delivery.account):
            await self._failed(table, delivery, "the key may not read this account any more", None)
            return
        now_us = self._now_us()
        error = await self._post.sender.send(self._parcel(delivery, url), now_us // _US_PER_S)
        if not error:
            metrics.WEBHOOKS.labels(outcome="delivered").inc()
            await table.delivered(delivery, at_us=self._now_us())
            return
        attempt = delivery.attempts + 1
        delay_s = self._retry.next_delay_s(attempt, 0.0, self._post.chance.random())
        next_us = None if delay_s is None else self._now_us() + round(delay_s * _US_PER_S)
        await self._failed(table, delivery, error, next_us)

    async def _failed(
        self, table: WebhookTable, delivery: Delivery, error: str, next_us: int | None
    ) -> None:
        metrics.WEBHOOKS.labels(outcome="dead" if next_us is None else "retried").inc()
        await table.failed(delivery, error, next_us=next_us)
        if next_us is not None:
            return
        log = self._post.log.bind(webhook=delivery.webhook_id, sequence=delivery.sequence)
        log.warning("webhook.given_up", reason=error, attempts=delivery.attempts + 1)
        dead_max = self._post.settings.dead_max
        if await table.suspend_if_over(delivery.webhook_id, dead_max=dead_max):
            log.error("webhook.suspended", dead_max=dead_max)

    def _parcel(self, delivery: Delivery, url: str) -> Parcel:
        told = Told(
            webhook_id=delivery.webhook_id,
            delivery_id=delivery.delivery_id,
            account=delivery.account,
            sequence=delivery.sequence,
            event=msgspec.Raw(delivery.payload),
        )
        return Parcel(
            url=url,
            body=msgspec.json.encode(told),
            webhook_id=delivery.webhook_id,
            delivery_id=delivery.delivery_id,
            attempt=delivery.attempts + 1,
            secrets=[
                secret_of(key, delivery.webhook_id) for key in self._post.settings.signing_keys
            ],
        )

    async def _measure(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                queued, dead = await (await self._post.tables.webhooks()).depths()
            except StoreError:
                queued, dead = 0, 0
            metrics.WEBHOOKS_QUEUED.set(queued)
            metrics.WEBHOOKS_DEAD.set(dead)
            await pause(stopping, 10 * self._post.settings.poll_s)

    def _now_us(self) -> int:
        return self._post.clock.now_ns() // _NS_PER_US
