"""Webhooks: who is told of order events, what could not be delivered."""

from __future__ import annotations

import random
from typing import Annotated

from msgspec import Meta, Raw, Struct

from publisher.access.auth import Keyring
from publisher.api.archive import Archive
from publisher.api.errors import HttpRefusal, invalid, not_configured, not_found
from publisher.api.pagination import cut, number_of
from publisher.api.route import Account, Answer, Call, Nothing, PageQuery, body_of, parameters
from publisher.api.shapes import Many, One
from publisher.http_settings import WebhookSection
from publisher.webhooks.signing import KEY_CHARACTERS_MIN, secret_of
from publisher.webhooks.targets import read_networks, refuse_url
from shared.clock import Clock
from shared.errors import SettingsError
from shared.store.webhooks import Webhook, WebhookTable
from shared.wire.orders import OrderEvent
from shared.wire.steps import Told

_NS_PER_US = 1_000
_ID_BITS = 96


class WebhookBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to, which accounts; `events` are names of steps, empty for all of them."""

    url: Annotated[str, Meta(min_length=8, max_length=2000)]
    accounts: Annotated[tuple[Account, ...], Meta(min_length=1, max_length=100)]
    events: Annotated[tuple[Told, ...], Meta(max_length=32)] = ()


class WebhookView(Struct, frozen=True, kw_only=True):
    """A webhook; `is_active` is false where its dead letters reached their bound."""

    webhook_id: str
    url: str
    accounts: list[str]
    events: list[str]
    is_active: bool
    created_us: int
    delivered_total: int
    delivered_us: int | None
    queued: int
    dead: int


class WebhookMade(Struct, frozen=True, kw_only=True):
    """A new webhook; its secret is shown this once."""

    webhook_id: str
    secret: str


class DeadLetter(Struct, frozen=True, kw_only=True):
    """An event that was given up: after how many attempts, what the last one met."""

    delivery_id: int
    account: str
    sequence: int
    attempts: int
    last_error: str
    queued_us: int
    event: OrderEvent


class Replayed(Struct, frozen=True, kw_only=True):
    """How many dead letters are queued again."""

    queued: int


class Gone(Struct, frozen=True, kw_only=True):
    """What was removed."""

    webhook_id: str


class Webhooks:
    """Each key sees and changes its own webhooks only."""

    def __init__(
        self,
        archive: Archive,
        keyring: Keyring,
        settings: WebhookSection,
        *,
        accounts: tuple[str, ...],
        clock: Clock,
        chance: random.Random,
    ) -> None:
        if any(len(key.reveal()) < KEY_CHARACTERS_MIN for key in settings.signing_keys):
            raise SettingsError(
                f"webhooks.signing_keys: a key has {KEY_CHARACTERS_MIN} characters at least"
            )
        self.allowed = read_networks(settings.allowed_networks)
        self._archive = archive
        self._keyring = keyring
        self._settings = settings
        self._accounts = accounts
        self._clock = clock
        self._random = chance

    async def listed(self, call: Call) -> Answer:
        """List the key's webhooks."""
        parameters(call, Nothing)
        table = await self._table(call)
        found = await table.of(call.principal.name)
        return Answer(body=Many(data=list(map(_view, found))))

    async def register(self, call: Call) -> Answer:
        """Register one; it is told of what happens from now on."""
        parameters(call, Nothing)
        table = await self._table(call)
        wanted = body_of(call, WebhookBody)
        self._check(call, wanted)
        webhook_id = f"wh_{self._random.getrandbits(_ID_BITS):024x}"
        webhook = Webhook(
            webhook_id=webhook_id,
            owner=call.principal.name,
            url=wanted.url,
            events=sorted(set(wanted.events)),
            accounts=sorted(set(wanted.accounts)),
            created_us=self._clock.now_ns() // _NS_PER_US,
        )
        if not await table.add(webhook, most=self._settings.per_key_max):
            raise HttpRefusal(
                409, "over_quota", f"a key may have {self._settings.per_key_max} webhooks"
            )
        secret = secret_of(self._settings.signing_keys[0], webhook_id).reveal()
        return Answer(status=201, body=One(data=WebhookMade(webhook_id=webhook_id, secret=secret)))

    async def remove(self, call: Call) -> Answer:
        """Remove one with all that waits for it."""
        parameters(call, Nothing)
        table = await self._table(call)
        webhook_id = call.path["webhook_id"]
        if not await table.remove(call.principal.name, webhook_id):
            raise not_found(f"a webhook {webhook_id[:40]} of this key")
        return Answer(body=One(data=Gone(webhook_id=webhook_id)))

    async def dead_letters(self, call: Call) -> Answer:
        """List what was given up, oldest first."""
        query = parameters(call, PageQuery)
        table, webhook_id = await self._mine(call)
        after = number_of("dead-letters", query.cursor) or 0
        rows = await table.dead_letters(webhook_id, after=after, limit=query.limit + 1)
        page, following = cut(rows, query.limit, "dead-letters", lambda row: row.delivery_id)
        letters = [
            {
                "delivery_id": row.delivery_id,
                "account": row.account,
                "sequence": row.sequence,
                "attempts": row.attempts,
                "last_error": row.last_error,
                "queued_us": row.queued_us,
                "event": Raw(row.payload),
            }
            for row in page
        ]
        return Answer(body=Many(data=letters, next=following))

    async def replay(self, call: Call) -> Answer:
        """Queue every dead letter again; a suspended webhook goes on."""
        parameters(call, Nothing)
        table, webhook_id = await self._mine(call)
        queued = await table.replay(webhook_id, now_us=self._clock.now_ns() // _NS_PER_US)
        return Answer(body=One(data=Replayed(queued=queued)))

    def _check(self, call: Call, wanted: WebhookBody) -> None:
        for account in wanted.accounts:
            if account not in self._accounts or not call.principal.may_read_orders(account):
                raise invalid(
                    "accounts", f"the key may not read {account}, or it is not known here"
                )
        refused = refuse_url(wanted.url, self.allowed)
        if refused:
            raise invalid("url", refused)

    async def _mine(self, call: Call) -> tuple[WebhookTable, str]:
        table = await self._table(call)
        webhook_id = call.path["webhook_id"]
        mine = {each.webhook_id for each in await table.of(call.principal.name)}
        if webhook_id not in mine:
            raise not_found(f"a webhook {webhook_id[:40]} of this key")
        return table, webhook_id

    async def _table(self, call: Call) -> WebhookTable:
        if not self._settings.signing_keys:
            raise not_configured("telling events over webhooks", "TICKFLOW_WEBHOOKS__SIGNING_KEYS")
        # Who is told goes on being told, so it must be somebody whose key can be withdrawn here.
        if self._keyring.named(call.principal.name) != call.principal:
            raise HttpRefusal(403, "forbidden", "webhooks belong to keys of this publisher only")
        return await self._archive.webhooks()


def _view(webhook: Webhook) -> WebhookView:
    return WebhookView(
        webhook_id=webhook.webhook_id,
        url=webhook.url,
        accounts=webhook.accounts,
        events=webhook.events,
        is_active=webhook.is_active,
        created_us=webhook.created_us,
        delivered_total=webhook.delivered_total,
        delivered_us=webhook.delivered_us,
        queued=webhook.queued,
        dead=webhook.dead,
    )
