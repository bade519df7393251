"""Who is told of order events over HTTP: registrations, the durable queue, dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from shared.store.pool import Connection, Pool, Row

#: Events queued for one webhook and account in one step.
QUEUED_AT_ONCE_MAX: Final = 200
ERROR_CHARACTERS_MAX: Final = 200
_COLUMNS: Final = (
    "webhook_id, owner, url, events, is_active, created_us, delivered_total, delivered_us"
)
_DELIVERY_COLUMNS: Final = (
    "delivery_id, webhook_id, account, sequence, payload, attempts, next_us, is_dead, last_error, "
    "queued_us"
)


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver; `events` empty means every event of its accounts."""

    webhook_id: str
    owner: str
    url: str
    events: list[str]
    accounts: list[str]
    is_active: bool = True
    created_us: int = 0
    delivered_total: int = 0
    delivered_us: int | None = None
    queued: int = 0
    dead: int = 0


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event for one receiver; `payload` is the event as it is published."""

    delivery_id: int
    webhook_id: str
    account: str
    sequence: int
    payload: bytes
    attempts: int
    next_us: int
    is_dead: bool
    last_error: str
    queued_us: int


class WebhookTable:
    """Reads and writes of the three tables; all raise StoreError where PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, webhook: Webhook, *, most: int) -> bool:
        """Register one from now on; False where the owner has as many as it may have."""
        async with self._pool.transaction() as connection:
            # Serialises registrations of one owner: counting is no lock.
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", webhook.owner)
            held = await connection.fetchval(
                "SELECT count(*) FROM webhooks WHERE owner = $1", webhook.owner
            )
            if held >= most:
                return False
            await connection.execute(
                "INSERT INTO webhooks (webhook_id, owner, url, events, created_us) "
                "VALUES ($1, $2, $3, $4, $5)",
                webhook.webhook_id,
                webhook.owner,
                webhook.url,
                webhook.events,
                webhook.created_us,
            )
            await connection.execute(
                "INSERT INTO webhook_accounts (webhook_id, account, sequence) "
                "SELECT $1, named, COALESCE((SELECT event_sequence FROM order_accounts "
                "WHERE account = named), 0) FROM unnest($2::text[]) AS named",
                webhook.webhook_id,
                webhook.accounts,
            )
        return True

    async def of(self, owner: str) -> list[Webhook]:
        """Return an owner's webhooks by id, with what waits and what was given up."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(
                f"SELECT {_COLUMNS}, "  # noqa: S608  # our own names
                "(SELECT array_agg(account ORDER BY account) FROM webhook_accounts AS a "
                "WHERE a.webhook_id = w.webhook_id) AS accounts, "
                "(SELECT count(*) FROM webhook_deliveries AS d WHERE d.webhook_id = w.webhook_id "
                "AND NOT is_dead) AS queued, "
                "(SELECT count(*) FROM webhook_deliveries AS d WHERE d.webhook_id = w.webhook_id "
                "AND is_dead) AS dead "
                "FROM webhooks AS w WHERE owner = $1 ORDER BY webhook_id",
                owner,
            )
        return [Webhook(**dict(row.items())) for row in rows]

    async def remove(self, owner: str, webhook_id: str) -> bool:
        """Forget one with all that waits for it; False where the owner has none of this id."""
        async with self._pool.connection() as connection:
            tag = await connection.execute(
                "DELETE FROM webhooks WHERE owner = $1 AND webhook_id = $2", owner, webhook_id
            )
        return tag == "DELETE 1"

    async def dead_letters(self, webhook_id: str, *, after: int, limit: int) -> list[Delivery]:
        """Return what was given up, oldest first."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(
                f"SELECT {_DELIVERY_COLUMNS} FROM webhook_deliveries "  # noqa: S608  # ours
                "WHERE webhook_id = $1 AND is_dead AND delivery_id > $2 "
                "ORDER BY delivery_id LIMIT $3",
                webhook_id,
                after,
                limit,
            )
        return list(map(_delivery, rows))

    async def replay(self, webhook_id: str, *, now_us: int) -> int:
        """Queue every dead letter again and go on with the webhook; return how many."""
        async with self._pool.transaction() as connection:
            rows = await connection.fetch(
                "UPDATE webhook_deliveries SET is_dead = false, attempts = 0, next_us = $2 "
                "WHERE webhook_id = $1 AND is_dead RETURNING delivery_id",
                webhook_id,
                now_us,
            )
            await connection.execute(
                "UPDATE webhooks SET is_active = true WHERE webhook_id = $1", webhook_id
            )
        return len(rows)

    async def claim(
        self, owners: Sequence[str], *, now_us: int, until_us: int
    ) -> tuple[str, str, str] | None:
        """Take a webhook of these that nobody delivers for; return its id, its owner, its URL."""
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(
                "UPDATE webhooks SET claimed_until_us = $2 WHERE webhook_id IN ("
                "SELECT webhook_id FROM webhooks WHERE claimed_until_us <= $1 AND owner = ANY($3) "
                "ORDER BY claimed_until_us LIMIT 1 FOR UPDATE SKIP LOCKED"
                ") RETURNING webhook_id, owner, url",
                now_us,
                until_us,
                list(owners),
            )
        return None if row is None else (row["webhook_id"], row["owner"], row["url"])

    async def release(self, webhook_id: str, *, from_us: int) -> None:
        """Let others deliver for it from a moment on."""
        async with self._pool.connection() as connection:
            await connection.execute(
                "UPDATE webhooks SET claimed_until_us = $2 WHERE webhook_id = $1",
                webhook_id,
                from_us,
            )

    async def queue_new(self, webhook_id: str, *, now_us: int, queued_max: int) -> int:
        """Queue events the journal has beyond what was queued; return how many were looked at.

        The queue holds `queued_max` at most: the rest stays in the journal until there is room.
        """
        async with self._pool.transaction() as connection:
            known = await connection.fetchrow(
                "SELECT events, (SELECT count(*) FROM webhook_deliveries AS d "
                "WHERE d.webhook_id = w.webhook_id AND NOT is_dead) AS queued "
                "FROM webhooks AS w WHERE webhook_id = $1 AND is_active FOR UPDATE",
                webhook_id,
            )
            if known is None:
                return 0
            room = min(QUEUED_AT_ONCE_MAX, queued_max - known["queued"])
            accounts = await connection.fetch(
                "SELECT account, sequence FROM webhook_accounts WHERE webhook_id = $1", webhook_id
            )
            looked_at = 0
            for row in accounts:
                if looked_at < room:
                    looked_at += await _queue_account(
                        connection, webhook_id, row, room - looked_at, known["events"], now_us
                    )
        return looked_at

    async def due(self, webhook_id: str, *, now_us: int, most: int) -> list[Delivery]:
        """Return what is to be tried now, in the order it was queued."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(
                f"SELECT {_DELIVERY_COLUMNS} FROM webhook_deliveries "  # noqa: S608  # ours
                "WHERE webhook_id = $1 AND NOT is_dead AND next_us <= $2 "
                "ORDER BY delivery_id LIMIT $3",
                webhook_id,
                now_us,
                most,
            )
        return list(map(_delivery, rows))

    async def delivered(self, delivery: Delivery, *, at_us: int) -> None:
        """Forget a delivery that was taken."""
        async with self._pool.transaction() as connection:
            await connection.execute(
                "DELETE FROM webhook_deliveries WHERE delivery_id = $1", delivery.delivery_id
            )
            await connection.execute(
                "UPDATE webhooks SET delivered_total = delivered_total + 1, delivered_us = $2 "
                "WHERE webhook_id = $1",
                delivery.webhook_id,
                at_us,
            )

    async def failed(self, delivery: Delivery, error: str, *, next_us: int | None) -> None:
        """Put a delivery off, or give it up where `next_us` is None."""
        async with self._pool.connection() as connection:
            await connection.execute(
                "UPDATE webhook_deliveries SET attempts = attempts + 1, last_error = $2, "
                "is_dead = $3::bigint IS NULL, next_us = COALESCE($3, next_us) "
                "WHERE delivery_id = $1",
                delivery.delivery_id,
                error[:ERROR_CHARACTERS_MAX],
                next_us,
            )

    async def suspend_if_over(self, webhook_id: str, *, dead_max: int) -> bool:
        """Queue nothing more for a webhook with that many dead letters; tell whether it was so."""
        async with self._pool.connection() as connection:
            tag = await connection.execute(
                "UPDATE webhooks AS w SET is_active = false WHERE webhook_id = $1 AND is_active "
                "AND (SELECT count(*) FROM webhook_deliveries AS d "
                "WHERE d.webhook_id = w.webhook_id AND is_dead) >= $2",
                webhook_id,
                dead_max,
            )
        return tag == "UPDATE 1"

    async def depths(self) -> tuple[int, int]:
        """Return how many deliveries wait and how many were given up, of everybody."""
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(
                "SELECT count(*) FILTER (WHERE NOT is_dead) AS queued, "
                "count(*) FILTER (WHERE is_dead) AS dead FROM webhook_deliveries"
            )
        return (0, 0) if row is None else (row["queued"], row["dead"])


async def _queue_account(  # one step of a transaction that has it all
    connection: Connection,
    webhook_id: str,
    cursor: Row,
    room: int,
    wanted: Sequence[str],
    now_us: int,
) -> int:
    events = await connection.fetch(
        "SELECT sequence, payload FROM order_events WHERE account = $1 AND sequence > $2 "
        "ORDER BY sequence LIMIT $3",
        cursor["account"],
        cursor["sequence"],
        room,
    )
    for event in events:
        if wanted and _name_of(bytes(event["payload"])) not in wanted:
            continue
        await connection.execute(
            "INSERT INTO webhook_deliveries "
            "(webhook_id, account, sequence, payload, next_us, queued_us) "
            "VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT DO NOTHING",
            webhook_id,
            cursor["account"],
            event["sequence"],
            bytes(event["payload"]),
            now_us,
        )
    if events:
        await connection.execute(
            "UPDATE webhook_accounts SET sequence = $3 WHERE webhook_id = $1 AND account = $2",
            webhook_id,
            cursor["account"],
            events[-1]["sequence"],
        )
    return len(events)


class _Named(msgspec.Struct):
    event: str = ""


def _name_of(payload: bytes) -> str:
    try:
        return msgspec.json.decode(payload, type=_Named).event
    except msgspec.DecodeError:
        return ""


def _delivery(row: Row) -> Delivery:
    return Delivery(**{**dict(row.items()), "payload": bytes(row["payload"])})
